// volstream prune DEST
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "engine/status_macros.h"
#include "stages/error_kind.h"
#include "stages/lock_holder.h"
#include "stages/retention.h"
#include "tools/commands.h"
#include "tools/destination.h"
#include "tools/progress_line.h"
#include "tools/retention_flags.h"

namespace volstream {
namespace {

struct Flags {
  CommonFlags common;
  S3Flags s3;
  RetentionFlags retention;
  std::string destination;
  std::string name;
  bool dry_run = false;
  bool json = false;
  bool no_lock = false;
};

void PrintPlan(const RetentionLook& look) {
  size_t width = 4;
  for (const BackupInfo& backup : look.backups) width = std::max(width, backup.name.size());
  absl::PrintF("%-6s  %-*s  %9s  %s\n", "PLAN", width, "NAME", "SIZE", "REASON");
  for (size_t i = 0; i < look.backups.size(); ++i) {
    absl::PrintF("%-6s  %-*s  %9s  %s\n", look.plan[i] == 0 ? "remove" : "keep", width,
                 look.backups[i].name, BytesText(look.backups[i].bytes), look.Reason(i));
  }
}

// One backup at a time: a listing may be long.
void PrintPlanAsJson(const RetentionLook& look) {
  absl::PrintF("[");
  for (size_t i = 0; i < look.backups.size(); ++i) {
    nlohmann::ordered_json item;
    item["name"] = look.backups[i].name;
    item["bytes"] = look.backups[i].bytes;
    item["proven"] = look.backups[i].proven;
    item["plan"] = look.plan[i] == 0 ? "remove" : "keep";
    item["reason"] = look.Reason(i);
    absl::PrintF("%s\n  %s", i == 0 ? "" : ",", item.dump());
  }
  absl::PrintF("%s]\n", look.backups.empty() ? "" : "\n");
}

absl::Status DryRun(const Flags& flags, const RetentionLook& look, const std::string& rules,
                    Log* log) {
  for (const std::string& text : look.warnings) log->Warning(text);
  if (flags.json) {
    PrintPlanAsJson(look);
  } else if (!look.backups.empty()) {
    PrintPlan(look);
  }
  log->Success(absl::StrCat("would remove ", look.removals(), " of ", look.backups.size(),
                            " backups; kept of each name: ", rules));
  return absl::OkStatus();
}

// The names of which something would go.
std::set<std::string> StemsToPrune(const RetentionLook& look) {
  std::set<std::string> stems;
  for (size_t i = 0; i < look.backups.size(); ++i) {
    if (look.plan[i] == 0) stems.insert(look.backups[i].parsed.stem);
  }
  return stems;
}

// One name under its lock: looked at anew, as a run may have been at work there until now.
absl::StatusOr<uint64_t> PruneStem(Storage* storage, const std::string& stem,
                                   const RetentionOptions& options, LockHolder* locks, Log* log) {
  if (locks != nullptr) VS_RETURN_IF_ERROR(locks->Take(storage, stem));
  VS_ASSIGN_OR_RETURN(const RetentionLook look, LookAtRetention(storage, stem, options));
  if (locks != nullptr && look.removals() > 0) VS_RETURN_IF_ERROR(locks->Confirm(storage));
  return Prune(storage, look, log);
}

absl::Status PruneStems(const Flags& flags, Storage* storage, const RetentionOptions& options,
                        const std::set<std::string>& stems, uint64_t* removed, Log* log) {
  absl::Status first;
  for (const std::string& stem : stems) {
    std::unique_ptr<LockHolder> locks;
    if (!flags.no_lock) {
      locks = std::make_unique<LockHolder>(
          [log](Severity severity, std::string_view text) { log->Write(severity, text); }, nullptr);
    }
    const absl::StatusOr<uint64_t> count = PruneStem(storage, stem, options, locks.get(), log);
    if (count.ok()) {
      *removed += *count;
      continue;
    }
    // A run that is at work on one name is no reason to leave the others unpruned.
    if (KindOf(count.status()) != ErrorKind::kBusy) return count.status();
    if (!first.ok()) log->Warning(std::string(count.status().message()));
    if (first.ok()) first = count.status();
  }
  return first;
}

absl::Status RunOn(const Flags& flags, Storage* storage, Log* log) {
  VS_ASSIGN_OR_RETURN(const RetentionOptions options, flags.retention.For(storage->kind()));
  const std::string rules = options.policy.ToString();
  if (!flags.dry_run) {
    VS_ASSIGN_OR_RETURN(const std::vector<std::string> stale,
                        storage->RemoveStale(flags.name, absl::Now() - kStaleUploadAge));
    for (const std::string& text : stale) log->Info("removed " + text);
  }
  size_t backups = 0;
  std::set<std::string> stems;
  {
    VS_ASSIGN_OR_RETURN(const RetentionLook look, LookAtRetention(storage, flags.name, options));
    if (flags.dry_run) return DryRun(flags, look, rules, log);
    backups = look.backups.size();
    stems = StemsToPrune(look);
    // What is pruned is looked at again, and warned of then.
    if (stems.empty()) VS_RETURN_IF_ERROR(Prune(storage, look, log).status());
  }
  uint64_t removed = 0;
  const absl::Status status = PruneStems(flags, storage, options, stems, &removed, log);
  if (status.ok() || removed > 0) {
    log->Success(
        absl::StrCat("removed ", removed, " of ", backups, " backups; kept of each name: ", rules));
  }
  return status;
}

int Run(Flags flags, Interrupt* interrupt) {
  Log log(flags.common.LogOptions());
  flags.s3.LogTo(log.AsEventLog());
  const absl::StatusOr<std::unique_ptr<Storage>> storage = OpenStorage(flags.destination, flags.s3);
  if (!storage.ok()) return Fail(&log, storage.status());
  interrupt->SetCallback([&storage, &log] {
    log.Warning("interrupted: press Ctrl-C again to leave at once");
    (*storage)->Cancel();
  });
  const absl::Status status = RunOn(flags, storage->get(), &log);
  interrupt->SetCallback(nullptr);
  return status.ok() ? 0 : Fail(&log, status);
}

}  // namespace

void AddPruneCommand(CLI::App* app, Command* chosen) {
  CLI::App* command = app->add_subcommand("prune", "Remove old backups at a destination");
  auto flags = std::make_shared<Flags>();
  command->add_option("DEST", flags->destination, "A directory or s3://bucket/prefix/")->required();
  command->add_option("--name", flags->name, "Only backups of this name");
  CLI::Option* const dry_run =
      command->add_flag("--dry-run", flags->dry_run, "Only print what would stay and go, and why");
  command->add_flag("--json", flags->json, "With --dry-run: print a JSON array")->needs(dry_run);
  flags->retention.AddTo(command);
  command
      ->add_flag("--no-lock", flags->no_lock,
                 "Take no lock at DEST: no other run may be at work there")
      ->group("Retention");
  flags->s3.AddTo(command);
  flags->common.AddTo(command);
  command->callback([flags, chosen] {
    *chosen = [flags](Interrupt* interrupt) { return Run(*flags, interrupt); };
  });
}

}  // namespace volstream
