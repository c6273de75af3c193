// volstream restore ARCHIVE TARGET [PATH...]: into a directory or a volume of the Docker engine
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/error_kind.h"
#include "stages/restore.h"
#include "stages/warnings.h"
#include "tools/commands.h"
#include "tools/destination.h"
#include "tools/docker_target.h"
#include "tools/output.h"
#include "tools/progress_line.h"
#include "tools/restore_elsewhere.h"

namespace volstream {
namespace {

struct Flags {
  CommonFlags common;
  S3Flags s3;
  std::string archive;
  std::string name;
  RestoreOptions restore;
  std::string overwrite;  // empty: the target must be empty
  bool numeric_owner = false;
  bool salvage = false;
  DockerTargetFlags docker;

  bool to_output() const { return restore.target == "-"; }
};

Overwrite OverwriteFor(const std::string& text) {
  if (text.empty()) return Overwrite::kRefuse;
  if (text == "never") return Overwrite::kNever;
  return text == "older" ? Overwrite::kOlder : Overwrite::kAlways;
}

// Restores for the superuser give files back to whom they belonged.
Owners OwnersFor(const Flags& flags) {
  if (geteuid() != 0) return Owners::kOwn;
  return flags.numeric_owner ? Owners::kByNumber : Owners::kByName;
}

absl::Status Judge(const RestoreReport& report) {
  std::string problem;
  if (report.not_restored > 0) {
    absl::StrAppend(&problem, report.not_restored, " of ", report.entries,
                    " entries were not restored: see the warnings");
  }
  if (!report.unmatched.empty()) {
    absl::StrAppend(&problem, problem.empty() ? "" : "; ", UnmatchedText(report.unmatched));
  }
  if (problem.empty()) return absl::OkStatus();
  return MakeError(ErrorKind::kPartial, absl::StatusCode::kAborted, problem);
}

std::string Summary(const RestoreOptions& options, const RestoreReport& report) {
  std::string text;
  if (options.dry_run) {
    absl::StrAppend(&text, report.entries, " entries would be restored into ", options.target);
  } else {
    absl::StrAppend(&text, report.entries - report.kept, " entries, ", BytesText(report.file_bytes),
                    " of files restored into ", options.target);
  }
  if (report.kept > 0) absl::StrAppend(&text, "; ", report.kept, " that were there stayed");
  if (report.receipt_checked) {
    absl::StrAppend(&text, "; the archive is the one of its receipt");
  } else if (options.patterns.empty() && !options.dry_run) {
    absl::StrAppend(&text, "; the archive has no receipt to compare with");
  }
  return text;
}

// Returns what there is to say of a restore of all that was asked for.
absl::StatusOr<std::string> RestoreInto(const ArchiveLocation& archive,
                                        const RestoreOptions& options) {
  VS_ASSIGN_OR_RETURN(const RestoreReport report,
                      RestoreArchive(archive.storage.get(), archive.name, options));
  VS_RETURN_IF_ERROR(Judge(report));
  return Summary(options, report);
}

// Standard output takes a tar as it is.
absl::Status CheckFlags(const Flags& flags) {
  if (!flags.to_output()) return absl::OkStatus();
  const bool changed = flags.salvage || flags.restore.dry_run || flags.numeric_owner ||
                       flags.restore.strip_components > 0 || !flags.overwrite.empty() ||
                       flags.restore.max_file_bytes != UINT64_MAX;
  if (!changed) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "a tar on standard output (TARGET -) is given as it was stored: of the options only PATH, "
      "--name, --memory and those of S3 go with it");
}

int Run(Flags flags, Interrupt* interrupt) {
  Log log(flags.common.LogOptions());
  if (const absl::Status status = CheckFlags(flags); !status.ok()) return Fail(&log, status);
  flags.s3.LogTo(log.AsEventLog());
  const absl::StatusOr<ArchiveLocation> location = FindArchive(flags.archive, flags.name, flags.s3);
  if (!location.ok()) return Fail(&log, location.status());
  const std::string url = location->storage->UrlOf(location->name);
  RestoreOptions& options = flags.restore;
  log.Info(absl::StrCat(options.dry_run ? "would restore " : "restoring ", url, " into ",
                        options.target));
  std::unique_ptr<DockerTarget> volume;  // null for a directory
  if (DockerTarget::IsOne(options.target)) {
    absl::StatusOr<std::unique_ptr<DockerTarget>> opened =
        DockerTarget::Open(flags.docker, options.target, options.dry_run, &log);
    if (!opened.ok()) return Fail(&log, opened.status());
    volume = *std::move(opened);
  } else if (const std::string option = flags.docker.Given(); !option.empty()) {
    return Fail(&log, absl::InvalidArgumentError(
                          absl::StrCat(option, " is for a TARGET of docker:VOLUME: leave it out")));
  }
  std::atomic<bool> cancelled = false;
  Output output;
  options.overwrite = OverwriteFor(flags.overwrite);
  options.owners = OwnersFor(flags);
  options.cancelled = &cancelled;
  options.connections = flags.s3.connections();
  options.on_warning = [&log](std::string_view text) { log.Warning(text); };
  if (volume != nullptr && !options.dry_run) {
    const absl::Status status = volume->AddTo(&options);
    if (!status.ok()) return Fail(&log, status);
  }
  if (options.dry_run) {
    options.on_entry = [&output](std::string_view path) {
      return output.Write((path.empty() ? "." : PrintablePath(path)) + "\n");
    };
  }
  interrupt->SetCallback([&] {
    log.Warning("interrupted: press Ctrl-C again to leave at once");
    cancelled = true;
    location->storage->Cancel();
    if (volume != nullptr) volume->Cancel();
  });
  if (flags.to_output()) {
    const absl::Status status = ExportToOutput(*location, options, &output);
    interrupt->SetCallback(nullptr);
    return output.Finish(&log, status);
  }
  const absl::StatusOr<std::string> summary =
      flags.salvage ? SalvageInto(*location, options) : RestoreInto(*location, options);
  const absl::Status after = volume == nullptr ? absl::OkStatus() : volume->Finish();
  interrupt->SetCallback(nullptr);
  absl::Status status = summary.status();
  if (status.ok()) status = WithContext(after, "all is restored, but not all is well");
  const int exit_code = output.Finish(&log, status);
  if (exit_code == 0) log.Success(*summary);
  return exit_code;
}

}  // namespace

