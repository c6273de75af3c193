#include "tools/restore_elsewhere.h"

#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/status_macros.h"
#include "stages/error_kind.h"
#include "stages/salvage.h"
#include "stages/tar_export.h"
#include "stages/warnings.h"
#include "tools/commands.h"
#include "tools/progress_line.h"

namespace volstream {
namespace {

absl::Status Unmatched(const std::vector<std::string>& patterns) {
  if (patterns.empty()) return absl::OkStatus();
  std::string text = "not in the archive:";
  for (const std::string& pattern : patterns) absl::StrAppend(&text, " ", PrintablePath(pattern));
  return MakeError(ErrorKind::kPartial, absl::StatusCode::kAborted, text);
}

absl::Status Export(const ArchiveLocation& archive, const RestoreOptions& options, Output* output) {
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
  return Unmatched(unmatched);
}

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
  TreeWriterOptions tree;
  tree.target = options.target;
  tree.overwrite = options.overwrite;
  tree.owners = options.owners;
  tree.max_file_bytes = options.max_file_bytes;
  tree.on_warning = options.on_warning;
  VS_ASSIGN_OR_RETURN(const std::unique_ptr<TreeWriter> writer, TreeWriter::Open(std::move(tree)));
  return SalvageArchive(file.get(), salvage, writer.get());
}

}  // namespace

int ExportToOutput(const ArchiveLocation& archive, const RestoreOptions& options, Log* log,
                   Output* output) {
  return output->Finish(log, Export(archive, options, output));
}

int SalvageInto(const ArchiveLocation& archive, const RestoreOptions& options, Log* log) {
  const absl::StatusOr<SalvageReport> report = Salvage(archive, options);
  if (!report.ok()) return Fail(log, report.status());
  const std::string restored =
      absl::StrCat(report->whole, " entries, ", BytesText(report->written.file_bytes),
                   " of files restored into ", options.target);
  if (report->is_complete() && report->written.not_restored == 0 && report->unmatched.empty()) {
    log->Success(absl::StrCat(restored, "; nothing of the archive is lost"));
    return 0;
  }
  if (const absl::Status status = Unmatched(report->unmatched); !status.ok()) {
    log->Error(std::string(status.message()));
  }
  return Fail(
      log,
      MakeError(
          ErrorKind::kPartial, absl::StatusCode::kAborted,
          absl::StrCat(
              restored, "; ", report->damaged, " damaged, ",
              report->has_index ? absl::StrCat(report->lost, " lost")
                                : "and without the index nobody knows how many are lost",
              report->saw_end ? "" : ", and the archive's end is missing", "; ", report->gap_count,
              " damaged ranges of the archive, ", BytesText(report->archive_bytes_lost),
              report->written.not_restored == 0
                  ? ""
                  : absl::StrCat("; ", report->written.not_restored, " could not be written"))));
}

}  // namespace volstream
