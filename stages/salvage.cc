#include "stages/salvage.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/status_macros.h"
#include "stages/archive_index.h"
#include "stages/error_kind.h"
#include "stages/salvage_input.h"
#include "stages/warnings.h"

namespace volstream {
namespace {

// What an intact index says; nothing of it is used unless all of it can be read.
struct IndexContents {
  std::unique_ptr<ArchiveIndex> index;  // null without one
  std::vector<MemberExtent> members;
  std::vector<uint64_t> entry_offsets;
};

absl::StatusOr<IndexContents> ReadIndex(ArchiveFile* file) {
  IndexContents contents;
  absl::StatusOr<std::unique_ptr<ArchiveIndex>> index = ArchiveIndex::Open(file);
  absl::Status status = index.status();
  if (status.ok()) {
    status = (*index)->ForEachMember([&contents](const MemberExtent& member) {
      contents.members.push_back(member);
      return absl::OkStatus();
    });
  }
  if (status.ok()) {
    status = (*index)->ForEach([&contents](const IndexedEntry& entry) {
      contents.entry_offsets.push_back(entry.place.tar_offset);
      return absl::OkStatus();
    });
  }
  if (absl::IsNotFound(status) || absl::IsDataLoss(status)) return IndexContents();
  VS_RETURN_IF_ERROR(status);
  if (!std::is_sorted(contents.entry_offsets.begin(), contents.entry_offsets.end())) {
    return IndexContents();
  }
  contents.index = *std::move(index);
  return contents;
}

class Salvage {
 public:
  Salvage(ArchiveFile* file, const SalvageOptions& options, TreeWriter* writer)
      : file_(file), options_(options), selection_(options.selection), writer_(writer) {}

  absl::StatusOr<SalvageReport> Run();

 private:
  void Warn(std::string_view text) const {
    if (options_.on_warning) options_.on_warning(text);
  }
  void OnGap(const SalvageGap& gap);
  void OnDamaged(const DamagedEntry& entry);
  absl::Status RestoreOne(const RestoreEntry& entry, SalvageReader* reader);
  // Marks the entry that begins there as found.
  void NoteFound(std::optional<uint64_t> tar_offset);
  absl::Status ListLost();

