// volstream prune DEST
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "engine/status_macros.h"
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

absl::Status RunOn(const Flags& flags, Storage* storage, Log* log) {
  VS_ASSIGN_OR_RETURN(const RetentionOptions options, flags.retention.For(storage->kind()));
  const std::string rules = options.policy.ToString();
  if (flags.dry_run) {
    VS_ASSIGN_OR_RETURN(const RetentionLook look, LookAtRetention(storage, flags.name, options));
    return DryRun(flags, look, rules, log);
  }
  VS_ASSIGN_OR_RETURN(const std::vector<std::string> stale,
                      storage->RemoveStale(flags.name, absl::Now() - kStaleUploadAge));
  for (const std::string& text : stale) log->Info("removed " + text);
  VS_ASSIGN_OR_RETURN(const RetentionLook look, LookAtRetention(storage, flags.name, options));
  VS_ASSIGN_OR_RETURN(const uint64_t removed, Prune(storage, look, log));
  log->Success(absl::StrCat("removed ", removed, " of ", look.backups.size(),
                            " backups; kept of each name: ", rules));
  return absl::OkStatus();
}

int Run(Flags flags) {
  Log log(flags.common.LogOptions());
  flags.s3.LogTo(log.AsEventLog());
  const absl::StatusOr<std::unique_ptr<Storage>> storage = OpenStorage(flags.destination, flags.s3);
  if (!storage.ok()) return Fail(&log, storage.status());
  const absl::Status status = RunOn(flags, storage->get(), &log);
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
  flags->s3.AddTo(command);
  flags->common.AddTo(command);
  command->callback([flags, chosen] { *chosen = [flags](Interrupt*) { return Run(*flags); }; });
}

}  // namespace volstream