void AddRestoreCommand(CLI::App* app, Command* chosen) {
  CLI::App* command =
      app->add_subcommand("restore", "Extract an archive into a directory or a Docker volume");
  auto flags = std::make_shared<Flags>();
  RestoreOptions* restore = &flags->restore;
  command
      ->add_option("ARCHIVE", flags->archive,
                   "A file, s3://bucket/prefix/NAME.tar.gz (or .tar.zst), or DEST/latest")
      ->required();
  command
      ->add_option("TARGET", restore->target,
                   "Directory, or docker:VOLUME, to extract into; - gives the tar on standard "
                   "output")
      ->required();
  command->add_option("PATH", restore->patterns,
                      "Only these, with all that is below them; may have *, ?, [] and **");
  command->add_option("--name", flags->name, "With DEST/latest: only backups of this name");
  command
      ->add_option("--overwrite", flags->overwrite,
                   "Restore into a directory that is not empty; of the files that are there keep "
                   "all (never), replace those that are older (older) or all (always)")
      ->check(CLI::IsMember({"never", "older", "always"}));
  command
      ->add_option("--strip", restore->strip_components,
                   "Leave out the first N components of every path")
      ->check(CLI::Range(0, 1000))
      ->option_text("N");
  command->add_flag("--numeric-owner", flags->numeric_owner,
                    "As root: owners by the archive's numbers, not by their names here; always so "
                    "with docker:VOLUME");
  TakesSize(command
                ->add_option("--max-size", restore->max_file_bytes,
                             "Stop before the files become more than this, as 10GiB")
                ->option_text("SIZE"));
  TakesSize(command->add_option("--memory", restore->memory_bytes, "Memory for buffers (256MiB)")
                ->option_text("SIZE"));
  command->add_flag("--dry-run", restore->dry_run,
                    "Print what would be restored, one path a line, and touch nothing");
  command->add_flag("--salvage", flags->salvage,
                    "Of a damaged archive: restore all that lies outside of the damage, and list "
                    "what is lost");
  flags->docker.AddTo(command);
  flags->s3.AddTo(command);
  flags->common.AddTo(command);
  command->callback([flags, chosen] {
    *chosen = [flags](Interrupt* interrupt) { return Run(*flags, interrupt); };
  });
}

}  // namespace volstream
