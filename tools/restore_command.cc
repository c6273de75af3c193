// volstream restore ARCHIVE TARGET
#include <unistd.h>

#include <atomic>
#include <string>

#include "absl/strings/str_cat.h"
#include "stages/error_kind.h"
#include "stages/restore.h"
#include "tools/commands.h"
#include "tools/destination.h"
#include "tools/progress_line.h"

namespace volstream {
namespace {

struct Flags {
  CommonFlags common;
  S3Flags s3;
  std::string archive;
  std::string target;
  std::string name;
  bool overwrite = false;
};

int Run(Flags flags, Interrupt* interrupt) {
  Log log(flags.common.LogOptions());
  flags.s3.LogTo(log.AsEventLog());
  const absl::StatusOr<ArchiveLocation> location = FindArchive(flags.archive, flags.name, flags.s3);
  if (!location.ok()) return Fail(&log, location.status());
  const std::string url = location->storage->UrlOf(location->name);
  log.Info(absl::StrCat("restoring ", url, " into ", flags.target));
  std::atomic<bool> cancelled = false;
  RestoreOptions options;
  options.target = flags.target;
  options.overwrite = flags.overwrite;
  options.restore_owners = geteuid() == 0;
  options.cancelled = &cancelled;
  options.on_warning = [&log](std::string_view text) { log.Warning(text); };
  interrupt->SetCallback([&cancelled, &log] {
    log.Warning("interrupted: press Ctrl-C again to leave at once");
    cancelled = true;
  });
  const absl::StatusOr<RestoreReport> report =
      RestoreArchive(location->storage.get(), location->name, options);
  interrupt->SetCallback(nullptr);
  if (!report.ok()) return Fail(&log, report.status());
  if (report->not_restored > 0) {
    return Fail(&log, MakeError(ErrorKind::kPartial, absl::StatusCode::kAborted,
                                absl::StrCat(report->not_restored, " of ", report->entries,
                                             " entries were not restored: see the warnings")));
  }
  log.Success(absl::StrCat(report->entries, " entries, ", BytesText(report->file_bytes),
                           " of files restored into ", flags.target,
                           report->md5_checked ? "; the archive's MD5 is that of its receipt"
                                               : "; the archive has no receipt to compare with"));
  return 0;
}

}  // namespace

void AddRestoreCommand(CLI::App* app, Command* chosen) {
  CLI::App* command = app->add_subcommand("restore", "Extract an archive into a directory");
  auto flags = std::make_shared<Flags>();
  command
      ->add_option("ARCHIVE", flags->archive,
                   "A file, s3://bucket/prefix/NAME.tar.gz, or DEST/latest")
      ->required();
  command->add_option("TARGET", flags->target, "Directory to extract into")->required();
  command->add_option("--name", flags->name, "With DEST/latest: only backups of this name");
  command->add_flag(
      "--overwrite", flags->overwrite,
      "Restore into a directory that is not empty, replacing files of the same names");
  flags->s3.AddTo(command);
  flags->common.AddTo(command);
  command->callback([flags, chosen] {
    *chosen = [flags](Interrupt* interrupt) { return Run(*flags, interrupt); };
  });
}

}  // namespace volstream
