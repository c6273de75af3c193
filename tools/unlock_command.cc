// volstream unlock DEST
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/storage_lock.h"
#include "tools/commands.h"
#include "tools/destination.h"

namespace volstream {
namespace {

struct Flags {
  CommonFlags common;
  S3Flags s3;
  std::string destination;
  std::string name;
};

std::string Describe(const LockInfo& lock) {
  std::string text = absl::StrCat(lock.url, ": ");
  absl::StrAppend(&text, lock.owner.id.empty() ? "of an unknown holder" : lock.owner.ToString());
  if (!lock.held) return text + ", which is over";
  if (lock.expires == absl::InfiniteFuture()) return text;
  return absl::StrCat(text, ", holds until ",
                      absl::FormatTime("%H:%M:%S UTC", lock.expires, absl::UTCTimeZone()));
}

absl::Status RunOn(const Flags& flags, Storage* storage, Log* log) {
  VS_ASSIGN_OR_RETURN(const std::vector<LockInfo> locks, storage->Locks(flags.name));
  if (locks.empty()) log->Info("no locks at " + storage->Url());
  absl::Status first;
  for (const LockInfo& lock : locks) {
    log->Info(Describe(lock));
    const absl::Status status = storage->BreakLock(lock.stem);
    if (status.ok()) {
      log->Success("removed the lock of " + lock.stem);
    } else if (first.ok()) {
      first = status;
    } else {
      log->Warning(std::string(status.message()));
    }
  }
  return first;
}

int Run(const Flags& flags) {
  Log log(flags.common.LogOptions());
  const absl::StatusOr<std::unique_ptr<Storage>> storage = OpenStorage(flags.destination, flags.s3);
  if (!storage.ok()) return Fail(&log, storage.status());
  const absl::Status status = RunOn(flags, storage->get(), &log);
  return status.ok() ? 0 : Fail(&log, status);
}

}  // namespace

void AddUnlockCommand(CLI::App* app, Command* chosen) {
  CLI::App* command = app->add_subcommand(
      "unlock",
      "Show who holds the locks at a destination, and remove those of runs that are dead");
  auto flags = std::make_shared<Flags>();
  command->add_option("DEST", flags->destination, "A directory or s3://bucket/prefix/")->required();
  command->add_option("--name", flags->name, "Only the lock of this name");
  flags->s3.AddTo(command);
  flags->common.AddTo(command);
  command->callback([flags, chosen] { *chosen = [flags](Interrupt*) { return Run(*flags); }; });
}

}  // namespace volstream
