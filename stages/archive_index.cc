#include "stages/archive_index.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/digest.h"
#include "stages/error_kind.h"
#include "stages/index_blob.h"

namespace volstream {
namespace {

// Read with the footer: holds the whole index of some 10,000 files, and the directory and the
// members' pages of some 100 GiB.
constexpr uint64_t kTailBytes = 256 * kKiB;

constexpr char kStopUrl[] = "volstream/stop-visiting";

absl::Status OkIfStopped(const absl::Status& status) {
  return status.GetPayload(kStopUrl).has_value() ? absl::OkStatus() : status;
}

}  // namespace

absl::Status StopVisiting() {
  absl::Status status = absl::CancelledError("the visitor has seen enough");
  status.SetPayload(kStopUrl, absl::Cord("1"));
  return status;
}

absl::StatusOr<std::unique_ptr<ArchiveIndex>> ArchiveIndex::Open(ArchiveFile* file) {
  const absl::Status none = absl::NotFoundError(absl::StrCat(file->Url(), " has no index"));
  if (file->bytes() < FooterBytes(ArchiveFormat::kZstd)) return none;
  std::vector<uint8_t> tail(std::min(file->bytes(), kTailBytes));
  VS_RETURN_IF_ERROR(file->ReadAt(file->bytes() - tail.size(), MutableByteSpan(tail)));
  const absl::StatusOr<IndexFooter> footer = DecodeIndexFooter(tail, file->bytes());
  if (absl::IsNotFound(footer.status())) return none;
  std::unique_ptr<ArchiveIndex> index(
      new ArchiveIndex(file, footer.ok() ? *footer : IndexFooter()));
  if (!footer.ok()) return index->Located(footer.status());
  index->window_offset_ = file->bytes() - tail.size();
  index->window_ = std::move(tail);
  if (absl::Status status = index->ReadDirectory(); !status.ok()) return index->Located(status);
  return index;
}

absl::Status ArchiveIndex::Located(const absl::Status& status) const {
  if (!absl::IsDataLoss(status) && !absl::IsFailedPrecondition(status)) return status;
  const absl::Status located = WithContext(status, file_->Url());
  return absl::IsDataLoss(status) ? WithKind(located, ErrorKind::kIntegrity) : located;
}

absl::Status ArchiveIndex::ReadDirectory() {
  VS_ASSIGN_OR_RETURN(const ByteSpan members,
                      Read(footer_.directory_offset, footer_.directory_bytes, 0));
  VS_ASSIGN_OR_RETURN(const std::string raw, DecodeIndexBlob(members, footer_.directory_xxh3));
  VS_ASSIGN_OR_RETURN(directory_, IndexDirectory::Decode(AsBytes(raw), footer_));
  return absl::OkStatus();
}

absl::StatusOr<ByteSpan> ArchiveIndex::Read(uint64_t offset, uint64_t bytes, uint64_t ahead) {
  if (offset < window_offset_ || offset + bytes > window_offset_ + window_.size()) {
    // Never behind the index: the footer has been read.
    const uint64_t end = footer_.index_offset + footer_.index_bytes;
    window_.resize(std::clamp<uint64_t>(ahead, bytes, end - offset));
    window_offset_ = offset;
    const absl::Status status = file_->ReadAt(offset, MutableByteSpan(window_));
    if (!status.ok()) {
      window_.clear();
      return status;
    }
  }
  return ByteSpan(window_).subspan(offset - window_offset_, bytes);
}

absl::StatusOr<std::string> ArchiveIndex::ReadPage(const IndexDirectory::Page& page,
                                                   uint64_t window_end) {
  const uint64_t ahead = std::min<uint64_t>(window_end - page.offset, kWindowBytes);
  VS_ASSIGN_OR_RETURN(const ByteSpan members, Read(page.offset, page.bytes, ahead));
  return DecodeIndexBlob(members, page.xxh3);
}

ArchiveIndex::Cursor ArchiveIndex::Entries(std::string_view path) {
  const std::vector<IndexDirectory::EntryPage>& pages = directory_.entry_pages;
  size_t first = 0;
  size_t last = pages.size();
  if (footer_.own_tar && !path.empty()) {
    // The last page that begins at or before the path may hold it; pages that begin behind all that
    // is under it do not.
    const auto behind = [](std::string_view wanted, const IndexDirectory::EntryPage& page) {
      return ComparePaths(wanted, page.first_path) < 0;
    };
    const auto after = std::upper_bound(pages.begin(), pages.end(), path, behind);
    first = static_cast<size_t>(after - pages.begin());
    last = first;
    if (first > 0) --first;
    while (last < pages.size() && IsUnder(pages[last].first_path, path)) ++last;
  }
  return Cursor(this, first, last, std::string(path));
}

absl::Status ArchiveIndex::Cursor::OpenPage() {
  const std::vector<IndexDirectory::EntryPage>& pages = index_->directory_.entry_pages;
  const IndexDirectory::EntryPage& page = pages[page_++];
  VS_ASSIGN_OR_RETURN(std::string raw,
                      index_->ReadPage(page, pages[last_ - 1].offset + pages[last_ - 1].bytes));
  VS_ASSIGN_OR_RETURN(reader_, EntryPageReader::Make(std::move(raw), page.tar_offset, page.count));
  first_ = true;
  return absl::OkStatus();
}

absl::Status ArchiveIndex::Cursor::ClosePage() {
  const std::vector<IndexDirectory::EntryPage>& pages = index_->directory_.entry_pages;
  VS_RETURN_IF_ERROR(reader_->Finish());
  if (page_ < pages.size() && reader_->tar_offset() != pages[page_].tar_offset) {
    return absl::DataLossError("the index is damaged: a page ends where the next does not begin");
  }
  reader_.reset();
  return absl::OkStatus();
}

absl::StatusOr<const IndexedEntry*> ArchiveIndex::Cursor::Read() {
  while (true) {
    if (reader_.has_value() && reader_->left() == 0) VS_RETURN_IF_ERROR(ClosePage());
    if (!reader_.has_value()) {
      if (page_ >= last_) return nullptr;
      VS_RETURN_IF_ERROR(OpenPage());
    }
    VS_ASSIGN_OR_RETURN(const IndexedEntry* entry, reader_->Next());
    if (entry->place.end_offset() > index_->footer_.tar_bytes ||
        (std::exchange(first_, false) &&
         entry->path != index_->directory_.entry_pages[page_ - 1].first_path)) {
      return absl::DataLossError("the index is damaged: a page does not fit its directory");
    }
    if (IsUnder(entry->path, path_)) return entry;
  }
}

absl::StatusOr<const IndexedEntry*> ArchiveIndex::Cursor::Next() {
  absl::StatusOr<const IndexedEntry*> entry = Read();
  if (!entry.ok()) return index_->Located(entry.status());
  return entry;
}

absl::Status ArchiveIndex::ForEach(const EntryVisitor& visit) { return ForEachUnder("", visit); }

absl::Status ArchiveIndex::ForEachUnder(std::string_view path, const EntryVisitor& visit) {
  Cursor cursor = Entries(path);
  while (true) {
    VS_ASSIGN_OR_RETURN(const IndexedEntry* entry, cursor.Next());
    if (entry == nullptr) return absl::OkStatus();
    const absl::Status status = visit(*entry);
    if (!status.ok()) return OkIfStopped(status);
  }
}

absl::StatusOr<std::optional<IndexedEntry>> ArchiveIndex::Find(std::string_view path) {
  std::optional<IndexedEntry> found;
  VS_RETURN_IF_ERROR(ForEachUnder(path, [&](const IndexedEntry& entry) {
    if (entry.path == path) {
      found = entry;
    } else if (footer_.own_tar && found.has_value()) {
      return StopVisiting();
    }
    return absl::OkStatus();
  }));
  return found;
}

absl::StatusOr<std::vector<MemberExtent>> ArchiveIndex::ReadMemberPage(size_t index,
                                                                       uint64_t window_end) {
  const IndexDirectory::MemberPage& page = directory_.member_pages[index];
  VS_ASSIGN_OR_RETURN(const std::string raw, ReadPage(page, window_end));
  return ParseMemberPage(AsBytes(raw), page.count, page.archive_offset, page.tar_offset,
                         page.archive_offset + page.archive_bytes,
                         page.tar_offset + page.tar_bytes);
}

absl::StatusOr<std::vector<MemberExtent>> ArchiveIndex::MembersOf(uint64_t begin, uint64_t end) {
  std::vector<MemberExtent> found;
  for (size_t i = 0; i < directory_.member_pages.size() && begin < end; ++i) {
    const IndexDirectory::MemberPage& page = directory_.member_pages[i];
    if (page.tar_offset + page.tar_bytes <= begin) continue;
    if (page.tar_offset >= end) break;
    const absl::StatusOr<std::vector<MemberExtent>> members =
        ReadMemberPage(i, footer_.directory_offset);
    if (!members.ok()) return Located(members.status());
    for (const MemberExtent& member : *members) {
      if (member.tar_offset < end && member.tar_offset + member.tar_bytes > begin) {
        found.push_back(member);
      }
    }
  }
  return found;
}

absl::Status ArchiveIndex::ForEachMember(
    const std::function<absl::Status(const MemberExtent&)>& visit) {
  for (size_t i = 0; i < directory_.member_pages.size(); ++i) {
    const absl::StatusOr<std::vector<MemberExtent>> members =
        ReadMemberPage(i, footer_.directory_offset);
    if (!members.ok()) return Located(members.status());
    for (const MemberExtent& member : *members) {
      const absl::Status status = visit(member);
      if (!status.ok()) return OkIfStopped(status);
    }
  }
  return absl::OkStatus();
}

}  // namespace volstream
