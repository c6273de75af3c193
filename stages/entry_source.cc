#include "stages/entry_source.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/error_kind.h"
#include "stages/foreign_tar_reader.h"
#include "stages/selected_tar.h"
#include "stages/tar_reader.h"

namespace volstream {
namespace {

// The index as if it were the tar; without content.
class IndexEntries : public EntryReader {
 public:
  explicit IndexEntries(ArchiveIndex* index) : cursor_(index->Entries()) {}

  absl::StatusOr<const RestoreEntry*> Next() override {
    VS_ASSIGN_OR_RETURN(const IndexedEntry* indexed, cursor_.Next());
    if (indexed == nullptr) return nullptr;
    static_cast<EntryInfo&>(entry_) = *indexed;
    entry_.sparse = indexed->sparse;
    return &entry_;
  }
  absl::StatusOr<EntryData> NextData() override { return EntryData(); }

 private:
  ArchiveIndex::Cursor cursor_;
  RestoreEntry entry_;
};

// What a TarReader cannot tell apart ends the reading instead of being restored wrongly.
class PlainEntries : public EntryReader {
 public:
  PlainEntries(std::string url, TarInput* input)
      : url_(std::move(url)), reader_(TarReader::Make(input)) {}

  absl::StatusOr<const RestoreEntry*> Next() override {
    VS_ASSIGN_OR_RETURN(const RestoreEntry* entry, reader_->Next());
    if (entry != nullptr && !reader_->odd().empty()) {
      return absl::UnimplementedError(
          absl::StrCat(url_, ": ", entry->path, " cannot be restored, as ", reader_->odd(),
                       ": GNU tar reads it (gzip -dc or zstd -dc | tar x)"));
    }
    return entry;
  }
  absl::StatusOr<EntryData> NextData() override { return reader_->NextData(); }

 private:
  const std::string url_;
  const std::unique_ptr<TarReader> reader_;
};

RangeInputOptions RangeOptionsOf(const ReadOptions& options) {
  RangeInputOptions ranges;
  ranges.memory_bytes = options.memory_bytes / 2;
  ranges.connections = options.connections;
  ranges.want_md5 = options.want_digest;
  return ranges;
}

}  // namespace

MemberInputOptions MemberOptionsOf(const ReadOptions& options, const ArchiveIndex* index) {
  MemberInputOptions members;
  members.memory_bytes = options.memory_bytes;
  members.workers = options.workers;
  members.connections = options.connections;
  if (index != nullptr) {
    members.format = index->footer().format;
    members.max_member_bytes = index->footer().max_member_bytes;
    members.max_member_tar_bytes = index->footer().max_member_tar_bytes;
  }
  return members;
}

namespace {

// The archive's index; null where there is none that can be used: all that it is good for can be
// had without it, only slower.
absl::StatusOr<std::unique_ptr<ArchiveIndex>> UsableIndex(ArchiveFile* file,
                                                          const ReadOptions& options) {
  absl::StatusOr<std::unique_ptr<ArchiveIndex>> index = ArchiveIndex::Open(file);
  if (index.ok()) return index;
  if (KindOf(index.status()) == ErrorKind::kIntegrity ||
      absl::IsFailedPrecondition(index.status())) {
    if (options.on_warning) {
      options.on_warning(absl::StrCat(index.status().message(), "; reading without it"));
    }
    return nullptr;
  }
  if (absl::IsNotFound(index.status())) return nullptr;
  return index.status();
}

// All of the archive by its members, or null where it has none.
absl::StatusOr<std::unique_ptr<MemberInput>> OpenMembers(ArchiveFile* file,
                                                         const ArchiveIndex* index,
                                                         const ReadOptions& options) {
  MemberInputOptions members = MemberOptionsOf(options, index);
  members.want_xxh3 = options.want_digest;
  if (index == nullptr) {
    VS_ASSIGN_OR_RETURN(const std::optional<ArchiveFormat> format, MemberInput::FormatOf(file));
    if (!format.has_value()) return nullptr;
    members.format = *format;
  }
  return MemberInput::Open(file, std::move(members));
}

}  // namespace

absl::StatusOr<std::unique_ptr<EntrySource>> EntrySource::Open(ArchiveFile* file,
                                                               const PathSelection& selection,
                                                               const ReadOptions& options) {
  std::unique_ptr<EntrySource> source(new EntrySource());
  VS_ASSIGN_OR_RETURN(source->index_, UsableIndex(file, options));
  if (source->index_ != nullptr && !source->index_->footer().raw) {
    if (options.names_only) {
      source->entries_ = std::make_unique<IndexEntries>(source->index_.get());
      return source;
    }
    if (!selection.selects_all()) {
      VS_ASSIGN_OR_RETURN(source->entries_,
                          ReadSelectedEntries(source->index_.get(), selection,
                                              MemberOptionsOf(options), options.on_warning));
      return source;
    }
  }
  VS_ASSIGN_OR_RETURN(std::unique_ptr<MemberInput> input,
                      OpenMembers(file, source->index_.get(), options));
  if (input == nullptr) {
    auto ranges = std::make_unique<RangeInput>(file, RangeOptionsOf(options));
    source->ranges_ = ranges.get();
    source->input_ = std::move(ranges);
    source->entries_ = ForeignTarReader::Make(source->input_.get(), options.on_warning);
    return source;
  }
  source->members_ = input.get();
  source->input_ = std::move(input);
  if (source->index_ != nullptr && !source->index_->footer().own_tar) {
    source->entries_ = ForeignTarReader::Make(source->input_.get(), options.on_warning,
                                              /*needs_end_mark=*/true);
  } else {
    source->entries_ = std::make_unique<PlainEntries>(file->Url(), source->input_.get());
  }
  return source;
}

absl::StatusOr<std::unique_ptr<InflatedSource>> InflatedSource::Open(ArchiveFile* file,
                                                                     const ReadOptions& options) {
  auto source = std::make_unique<InflatedSource>();
  // For how large its members are.
  VS_ASSIGN_OR_RETURN(const std::unique_ptr<ArchiveIndex> index, UsableIndex(file, options));
  VS_ASSIGN_OR_RETURN(std::unique_ptr<MemberInput> members,
                      OpenMembers(file, index.get(), options));
  if (members != nullptr) {
    source->members_ = members.get();
    source->input_ = std::move(members);
  } else {
    auto input = std::make_unique<InflatedInput>(file, RangeOptionsOf(options));
    source->ranges_ = input.get();
    source->input_ = std::move(input);
  }
  return source;
}

}  // namespace volstream
