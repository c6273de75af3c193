// volstream backup [SOURCE] --to DEST [--to DEST]...
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "engine/status_macros.h"
#include "stages/archive_codec.h"
#include "stages/backup.h"
#include "stages/error_kind.h"
#include "stages/retention.h"
#include "tools/commands.h"
#include "tools/destination.h"
#include "tools/docker_source.h"
#include "tools/progress_line.h"
#include "tools/retention_flags.h"
#include "tools/source_flags.h"
#include "tools/stats_text.h"

namespace volstream {
namespace {

struct Flags {
  CommonFlags common;
  S3Flags s3;
  SourceFlags source;
  DockerFlags docker;
  BackupOptions backup;
  std::string codec = "gzip";
  std::string level;  // empty = the codec's preferred one
  std::vector<std::string> destinations;
  RetentionFlags retention;
  bool no_prune = false;
  bool no_stream_md5 = false;
  double timeout_seconds = 0;  // 0 = none
  bool stats = false;
  std::string on_sink_failure = "continue";
};

void LogOutcomes(const BackupReport& report, Log* log) {
  for (const DestinationOutcome& outcome : report.destinations) {
    if (outcome.status.ok() && !outcome.archive.empty()) {
      log->Success(
          absl::StrCat(outcome.archive, " is proven: ", BytesText(report.receipt.bytes),
                       outcome.etag.empty() ? "" : ", ETag ", outcome.etag,
                       report.receipt.md5.empty() ? ", XXH3 " : ", MD5 ",
                       report.receipt.md5.empty() ? report.receipt.xxh3 : report.receipt.md5));
      const auto tags = outcome.facts.find("tags");
      if (tags != outcome.facts.end()) {
        log->Warning(absl::StrCat(outcome.archive, ": tags ", tags->second));
      }
    } else if (!outcome.status.ok() && outcome.status.message() != report.status.message()) {
      log->Error(std::string(outcome.status.message()));
    }
  }
}

// Retention at the destinations that have the new backup. Its failure leaves the backup proven.
int PruneAll(const Flags& flags, const std::vector<std::unique_ptr<Storage>>& storages,
             Backup* backup, const BackupReport& report, Log* log) {
  int exit_code = 0;
  const std::string stem = ArchiveName::Parse(report.receipt.archive)->stem;
  for (size_t i = 0; i < storages.size(); ++i) {
    if (!report.destinations[i].status.ok()) continue;
    const auto prune = [&]() -> absl::Status {
      VS_ASSIGN_OR_RETURN(RetentionOptions options, flags.retention.For(storages[i]->kind()));
      options.just_made = report.receipt.archive;
      VS_ASSIGN_OR_RETURN(const RetentionLook look,
                          LookAtRetention(storages[i].get(), stem, options));
      if (look.removals() > 0) {
        VS_RETURN_IF_ERROR(WithContext(backup->ConfirmLock(i),
                                       "the backup is proven, but no older one was removed"));
      }
      return Prune(storages[i].get(), look, log).status();
    };
    const absl::Status status = prune();
    if (absl::IsCancelled(status)) {
      const absl::Status reason = backup->stopped();
      return Fail(log, WithContext(reason.ok() ? InterruptedError() : reason,
                                   "the new backup is proven, older ones were left as they are"));
    }
    if (!status.ok()) exit_code = Fail(log, status);
  }
  return exit_code;
}

// What is left to do and to say once the backup is made; the exit code.
int FinishRun(const Flags& flags, const std::vector<std::unique_ptr<Storage>>& storages,
              Backup* backup, const BackupReport& report, const absl::Status& after, Log* log) {
  LogOutcomes(report, log);
  if (flags.stats && report.stats.blocks > 0) {
    const RunSettings settings{flags.backup.format, report.receipt.level, ResolveWorkers(0)};
    const std::string text = StatsText(report.stats, report.kernels, settings);
    for (const absl::string_view line : absl::StrSplit(text, '\n')) {
      log->Info(std::string(line));
    }
    if (report.receipt.levels.has_value()) log->Info(LevelsText(*report.receipt.levels));
  }
  if (!report.status.ok()) {
    if (KindOf(report.status) == ErrorKind::kPartial && !flags.no_prune) {
      if (report.receipt.missing_count > 0) {
        log->Warning("no older backup was removed, as this one is incomplete");
      } else {
        PruneAll(flags, storages, backup, report, log);
      }
    }
    return Fail(log, report.status);
  }
  const double seconds = absl::ToDoubleSeconds(report.stats.elapsed);
  log->Info(absl::StrFormat("%s in, %s out (ratio %.2f) in %.1f s: %.1f MB/s",
                            BytesText(report.receipt.tar_bytes), BytesText(report.receipt.bytes),
                            static_cast<double>(report.receipt.tar_bytes) / report.receipt.bytes,
                            seconds, report.receipt.tar_bytes / 1e6 / seconds));
  const int exit_code = flags.no_prune ? 0 : PruneAll(flags, storages, backup, report, log);
  if (exit_code != 0 || after.ok()) return exit_code;
  return Fail(log, WithContext(after, "the backup is proven, but not all is well"));
}

int Run(Flags flags, Interrupt* interrupt) {
  Log log(flags.common.LogOptions());
  flags.s3.LogTo(log.AsEventLog());
  if (flags.codec == FormatName(ArchiveFormat::kZstd)) flags.backup.format = ArchiveFormat::kZstd;
  if (!flags.level.empty()) {
    const absl::StatusOr<LevelRange> level = ParseLevel(flags.backup.format, flags.level);
    if (!level.ok()) return Fail(&log, level.status());
    if (flags.level.starts_with("auto")) flags.backup.auto_level = *level;
    flags.backup.level = level->start;
  }
  std::vector<std::unique_ptr<Storage>> storages;
  std::vector<Storage*> borrowed;
  for (const std::string& destination : flags.destinations) {
    absl::StatusOr<std::unique_ptr<Storage>> storage = OpenStorage(destination, flags.s3);
    if (!storage.ok()) return Fail(&log, storage.status());
    // A bad number in the environment must not be found out after an hour of backup.
    const absl::StatusOr<RetentionOptions> retention = flags.retention.For((*storage)->kind());
    if (!retention.ok()) return Fail(&log, retention.status());
    borrowed.push_back(storage->get());
    storages.push_back(*std::move(storage));
  }
  absl::StatusOr<PlanOptions> plan = flags.source.Plan();
  if (!plan.ok()) return Fail(&log, plan.status());
  flags.backup.plan = *std::move(plan);
  if (flags.backup.source == "-" && flags.backup.name.empty()) {
    return Fail(&log, absl::InvalidArgumentError(
                          "standard input has no name of its own: give one with --name"));
  }
  const absl::StatusOr<std::unique_ptr<SourceSession>> source =
      SourceSession::Open(flags.docker, flags.backup.source, &log);
  if (!source.ok()) return Fail(&log, source.status());
  (*source)->AddTo(&flags.backup);
  if (const std::string option = flags.source.Given();
      flags.backup.stream != nullptr && !option.empty()) {
    return Fail(&log, absl::InvalidArgumentError(absl::StrCat(
                          option, " is for directories that volstream reads itself, and ",
                          flags.backup.source, " comes as a stream: leave it out",
                          flags.backup.source.starts_with("docker:")
                              ? ", or run as a user who may read the volume's directory"
                              : "")));
  }
  flags.backup.stop_on_destination_failure = flags.on_sink_failure == "stop";
  flags.backup.stream_md5 = !flags.no_stream_md5;
  if (flags.timeout_seconds > 0) {
    flags.backup.timeout = absl::Seconds(flags.timeout_seconds);
    flags.backup.on_timeout = [&source] { (*source)->Cancel(); };
  }
  flags.backup.time_kernels = flags.stats;
  flags.backup.on_event = log.AsEventLog();
  if (log.shows_progress()) {
    flags.backup.on_progress = [&log](const Progress& progress) {
      log.ShowProgress(progress.finished ? "" : ProgressLine(progress));
    };
  }
  Backup backup(flags.backup, borrowed);
  interrupt->SetCallback([&backup, &source, &log] {
    log.Warning("interrupted: cleaning up; press Ctrl-C again to leave at once");
    backup.Cancel();
    (*source)->Cancel();
  });
  const BackupReport report = backup.Run();
  const absl::Status after = (*source)->Finish(report.status.ok());
  interrupt->SetCallback([&backup, &log] {
    log.Warning("interrupted: press Ctrl-C again to leave at once");
    backup.Cancel();
  });
  const int exit_code = FinishRun(flags, storages, &backup, report, after, &log);
  backup.ReleaseLocks();
  interrupt->SetCallback(nullptr);
  return exit_code;
}

}  // namespace

void AddBackupCommand(CLI::App* app, Command* chosen) {
  CLI::App* command = app->add_subcommand("backup",
                                          "Back up a directory or a Docker volume to one or more "
                                          "destinations, then remove old backups");
  auto flags = std::make_shared<Flags>();
  command->add_option(
      "SOURCE", flags->backup.source,
      "Directory, docker:VOLUME, or - for standard input; default: OpenWebUI's Docker volume");
  command
      ->add_option("--to", flags->destinations,
                   "Destination: a directory or s3://bucket/prefix/; may be repeated")
      ->required()
      ->take_all()
      // One value for each --to: a SOURCE behind it must not become a destination.
      ->allow_extra_args(false);
  command->add_option(
      "--name", flags->backup.name,
      "Archives are NAME_YYYYMMDD_HHMMSS.tar.gz (UTC); default: SOURCE's base name, or "
      "the volume's");
  command
      ->add_option("--codec", flags->codec,
                   "gzip, which everything reads, or zstd, which is faster: archives are then "
                   "NAME_YYYYMMDD_HHMMSS.tar.zst (gzip)")
      ->envname("BACKUP_CODEC")
      ->check(CLI::IsMember({"gzip", "zstd"}));
  command
      ->add_option("--level", flags->level,
                   "Compression: gzip 1 (fast) to 12 (small) (6), zstd 1 to 19 (3); or auto, which "
                   "moves from 1 to 9 by what the run waits for, or auto:MIN-MAX")
      ->envname("BACKUP_COMPRESSION_LEVEL");
  TakesSize(command->add_option("--memory", flags->backup.memory_bytes,
                                "Budget of all buffers together, such as 256MiB (256MiB)"));
  command->add_option("--workers", flags->backup.workers, "Threads that compress (one a core)")
      ->check(CLI::Range(1, 1024));
  command->add_flag("--no-stream-md5", flags->no_stream_md5,
                    "Do without the MD5 of the whole archive, which one core computes: the receipt "
                    "then has its XXH3 and the MD5s of its parts alone, in the ETag");
  TakesSize(command->add_option("--part-size", flags->backup.part_bytes,
                                "Size of all parts, 5MiB to 5GiB; default: from the volume's size, "
                                "or growing where SOURCE's length is not known"));
  command
      ->add_option("--on-sink-failure", flags->on_sink_failure,
                   "When one of several destinations fails: continue (with the others) or stop")
      ->check(CLI::IsMember({"continue", "stop"}));
  command
      ->add_option("--timeout", flags->timeout_seconds,
                   "Seconds after which a backup that is not finished is given up and cleaned up "
                   "after (no limit)")
      ->check(CLI::Range(0.1, 31536000.0));
  flags->retention.AddTo(command);
  command->add_flag("--no-prune", flags->no_prune, "Remove no old backup")->group("Retention");
  command
      ->add_flag_callback(
          "--no-lock", [flags] { flags->backup.lock = false; },
          "Take no lock at the destinations: no other run of NAME may be at work there")
      ->group("Retention");
  command
      ->add_flag("--stats", flags->stats,
                 "Say at the end where the time went and what held the run back: "
                 "times the kernels on a sample of up to 16 MiB")
      ->group("Output");
  flags->source.AddTo(command);
  flags->docker.AddTo(command);
  flags->s3.AddTo(command);
  flags->s3.AddStoringTo(command);
  flags->common.AddTo(command);
  command->callback([flags, chosen] {
    *chosen = [flags](Interrupt* interrupt) { return Run(*flags, interrupt); };
  });
}

}  // namespace volstream