  ArchiveFile* const file_;
  const SalvageOptions& options_;
  PathSelection selection_;
  TreeWriter* const writer_;
  IndexContents contents_;
  std::vector<bool> found_;     // by the order of the index
  bool counted_whole_ = false;  // the current entry
  SalvageReport report_;
};

void Salvage::OnGap(const SalvageGap& gap) {
  ++report_.gap_count;
  report_.archive_bytes_lost += gap.archive_bytes;
  if (report_.gaps.size() < SalvageReport::kMaxGaps) report_.gaps.push_back(gap);
  std::string text = absl::StrFormat("%s: bytes %d to %d are damaged", file_->Url(),
                                     gap.archive_offset, gap.archive_offset + gap.archive_bytes);
  if (gap.tar_bytes.has_value()) {
    absl::StrAppend(&text, ": ", *gap.tar_bytes, " bytes of the tar are lost");
  }
  Warn(text);
}

void Salvage::OnDamaged(const DamagedEntry& entry) {
  if (!std::exchange(counted_whole_, false)) return;
  ++report_.damaged;
  --report_.whole;
  std::string text = absl::StrCat(PrintablePath(entry.path), ": damaged:");
  if (entry.lost_bytes > 0) {
    absl::StrAppend(&text, " ", entry.lost_bytes, " of its ", entry.bytes,
                    " bytes are lost and have become zeros");
  }
  if (entry.header_in_doubt) {
    absl::StrAppend(&text, entry.lost_bytes > 0 ? ";" : "",
                    " what lay before its header is lost, so its name, attributes and times may "
                    "differ");
  }
  Warn(text);
}

void Salvage::NoteFound(std::optional<uint64_t> tar_offset) {
  if (!tar_offset.has_value()) return;
  const std::vector<uint64_t>& offsets = contents_.entry_offsets;
  const auto place = std::lower_bound(offsets.begin(), offsets.end(), *tar_offset);
  if (place != offsets.end() && *place == *tar_offset) {
    found_[static_cast<size_t>(place - offsets.begin())] = true;
  }
}

absl::Status Salvage::RestoreOne(const RestoreEntry& entry, SalvageReader* reader) {
  NoteFound(reader->tar_offset());
  counted_whole_ = false;
  if (!selection_.SelectsAndNotes(entry.path)) return absl::OkStatus();
  if (!reader->odd().empty()) {
    ++report_.damaged;
    Warn(absl::StrCat(PrintablePath(entry.path), ": not restored: ", reader->odd()));
    return absl::OkStatus();
  }
  ++report_.whole;
  counted_whole_ = true;
  VS_RETURN_IF_ERROR(writer_->Begin(entry));
  while (true) {
    VS_ASSIGN_OR_RETURN(EntryData data, reader->NextData());
    if (data.content.bytes.empty()) return absl::OkStatus();
    VS_RETURN_IF_ERROR(writer_->Write(std::move(data)));
  }
}

absl::Status Salvage::ListLost() {
  if (contents_.index == nullptr) return absl::OkStatus();
  size_t next = 0;
  return contents_.index->ForEach([this, &next](const IndexedEntry& entry) {
    if (found_[next++] || !selection_.Selects(entry.path)) return absl::OkStatus();
    ++report_.lost;
    Warn(absl::StrCat(PrintablePath(entry.path), ": lost"));
    return absl::OkStatus();
  });
}

absl::StatusOr<SalvageReport> Salvage::Run() {
  VS_ASSIGN_OR_RETURN(contents_, ReadIndex(file_));
  if (contents_.index != nullptr && contents_.index->footer().raw) {
    return absl::FailedPreconditionError(absl::StrCat(
        file_->Url(), " holds a stream that is no tar: --salvage finds files in tars"));
  }
  report_.has_index = contents_.index != nullptr;
  found_.resize(contents_.entry_offsets.size());
  if (!report_.has_index) {
    Warn(absl::StrCat(file_->Url(), ": its index is lost: what is missing cannot be named"));
  }
  ArchiveFormat format = ArchiveFormat::kGzip;
  if (contents_.index != nullptr) {
    format = contents_.index->footer().format;
  } else {
    VS_ASSIGN_OR_RETURN(format, SalvageInput::FormatOf(file_));
  }
  SalvageInput input(file_, format, std::move(contents_.members));
  SalvageReaderOptions reader_options;
  reader_options.entry_offsets = contents_.entry_offsets;
  reader_options.on_gap = [this](const SalvageGap& gap) { OnGap(gap); };
  reader_options.on_damaged = [this](const DamagedEntry& entry) { OnDamaged(entry); };
  SalvageReader reader(&input, std::move(reader_options));
  while (true) {
    if (options_.cancelled != nullptr && options_.cancelled->load()) return InterruptedError();
    VS_ASSIGN_OR_RETURN(const RestoreEntry* entry, reader.Next());
    if (entry == nullptr) break;
    VS_RETURN_IF_ERROR(RestoreOne(*entry, &reader));
  }
  report_.saw_end = reader.saw_end();
  if (!report_.saw_end) {
    Warn(absl::StrCat(file_->Url(), ": the end of its tar is lost"));
  }
  VS_RETURN_IF_ERROR(ListLost());
  report_.unmatched = selection_.Unmatched();
  VS_ASSIGN_OR_RETURN(report_.written, writer_->Finish());
  return std::move(report_);
}

}  // namespace

absl::StatusOr<SalvageReport> SalvageArchive(ArchiveFile* file, const SalvageOptions& options,
                                             TreeWriter* writer) {
  return Salvage(file, options, writer).Run();
}

}  // namespace volstream
