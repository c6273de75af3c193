#include "tools/restore_elsewhere.h"

#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/error_kind.h"
#include "stages/restore_entries.h"
#include "stages/salvage.h"
#include "stages/tar_export.h"
#include "stages/warnings.h"
#include "tools/progress_line.h"

namespace volstream {
namespace {

absl::StatusOr<SalvageReport> Salvage(const ArchiveLocation& archive,
                                      const RestoreOptions& options) {
  if (options.strip_components > 0 || options.dry_run) {
    return absl::InvalidArgumentError("--salvage goes with neither --strip nor --dry-run");
  }
  SalvageOptions salvage;
  VS_ASSIGN_OR_RETURN(salvage.selection, PathSelection::Make(options.patterns));
  salvage.on_warning = options.on_warning;
  salvage.cancelled = options.cancelled;
  VS_ASSIGN_OR_RETURN(const std::unique_ptr<ArchiveFile> file,
                      ArchiveFile::Open(archive.storage.get(), archive.name));
  VS_ASSIGN_OR_RETURN(const std::unique_ptr<TreeWriter> writer, OpenTreeWriter(options));
  return SalvageArchive(file.get(), salvage, writer.get());
}

}  // namespace

std::string UnmatchedText(const std::vector<std::string>& patterns) {
  std::string text = "not in the archive:";
  for (const std::string& pattern : patterns) absl::StrAppend(&text, " ", PrintablePath(pattern));
  return text;
}

absl::Status ExportToOutput(const ArchiveLocation& archive, const RestoreOptions& options,
                            Output* output) {
  if (isatty(STDOUT_FILENO) != 0) {
    return absl::FailedPreconditionError(
        "standard output is a terminal: pipe the tar into another program, or name a directory");
  }
  VS_ASSIGN_OR_RETURN(PathSelection selection, PathSelection::Make(options.patterns));
  VS_ASSIGN_OR_RETURN(const std::unique_ptr<ArchiveFile> file,
                      ArchiveFile::Open(archive.storage.get(), archive.name));
  ReadOptions read;
  read.memory_bytes = options.memory_bytes;
  read.connections = options.connections;
  read.on_warning = options.on_warning;
  VS_ASSIGN_OR_RETURN(const std::vector<std::string> unmatched,
                      ExportTar(file.get(), std::move(selection), read, [&](ByteSpan bytes) {
                        if (options.cancelled->load()) return InterruptedError();
                        return output->WriteThrough(bytes);
                      }));
  if (unmatched.empty()) return absl::OkStatus();
  return MakeError(ErrorKind::kPartial, absl::StatusCode::kAborted, UnmatchedText(unmatched));
}

absl::StatusOr<std::string> SalvageInto(const ArchiveLocation& archive,
                                        const RestoreOptions& options) {
  VS_ASSIGN_OR_RETURN(const SalvageReport report, Salvage(archive, options));
  std::string text = absl::StrCat(report.whole, " entries, ", BytesText(report.written.file_bytes),
                                  " of files restored into ", options.target);
  if (report.is_complete() && report.written.not_restored == 0 && report.unmatched.empty()) {
    return absl::StrCat(text, "; nothing of the archive is lost");
  }
  absl::StrAppend(&text, "; ", report.damaged, " damaged, ",
                  report.has_index ? absl::StrCat(report.lost, " lost")
                                   : "and without the index nobody knows how many are lost",
                  report.saw_end ? "" : ", and the archive's end is missing", "; ",
                  report.gap_count, " damaged ranges of the archive, ",
                  BytesText(report.archive_bytes_lost));
  if (report.written.not_restored > 0) {
    absl::StrAppend(&text, "; ", report.written.not_restored, " could not be written");
  }
  if (!report.unmatched.empty()) absl::StrAppend(&text, "; ", UnmatchedText(report.unmatched));
  return MakeError(ErrorKind::kPartial, absl::StatusCode::kAborted, text);
}

}  // namespace volstream
