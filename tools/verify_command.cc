// volstream verify ARCHIVE
#include <atomic>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "stages/environment.h"
#include "stages/error_kind.h"
#include "stages/verify.h"
#include "tools/commands.h"
#include "tools/destination.h"
#include "tools/progress_line.h"

namespace volstream {
namespace {

struct Flags {
  CommonFlags common;
  S3Flags s3;
  std::string archive;
  std::string name;
  bool deep = false;
  bool drill = false;
  std::string scratch;
  bool no_record = false;
  bool json = false;
  uint64_t memory = 256 * kMiB;
};

std::string ScratchOf(const Flags& flags) {
  if (!flags.scratch.empty()) return flags.scratch;
  const char* const set = std::getenv("TMPDIR");
  return set == nullptr || *set == '\0' ? "/tmp" : set;
}

int Run(Flags flags, Interrupt* interrupt) {
  Log log(flags.common.LogOptions());
  flags.s3.LogTo(log.AsEventLog());
  const absl::StatusOr<ArchiveLocation> location = FindArchive(flags.archive, flags.name, flags.s3);
  if (!location.ok()) return Fail(&log, location.status());
  const std::string url = location->storage->UrlOf(location->name);
  std::atomic<bool> cancelled = false;
  VerifyOptions options;
  options.level = flags.drill  ? VerifyLevel::kDrill
                  : flags.deep ? VerifyLevel::kDeep
                               : VerifyLevel::kQuick;
  options.memory_bytes = flags.memory;
  options.connections = flags.s3.connections();
  options.scratch_directory = ScratchOf(flags);
  options.cancelled = &cancelled;
  options.on_event = log.AsEventLog();
  interrupt->SetCallback([&] {
    log.Warning("interrupted: press Ctrl-C again to leave at once");
    cancelled = true;
    location->storage->Cancel();
  });
  log.Info(absl::StrCat("verifying ", url));
  const absl::StatusOr<Verification> result =
      VerifyArchive(location->storage.get(), location->name, options);
  interrupt->SetCallback(nullptr);
  if (!result.ok()) return Fail(&log, result.status());
  if (flags.json) absl::PrintF("%s", result->ToJson());
  if (!flags.no_record) {
    const auto recorded = RecordVerification(location->storage.get(), *result);
    if (!recorded.ok()) {
      log.Warning(absl::StrCat("the result could not be recorded beside the archive: ",
                               recorded.status().message(), " (--no-record does not try)"));
    } else if (recorded->has_value()) {
      log.Info(absl::StrCat(
          "the record of the deeper verification of ",
          absl::FormatTime("%Y-%m-%d %H:%M:%S", (*recorded)->checked, absl::UTCTimeZone()),
          " UTC (", (*recorded)->level, ", ", (*recorded)->ok ? "sound" : "damaged", ") stays"));
    }
  }
  for (const std::string& text : result->errors) log.Error(text);
  if (!result->ok) {
    return Fail(&log, MakeError(ErrorKind::kIntegrity, absl::StatusCode::kDataLoss,
                                absl::StrCat(url, " failed its verification (", result->level,
                                             "): ", result->error_count, " errors")));
  }
  log.Success(absl::StrCat(
      url, flags.drill ? absl::StrFormat(" is sound and was restored in %.1f s, its databases too",
                                         result->restore_seconds)
           : flags.deep
               ? absl::StrCat(" is sound: all of its ", BytesText(result->bytes_read), " were read",
                              result->archive_md5.empty()
                                  ? "; its receipt has no MD5: its XXH3 was compared, and the ETag "
                                    "where the destination has one"
                                  : "")
               : " has the size and ETag of its receipt"));
  return 0;
}

}  // namespace

void AddVerifyCommand(CLI::App* app, Command* chosen) {
  CLI::App* command = app->add_subcommand(
      "verify",
      "Check an archive: size and ETag against its receipt, or all of it, or by restoring it");
  auto flags = std::make_shared<Flags>();
  command
      ->add_option("ARCHIVE", flags->archive,
                   "A file, s3://bucket/prefix/NAME.tar.gz (or .tar.zst), or DEST/latest")
      ->required();
  command->add_option("--name", flags->name, "With DEST/latest: only backups of this name");
  command->add_flag("--deep", flags->deep,
                    "Read all of it: every member's CRC-32 and XXH3, the whole MD5, the tar, and "
                    "the index against the tar");
  command->add_flag("--drill", flags->drill,
                    "The same, restore it into a scratch directory, check its SQLite databases, "
                    "and say how long a restore takes");
  command->add_option("--scratch-dir", flags->scratch,
                      "Where --drill restores to and cleans up again (default: TMPDIR or /tmp)");
  command->add_flag("--no-record", flags->no_record,
                    "Do not keep the result beside the archive, as ARCHIVE.verify.json");
  command->add_flag("--json", flags->json, "Print the result as JSON");
  TakesSize(command->add_option("--memory", flags->memory, "Memory for buffers"))
      ->default_str("256MiB");
  flags->s3.AddTo(command);
  flags->common.AddTo(command);
  command->callback([flags, chosen] {
    *chosen = [flags](Interrupt* interrupt) { return Run(*flags, interrupt); };
  });
}

}  // namespace volstream
