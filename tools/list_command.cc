// volstream list DEST
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "stages/catalog.h"
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
  bool json = false;
};

void PrintTable(const std::vector<BackupInfo>& backups) {
  size_t width = 4;
  for (const BackupInfo& backup : backups) width = std::max(width, backup.name.size());
  absl::PrintF("%-*s  %-20s  %9s  %s\n", width, "NAME", "DATE (UTC)", "SIZE", "STATE");
  for (const BackupInfo& backup : backups) {
    absl::PrintF("%-*s  %-20s  %9s  %s\n", width, backup.name,
                 absl::FormatTime("%Y-%m-%d %H:%M:%S", backup.parsed.time, absl::UTCTimeZone()),
                 BytesText(backup.bytes), backup.proven ? "proven" : "unproven");
  }
}

// One backup at a time: a listing may be long.
void PrintJson(const std::vector<BackupInfo>& backups) {
  absl::PrintF("[");
  bool first = true;
  for (const BackupInfo& backup : backups) {
    nlohmann::ordered_json item;
    item["name"] = backup.name;
    item["stem"] = backup.parsed.stem;
    item["date"] = absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", backup.parsed.time, absl::UTCTimeZone());
    item["bytes"] = backup.bytes;
    item["proven"] = backup.proven;
    absl::PrintF("%s\n  %s", first ? "" : ",", item.dump());
    first = false;
  }
  absl::PrintF("%s]\n", first ? "" : "\n");
}

int Run(Flags flags) {
  Log log(flags.common.LogOptions());
  flags.s3.LogTo(log.AsEventLog());
  const absl::StatusOr<std::unique_ptr<Storage>> storage = OpenStorage(flags.destination, flags.s3);
  if (!storage.ok()) return Fail(&log, storage.status());
  const absl::StatusOr<std::vector<BackupInfo>> backups = ListBackups(storage->get(), flags.name);
  if (!backups.ok()) return Fail(&log, backups.status());
  if (flags.json) {
    PrintJson(*backups);
  } else if (backups->empty()) {
    log.Info("no backups at " + (*storage)->Url());
  } else {
    PrintTable(*backups);
  }
  return 0;
}

}  // namespace

void AddListCommand(CLI::App* app, Command* chosen) {
  CLI::App* command =
      app->add_subcommand("list", "List the backups at a destination, the newest first");
  auto flags = std::make_shared<Flags>();
  command->add_option("DEST", flags->destination, "A directory or s3://bucket/prefix/")->required();
  command->add_option("--name", flags->name, "Only backups of this name");
  command->add_flag("--json", flags->json, "Print a JSON array");
  flags->s3.AddTo(command);
  flags->common.AddTo(command);
  command->callback([flags, chosen] { *chosen = [flags](Interrupt*) { return Run(*flags); }; });
}

}  // namespace volstream
