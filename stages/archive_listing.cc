#include "stages/archive_listing.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/archive_name.h"
#include "stages/entry_source.h"
#include "stages/path_selection.h"

namespace volstream {

absl::StatusOr<std::unique_ptr<ArchiveListing>> ArchiveListing::Open(ArchiveFile* file,
                                                                     EventLog log) {
  absl::StatusOr<std::unique_ptr<ArchiveIndex>> index = ArchiveIndex::Open(file);
  const bool has_index = index.ok();
  if (!has_index && !absl::IsNotFound(index.status())) return index.status();
  const std::optional<ArchiveName> name = ArchiveName::Parse(file->name());
  const bool named_raw = name.has_value() && name->kind == ArchiveKind::kRaw;
  if (has_index ? (*index)->footer().raw : named_raw) {
    return absl::FailedPreconditionError(
        absl::StrCat(file->Url(), " is a stream that is no tar and has no entries: `volstream ",
                     "restore` gives it back as one file"));
  }
  if (!has_index && log) {
    log(Severity::kInfo,
        absl::StrCat(file->Url(), " has no index: the archive is read to its end"));
  }
  return std::unique_ptr<ArchiveListing>(
      new ArchiveListing(file, std::move(log), has_index ? *std::move(index) : nullptr));
}

absl::Status ArchiveListing::ForEach(const std::vector<std::string>& roots, const Visitor& visit) {
  if (index_ == nullptr) {
    return ReadThrough([&visit](const RestoreEntry& entry, EntryReader*) { return visit(entry); });
  }
  if (!sorted()) {
    return index_->ForEach([&visit](const IndexedEntry& entry) { return visit(entry); });
  }
  bool stopped = false;
  for (const std::string& root : roots) {
    VS_RETURN_IF_ERROR(index_->ForEachUnder(root, [&](const IndexedEntry& entry) {
      const absl::Status status = visit(entry);
      stopped = !status.ok();
      return status;
    }));
    if (stopped) break;
  }
  return absl::OkStatus();
}

absl::Status ArchiveListing::ReadThrough(const ReaderVisitor& visit) {
  ReadOptions options;
  options.on_warning = [this](std::string_view text) {
    if (log_) log_(Severity::kWarning, text);
  };
  VS_ASSIGN_OR_RETURN(const std::unique_ptr<EntrySource> source,
                      EntrySource::Open(file_, PathSelection(), options));
  EntryReader* const entries = source->entries();
  while (true) {
    const absl::StatusOr<const RestoreEntry*> entry = entries->Next();
    if (!entry.ok()) return file_->Located(entry.status());
    if (*entry == nullptr) return absl::OkStatus();
    if (const absl::Status status = visit(**entry, entries); !status.ok()) {
      return status == StopVisiting() ? absl::OkStatus() : status;
    }
  }
}

}  // namespace volstream
