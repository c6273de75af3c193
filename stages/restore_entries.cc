#include "stages/restore_entries.h"

#include <memory>
#include <optional>
#include <utility>

#include "engine/status_macros.h"
#include "stages/entry_path.h"
#include "stages/error_kind.h"

namespace volstream {
namespace {

class Restoration {
 public:
  Restoration(EntryReader* entries, PathSelection selection, const RestoreOptions& options)
      : entries_(entries), selection_(std::move(selection)), options_(options) {}

  absl::StatusOr<RestoreReport> Run();

 private:
  absl::Status Restore(const RestoreEntry& entry);
  // The entry under the name that it gets in the target; nullopt if that is none.
  absl::StatusOr<std::optional<RestoreEntry>> Renamed(const RestoreEntry& entry) const;
  absl::Status CopyContent();
  absl::Status CheckNotCancelled() const {
    if (options_.cancelled == nullptr || !options_.cancelled->load()) return absl::OkStatus();
    return InterruptedError();
  }

  EntryReader* const entries_;
  PathSelection selection_;
  const RestoreOptions& options_;
  std::unique_ptr<TreeWriter> writer_;  // null in a dry run
  RestoreReport report_;
};

absl::StatusOr<RestoreReport> Restoration::Run() {
  bool opened = false;
  while (true) {
    VS_RETURN_IF_ERROR(CheckNotCancelled());
    VS_ASSIGN_OR_RETURN(const RestoreEntry* entry, entries_->Next());
    if (!std::exchange(opened, true) && !options_.dry_run) {
      VS_ASSIGN_OR_RETURN(writer_, OpenTreeWriter(options_));
    }
    if (entry == nullptr) break;
    if (!selection_.SelectsAndNotes(entry->path)) continue;
    VS_RETURN_IF_ERROR(Restore(*entry));
  }
  if (writer_ != nullptr) {
    VS_ASSIGN_OR_RETURN(const TreeWriterReport written, writer_->Finish());
    report_.file_bytes = written.file_bytes;
    report_.kept = written.kept;
    report_.warnings = written.warnings;
    report_.not_restored = written.not_restored;
  }
  report_.unmatched = selection_.Unmatched();
  return std::move(report_);
}

absl::StatusOr<std::optional<RestoreEntry>> Restoration::Renamed(const RestoreEntry& entry) const {
  const bool is_link = entry.type == TarType::kHardLink;
  const std::optional<std::string> path = ContainedPath(entry.path);
  const std::optional<std::string> link_target = ContainedPath(is_link ? entry.link_target : "");
  if (!path.has_value() || !link_target.has_value()) return LeadsOutside(entry.path);
  const std::optional<std::string_view> stripped =
      StripComponents(*path, options_.strip_components);
  if (!stripped.has_value()) return std::nullopt;
  std::optional<RestoreEntry> renamed = entry;
  renamed->path = *stripped;
  if (!is_link) return renamed;
  // A link to what is passed over is a link to nothing.
  renamed->link_target = StripComponents(*link_target, options_.strip_components).value_or("");
  return renamed;
}

absl::Status Restoration::Restore(const RestoreEntry& entry) {
  std::optional<RestoreEntry> renamed;
  const RestoreEntry* restored = &entry;
  if (options_.strip_components > 0 || options_.dry_run) {
    VS_ASSIGN_OR_RETURN(renamed, Renamed(entry));
    if (!renamed.has_value()) return absl::OkStatus();
    restored = &*renamed;
  }
  ++report_.entries;
  if (options_.on_entry) VS_RETURN_IF_ERROR(options_.on_entry(restored->path));
  if (writer_ == nullptr) return absl::OkStatus();
  VS_RETURN_IF_ERROR(writer_->Begin(*restored));
  return entry.type == TarType::kFile && entry.bytes > 0 ? CopyContent() : absl::OkStatus();
}

absl::Status Restoration::CopyContent() {
  while (true) {
    VS_ASSIGN_OR_RETURN(EntryData data, entries_->NextData());
    if (data.content.bytes.empty()) return absl::OkStatus();
    VS_RETURN_IF_ERROR(CheckNotCancelled());
    VS_RETURN_IF_ERROR(writer_->Write(std::move(data)));
  }
}

}  // namespace

absl::StatusOr<RestoreReport> RestoreEntries(EntryReader* entries, PathSelection selection,
                                             const RestoreOptions& options) {
  return Restoration(entries, std::move(selection), options).Run();
}

absl::StatusOr<std::unique_ptr<TreeWriter>> OpenTreeWriter(const RestoreOptions& options) {
  if (options.before_write) VS_RETURN_IF_ERROR(options.before_write());
  TreeWriterOptions writer;
  writer.target = options.target;
  writer.overwrite = options.overwrite;
  writer.owners = options.owners;
  writer.threads = options.threads;
  writer.max_file_bytes = options.max_file_bytes;
  writer.on_warning = options.on_warning;
  return options.open_writer ? options.open_writer(std::move(writer))
                             : TreeWriter::Open(std::move(writer));
}

}  // namespace volstream
