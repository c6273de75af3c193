#include "stages/deep_check.h"

#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/archive_index.h"
#include "stages/digest.h"
#include "stages/error_kind.h"
#include "stages/little_endian.h"
#include "stages/member_input.h"
#include "stages/range_input.h"
#include "stages/tar_reader.h"
#include "stages/warnings.h"

namespace volstream {
namespace {

// A fingerprint of a list of members, so that two lists can be compared without keeping one.
class MemberList {
 public:
  void Add(const MemberExtent& member) {
    std::string text;
    for (const uint64_t value :
         {member.archive_offset, member.archive_bytes, member.tar_offset, member.tar_bytes}) {
      AppendLittleEndian(value, &text);
    }
    md5_.Update(AsBytes(text));
  }
  Md5Digest Finish() { return md5_.Finish(); }

 private:
  Md5Stream md5_;
};

// Passes on what it gets, and counts it.
class CountedInput : public TarInput {
 public:
  explicit CountedInput(TarInput* input) : input_(input) {}
  absl::StatusOr<SharedBytes> Next() override {
    absl::StatusOr<SharedBytes> piece = input_->Next();
    if (piece.ok()) bytes_ += piece->bytes.size();
    return piece;
  }
  void Cancel() override { input_->Cancel(); }
  uint64_t bytes() const { return bytes_; }

 private:
  TarInput* const input_;
  uint64_t bytes_ = 0;
};

class Check {
 public:
  Check(ArchiveFile* file, const DeepCheckOptions& options, Verification* verification)
      : file_(file), options_(options), verification_(verification) {}

  absl::StatusOr<DeepCheckResult> Run();

 private:
  // Of a step that found damage: it is noted, and the check goes on. Anything else ends it.
  absl::Status Note(const absl::Status& status);
  absl::Status CheckCancelled() const {
    const bool cancelled = options_.cancelled != nullptr && options_.cancelled->load();
    return cancelled ? InterruptedError() : absl::OkStatus();
  }
  // All of the input, with the index (may be null) beside it where it is a tar.
  absl::Status Read(CountedInput* input, ArchiveIndex* index);
  absl::Status ReadThrough(TarInput* input);
  absl::Status ReadEntries(TarReader* reader, ArchiveIndex* index);
  void Compare(const RestoreEntry& entry, const EntryPlace& place, const IndexedEntry& indexed);
  absl::Status ReadOwn(ArchiveFormat format, ArchiveIndex* index);
  absl::StatusOr<DeepCheckResult> ReadForeign();
  absl::Status CompareMembers(ArchiveIndex* index);

