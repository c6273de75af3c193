// volstream list DEST
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "engine/status_macros.h"
#include "stages/backup_details.h"
#include "stages/catalog.h"
#include "tools/commands.h"
#include "tools/destination.h"
#include "tools/output.h"
#include "tools/progress_line.h"

namespace volstream {
namespace {

constexpr char kFooter[] =
    "States: unproven (no receipt that fits), proven (whole when it was made), verified (with the\n"
    "date and depth of the last `volstream verify`), damaged (that found faults), unreadable (the\n"
    "receipt). RATIO is the archive's size in percent of the tar's.\n";

struct Flags {
  CommonFlags common;
  S3Flags s3;
  std::string destination;
  std::string name;
  bool json = false;
  bool brief = false;
};

std::string TimeText(const char* format, absl::Time time) {
  return absl::FormatTime(format, time, absl::UTCTimeZone());
}

std::string StateText(const BackupDetails& details) {
  const std::string_view state = TextOf(details.state);
  if (details.state == BackupState::kUnreadable) return "receipt unreadable";
  if (details.state != BackupState::kVerified && details.state != BackupState::kDamaged) {
    return std::string(state);
  }
  return absl::StrFormat("%s %s (%s)", std::string(state),
                         TimeText("%Y-%m-%d", details.verification->checked),
                         details.verification->level);
}

std::string RatioText(const BackupInfo& backup, const BackupFigures& figures) {
  if (figures.tar_bytes == 0) return "-";
  return absl::StrFormat(
      "%.1f%%", 100 * static_cast<double>(backup.bytes) / static_cast<double>(figures.tar_bytes));
}

// Prints backups as they come: a listing may be long.
class Printer {
 public:
  Printer(bool json, Output* output) : json_(json), output_(output) {}

  absl::Status Begin(const std::vector<BackupInfo>& backups, bool brief) {
    if (json_) return output_->Write("[");
    for (const BackupInfo& backup : backups) width_ = std::max(width_, backup.name.size());
    const std::string front =
        absl::StrFormat("%-*s  %-19s  %9s", width_, "NAME", "DATE (UTC)", "SIZE");
    return output_->Write(brief ? absl::StrFormat("%s  %s\n", front, "STATE")
                                : absl::StrFormat("%s  %7s  %9s  %8s  %s\n", front, "RATIO",
                                                  "FILES", "TOOK", "STATE"));
  }

  absl::Status Print(const BackupInfo& backup, const BackupDetails* details) {
    return output_->Write(json_ ? JsonOf(backup, details) : RowOf(backup, details));
  }

  absl::Status End() { return json_ ? output_->Write(first_ ? "]\n" : "\n]\n") : absl::OkStatus(); }

 private:
  std::string RowOf(const BackupInfo& backup, const BackupDetails* details) const {
    std::string row =
        absl::StrFormat("%-*s  %-19s  %9s", width_, backup.name,
                        TimeText("%Y-%m-%d %H:%M:%S", backup.parsed.time), BytesText(backup.bytes));
    if (details == nullptr) {
      absl::StrAppend(&row, "  ", backup.proven ? "proven" : "unproven", "\n");
      return row;
    }
    std::string ratio = "-", files = "-", took = "-";
    if (details->figures.has_value()) {
      ratio = RatioText(backup, *details->figures);
      if (backup.parsed.kind == ArchiveKind::kTar) files = absl::StrCat(details->figures->entries);
      took = ClockText(details->figures->duration);
    }
    absl::StrAppendFormat(&row, "  %7s  %9s  %8s  %s\n", ratio, files, took, StateText(*details));
    return row;
  }

