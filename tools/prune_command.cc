// volstream prune DEST
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "stages/retention.h"
#include "tools/commands.h"
#include "tools/destination.h"
#include "tools/progress_line.h"

namespace volstream {
namespace {

struct Flags {
  CommonFlags common;
  S3Flags s3;
  std::string destination;
  std::string name;
  int keep_last = -1;
  bool dry_run = false;
};

int Run(Flags flags) {
  Log log(flags.common.LogOptions());
  flags.s3.LogTo(log.AsEventLog());
  const absl::StatusOr<std::unique_ptr<Storage>> storage = OpenStorage(flags.destination, flags.s3);
  if (!storage.ok()) return Fail(&log, storage.status());
  absl::StatusOr<int> keep = flags.keep_last;
  if (flags.keep_last < 0) keep = RetentionFromEnvironment((*storage)->kind());
  if (!keep.ok()) return Fail(&log, keep.status());
  if (!flags.dry_run) {
    const absl::StatusOr<std::vector<std::string>> stale =
        (*storage)->RemoveStale(flags.name, absl::Now() - kStaleUploadAge);
    if (!stale.ok()) return Fail(&log, stale.status());
    for (const std::string& text : *stale) log.Info("removed " + text);
  }
  const absl::StatusOr<std::vector<BackupInfo>> removed =
      ApplyRetention(storage->get(), flags.name, *keep, flags.dry_run);
  if (!removed.ok()) return Fail(&log, removed.status());
  for (const BackupInfo& backup : *removed) {
    log.Info(absl::StrCat(flags.dry_run ? "would remove " : "removed ",
                          (*storage)->UrlOf(backup.name), " (", BytesText(backup.bytes), ")"));
  }
  if (*keep == 0) {
    log.Info("nothing to remove: all backups are kept");
  } else {
    log.Success(absl::StrCat(flags.dry_run ? "would remove " : "removed ", removed->size(),
                             " backups; the ", *keep, " newest proven ones of each name stay"));
  }
  return 0;
}

}  // namespace

void AddPruneCommand(CLI::App* app, Command* chosen) {
  CLI::App* command = app->add_subcommand("prune", "Remove old backups at a destination");
  auto flags = std::make_shared<Flags>();
  command->add_option("DEST", flags->destination, "A directory or s3://bucket/prefix/")->required();
  command
      ->add_option("--keep-last", flags->keep_last,
                   "Proven backups of each name to keep, 0 for all; default: "
                   "$BACKUP_RETENTION_LOCAL (10), $BACKUP_RETENTION_S3 (20)")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--name", flags->name, "Only backups of this name");
  command->add_flag("--dry-run", flags->dry_run, "Only say what would be removed");
  flags->s3.AddTo(command);
  flags->common.AddTo(command);
  command->callback([flags, chosen] { *chosen = [flags](Interrupt*) { return Run(*flags); }; });
}

}  // namespace volstream