  ArchiveFile* const file_;
  const DeepCheckOptions& options_;
  Verification* const verification_;
  DeepCheckResult result_;
  MemberList members_;  // as they were read
};

absl::Status Check::Note(const absl::Status& status) {
  if (status.ok()) return status;
  if (!absl::IsDataLoss(status) && KindOf(status) != ErrorKind::kIntegrity) return status;
  verification_->AddError(std::string(status.message()));
  return absl::OkStatus();
}

absl::Status Check::ReadThrough(TarInput* input) {
  while (true) {
    VS_RETURN_IF_ERROR(CheckCancelled());
    VS_ASSIGN_OR_RETURN(const SharedBytes piece, input->Next());
    if (piece.bytes.empty()) return absl::OkStatus();
  }
}

absl::Status Check::Read(CountedInput* input, ArchiveIndex* index) {
  if (options_.is_tar) {
    const std::unique_ptr<TarReader> reader = TarReader::Make(input);
    VS_RETURN_IF_ERROR(ReadEntries(reader.get(), index));
  } else {
    VS_RETURN_IF_ERROR(ReadThrough(input));
  }
  result_.tar_bytes = input->bytes();
  return absl::OkStatus();
}

void Check::Compare(const RestoreEntry& entry, const EntryPlace& place,
                    const IndexedEntry& indexed) {
  // What lies between two entries of a tar from elsewhere counts as the second's header there.
  const bool same_place = place.data_offset() == indexed.place.data_offset() &&
                          place.stored_bytes == indexed.place.stored_bytes;
  if (static_cast<const EntryInfo&>(entry) == static_cast<const EntryInfo&>(indexed) &&
      entry.sparse == indexed.sparse && same_place) {
    return;
  }
  verification_->AddError(absl::StrCat(file_->Url(), ": the index and the tar disagree on ",
                                       PrintablePath(entry.path), " at byte ", place.tar_offset,
                                       " of the tar"));
}

absl::Status Check::ReadEntries(TarReader* reader, ArchiveIndex* index) {
  std::optional<ArchiveIndex::Cursor> cursor;
  if (index != nullptr) cursor.emplace(index->Entries());
  while (true) {
    VS_RETURN_IF_ERROR(CheckCancelled());
    VS_ASSIGN_OR_RETURN(const RestoreEntry* entry, reader->Next());
    const IndexedEntry* indexed = nullptr;
    if (cursor.has_value()) {
      VS_ASSIGN_OR_RETURN(indexed, cursor->Next());
      if ((entry == nullptr) != (indexed == nullptr)) {
        return absl::DataLossError(
            absl::StrCat(file_->Url(), ": ",
                         entry == nullptr ? "the index has an entry that the tar has not: "
                                          : "the tar has an entry that the index has not: ",
                         PrintablePath(entry == nullptr ? indexed->path : entry->path)));
      }
    }
    if (entry == nullptr) return absl::OkStatus();
    ++result_.entries;
    if (indexed != nullptr) Compare(*entry, reader->place(), *indexed);
  }
}

absl::Status Check::ReadOwn(ArchiveFormat format, ArchiveIndex* index) {
  MemberInputOptions options;
  options.format = format;
  options.memory_bytes = options_.memory_bytes;
  options.workers = options_.workers;
  options.connections = options_.connections;
  options.want_md5 = options_.want_md5;
  options.want_xxh3 = true;
  options.on_member = [this](const MemberExtent& member) { members_.Add(member); };
  if (index != nullptr) {
    options.max_member_bytes = index->footer().max_member_bytes;
    options.max_member_tar_bytes = index->footer().max_member_tar_bytes;
  }
  VS_ASSIGN_OR_RETURN(const std::unique_ptr<MemberInput> input, MemberInput::Open(file_, options));
  CountedInput counted(input.get());
  VS_RETURN_IF_ERROR(Read(&counted, index));
  if (index != nullptr && result_.tar_bytes != index->footer().tar_bytes) {
    return absl::DataLossError(absl::StrCat(file_->Url(), " holds ", result_.tar_bytes,
                                            " bytes of tar, its index says ",
                                            index->footer().tar_bytes));
  }
  result_.md5 = input->archive_md5();
  result_.xxh3 = input->archive_xxh3();
  result_.complete = true;
  return index == nullptr ? absl::OkStatus() : CompareMembers(index);
}

absl::Status Check::CompareMembers(ArchiveIndex* index) {
  MemberList indexed;
  VS_RETURN_IF_ERROR(index->ForEachMember([&](const MemberExtent& member) {
    indexed.Add(member);
    return CheckCancelled();
  }));
  if (indexed.Finish() == members_.Finish()) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(file_->Url(), ": the index has other members than the archive"));
}

absl::StatusOr<DeepCheckResult> Check::ReadForeign() {
  RangeInputOptions ranges;
  ranges.memory_bytes = options_.memory_bytes / 2;
  ranges.connections = options_.connections;
  ranges.want_md5 = options_.want_md5;
  InflatedInput input(file_, ranges);
  CountedInput counted(&input);
  const absl::Status status = Read(&counted, nullptr);
  if (status.ok()) result_.md5 = input.FinishMd5();
  result_.complete = status.ok();
  VS_RETURN_IF_ERROR(Note(WithContext(status, file_->Url())));
  return result_;
}

absl::StatusOr<DeepCheckResult> Check::Run() {
  VS_ASSIGN_OR_RETURN(std::optional<ArchiveFormat> format, MemberInput::FormatOf(file_));
  absl::StatusOr<std::unique_ptr<ArchiveIndex>> index = ArchiveIndex::Open(file_);
  // Else it would pass for another program's if the first bytes alone are damaged.
  if (index.ok() && !format.has_value()) format = (*index)->footer().format;
  if (!format.has_value()) return ReadForeign();
  // An archive of a volstream that wrote none has none; a damaged one does not end the check.
  if (!index.ok() && !absl::IsNotFound(index.status())) {
    VS_RETURN_IF_ERROR(Note(index.status()));
  }
  VS_RETURN_IF_ERROR(Note(ReadOwn(*format, index.ok() ? index->get() : nullptr)));
  return result_;
}

}  // namespace

absl::StatusOr<DeepCheckResult> CheckDeeply(ArchiveFile* file, const DeepCheckOptions& options,
                                            Verification* verification) {
  return Check(file, options, verification).Run();
}

}  // namespace volstream