  std::string JsonOf(const BackupInfo& backup, const BackupDetails* details) {
    nlohmann::ordered_json item;
    item["name"] = backup.name;
    item["stem"] = backup.parsed.stem;
    item["date"] = TimeText("%Y-%m-%dT%H:%M:%SZ", backup.parsed.time);
    item["bytes"] = backup.bytes;
    item["proven"] = backup.proven;
    if (details != nullptr) AddDetails(backup, *details, &item);
    return absl::StrCat(
        std::exchange(first_, false) ? "\n  " : ",\n  ",
        item.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  }

  static void AddDetails(const BackupInfo& backup, const BackupDetails& details,
                         nlohmann::ordered_json* item) {
    (*item)["state"] = std::string(TextOf(details.state));
    if (!details.remark.empty()) (*item)["remark"] = details.remark;
    if (details.figures.has_value()) {
      const BackupFigures& figures = *details.figures;
      (*item)["tar_bytes"] = figures.tar_bytes;
      if (figures.tar_bytes > 0) {
        (*item)["ratio"] =
            static_cast<double>(backup.bytes) / static_cast<double>(figures.tar_bytes);
      }
      (*item)["entries"] = figures.entries;
      (*item)["seconds"] = absl::ToDoubleSeconds(figures.duration);
      (*item)["codec"] = figures.codec;
      (*item)["level"] = figures.level;
      if (figures.levels.has_value()) AddLevels(*figures.levels, item);
      (*item)["warning_count"] = figures.warning_count;
      (*item)["missing_count"] = figures.missing_count;
    }
    if (details.verification.has_value()) {
      const Verification& verification = *details.verification;
      (*item)["verification"] = {{"ok", verification.ok},
                                 {"level", verification.level},
                                 {"checked", TimeText("%Y-%m-%dT%H:%M:%SZ", verification.checked)},
                                 {"error_count", verification.error_count}};
    }
  }

  static void AddLevels(const LevelHistory& levels, nlohmann::ordered_json* item) {
    (*item)["level_min"] = levels.range.min;
    (*item)["level_max"] = levels.range.max;
    (*item)["level_changes"] = levels.change_count;
    for (const auto& [level, count] : levels.blocks) {
      (*item)["blocks_by_level"][std::to_string(level)] = count;
    }
  }

  const bool json_;
  Output* const output_;
  size_t width_ = 4;
  bool first_ = true;
};

absl::Status RunOn(const Flags& flags, Storage* storage, Log* log, Output* output) {
  VS_ASSIGN_OR_RETURN(const std::vector<BackupInfo> backups, ListBackups(storage, flags.name));
  if (backups.empty() && !flags.json) {
    log->Info("no backups at " + storage->Url());
    return absl::OkStatus();
  }
  Printer printer(flags.json, output);
  VS_RETURN_IF_ERROR(printer.Begin(backups, flags.brief));
  uint64_t remarks = 0;
  std::string first_remark;
  if (flags.brief) {
    for (const BackupInfo& backup : backups) VS_RETURN_IF_ERROR(printer.Print(backup, nullptr));
  } else {
    VS_RETURN_IF_ERROR(ForEachDetails(storage, backups,
                                      [&](const BackupInfo& backup, const BackupDetails& details) {
                                        if (!details.remark.empty() && ++remarks == 1)
                                          first_remark = details.remark;
                                        return printer.Print(backup, &details);
                                      }));
  }
  VS_RETURN_IF_ERROR(printer.End());
  VS_RETURN_IF_ERROR(output->Flush());
  if (remarks == 1) log->Warning(first_remark);
  if (remarks > 1) {
    log->Warning(absl::StrCat(first_remark, " (and ", remarks - 1, " more: see --json)"));
  }
  return absl::OkStatus();
}

int Run(const Flags& flags) {
  Log log(flags.common.LogOptions());
  S3Flags s3 = flags.s3;
  s3.LogTo(log.AsEventLog());
  const absl::StatusOr<std::unique_ptr<Storage>> storage = OpenStorage(flags.destination, s3);
  if (!storage.ok()) return Fail(&log, storage.status());
  Output output;
  return output.Finish(&log, RunOn(flags, storage->get(), &log, &output));
}

}  // namespace

void AddListCommand(CLI::App* app, Command* chosen) {
  CLI::App* command =
      app->add_subcommand("list", "List the backups at a destination, the newest first");
  auto flags = std::make_shared<Flags>();
  command->add_option("DEST", flags->destination, "A directory or s3://bucket/prefix/")->required();
  command->add_option("--name", flags->name, "Only backups of this name");
  command->add_flag("--json", flags->json, "Print a JSON array");
  command->add_flag("--brief", flags->brief,
                    "Names, dates and sizes alone: no receipt is read, a backup that has one is "
                    "shown as proven");
  command->footer(kFooter);
  flags->s3.AddTo(command);
  flags->common.AddTo(command);
  command->callback([flags, chosen] { *chosen = [flags](Interrupt*) { return Run(*flags); }; });
}

}  // namespace volstream
