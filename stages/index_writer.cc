#include "stages/index_writer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/check.h"
#include "engine/status_macros.h"
#include "stages/index_blob.h"

namespace volstream {

IndexWriter::IndexWriter(IndexedStream stream, ArchiveFormat format, uint64_t max_bytes,
                         NextEntry next_entry)
    : max_bytes_(max_bytes), next_entry_(std::move(next_entry)) {
  footer_.format = format;
  footer_.own_tar = stream == IndexedStream::kOwnTar;
  footer_.raw = stream == IndexedStream::kRaw;
}

absl::Status IndexWriter::LeaveOut(const absl::Status& status) {
  if (!absl::IsResourceExhausted(status)) return status;
  if (left_out_.empty()) left_out_ = std::string(status.message());
  step_ = Step::kDone;
  return absl::OkStatus();
}

absl::Status IndexWriter::Add(IndexedEntry entry) {
  if (!left_out_.empty()) return absl::OkStatus();
  if (entry.path.size() > kMaxIndexedPathBytes || entry.link_target.size() > kMaxIndexedPathBytes) {
    return LeaveOut(absl::ResourceExhaustedError("a name in it is longer than 1 MiB"));
  }
  if (entry.place.tar_offset < entries_end_) {
    return absl::InternalError(absl::StrCat("the entry at byte ", entry.place.tar_offset,
                                            " of the tar begins within the one before it"));
  }
  entry.place.header_bytes += entry.place.tar_offset - entries_end_;
  entry.place.tar_offset = entries_end_;
  entries_end_ = entry.place.end_offset();
  if (entries_.full()) {
    VS_RETURN_IF_ERROR(LeaveOut(FinishEntryPage()));
    if (!left_out_.empty()) return absl::OkStatus();
  }
  entries_.Add(entry);
  return absl::OkStatus();
}

absl::Status IndexWriter::AppendPage(std::string_view raw, IndexDirectory::Page* page,
                                     std::string* pages) const {
  VS_ASSIGN_OR_RETURN(const IndexBlob blob, EncodeIndexBlob(raw, footer_.format));
  page->bytes = blob.members.size();
  page->xxh3 = blob.xxh3;
  *pages += blob.members;
  return absl::OkStatus();
}

absl::Status IndexWriter::FinishEntryPage() {
  IndexDirectory::EntryPage page;
  page.count = entries_.count();
  page.tar_offset = entries_.first_tar_offset();
  page.first_path = entries_.first_path();
  VS_RETURN_IF_ERROR(AppendPage(entries_.Take(), &page, &entry_pages_));
  footer_.entry_count += page.count;
  directory_.entry_pages.push_back(std::move(page));
  return absl::OkStatus();
}

absl::Status IndexWriter::FinishMemberPage() {
  IndexDirectory::MemberPage page;
  page.count = members_.count();
  page.archive_bytes = members_.archive_bytes();
  page.tar_bytes = members_.tar_bytes();
  VS_RETURN_IF_ERROR(AppendPage(members_.Take(), &page, &member_pages_));
  footer_.member_count += page.count;
  directory_.member_pages.push_back(page);
  return absl::OkStatus();
}

absl::Status IndexWriter::OnBlock(const BlockRecord& record, ByteSpan encoded) {
  if (record.source_bytes == 0) return absl::OkStatus();
  VS_CHECK(encoded.size() <= UINT32_MAX && record.source_bytes <= UINT32_MAX);
  if (members_.full()) VS_RETURN_IF_ERROR(FinishMemberPage());
  const auto member_bytes = static_cast<uint32_t>(encoded.size());
  const auto tar_bytes = static_cast<uint32_t>(record.source_bytes);
  members_.Add(member_bytes, tar_bytes);
  footer_.tar_bytes += tar_bytes;
  footer_.max_member_bytes = std::max(footer_.max_member_bytes, member_bytes);
  footer_.max_member_tar_bytes = std::max(footer_.max_member_tar_bytes, tar_bytes);
  return absl::OkStatus();
}

absl::Status IndexWriter::RefillEntries() {
  IndexedEntry entry;
  while (entry_pages_.empty() && next_entry_) {
    VS_ASSIGN_OR_RETURN(const bool more, next_entry_(&entry));
    if (!more) break;
    VS_RETURN_IF_ERROR(Add(entry));
  }
  if (entry_pages_.empty() && entries_.count() > 0) VS_RETURN_IF_ERROR(FinishEntryPage());
  ready_ = std::exchange(entry_pages_, std::string());
  if (ready_.empty()) step_ = Step::kMembers;
  return absl::OkStatus();
}

// What a reader would not take.
absl::Status IndexWriter::CheckDirectory() const {
  uint64_t path_bytes = 0;
  for (const IndexDirectory::EntryPage& page : directory_.entry_pages) {
    path_bytes += page.first_path.size();
  }
  if (directory_.entry_pages.size() <= IndexDirectory::kMaxPages &&
      directory_.member_pages.size() <= IndexDirectory::kMaxPages &&
      path_bytes <= IndexDirectory::kMaxPathBytes) {
    return absl::OkStatus();
  }
  return absl::ResourceExhaustedError("its names are too many or too long");
}

absl::Status IndexWriter::Refill() {
  ready_.clear();
  ready_used_ = 0;
  switch (step_) {
    case Step::kEntries:
      return RefillEntries();
    case Step::kMembers:
      if (members_.count() > 0) VS_RETURN_IF_ERROR(FinishMemberPage());
      ready_ = std::exchange(member_pages_, std::string());
      step_ = Step::kDirectory;
      return absl::OkStatus();
    case Step::kDirectory: {
      VS_RETURN_IF_ERROR(CheckDirectory());
      VS_ASSIGN_OR_RETURN(IndexBlob blob, EncodeIndexBlob(directory_.Encode(), footer_.format));
      footer_.directory_offset = footer_.index_offset + bytes_;
      footer_.directory_bytes = blob.members.size();
      footer_.directory_xxh3 = blob.xxh3;
      footer_.index_bytes = bytes_ + blob.members.size();
      ready_ = std::move(blob.members);
      step_ = Step::kFooter;
      return absl::OkStatus();
    }
    case Step::kFooter:
      ready_ = EncodeIndexFooter(footer_);
      step_ = Step::kDone;
      return absl::OkStatus();
    case Step::kDone:
      return absl::OkStatus();
  }
  return absl::InternalError("no such step");
}

absl::StatusOr<size_t> IndexWriter::Next(uint64_t encoded_offset, MutableByteSpan out) {
  if (bytes_ == 0) footer_.index_offset = encoded_offset;
  while (ready_used_ == ready_.size() && step_ != Step::kDone) {
    VS_RETURN_IF_ERROR(LeaveOut(Refill()));
  }
  // Pages that were written already are passed over, as there is no footer.
  if (!left_out_.empty()) return 0;
  const size_t count = std::min(out.size(), ready_.size() - ready_used_);
  std::memcpy(out.data(), ready_.data() + ready_used_, count);
  ready_used_ += count;
  bytes_ += count;
  return count;
}

}  // namespace volstream
