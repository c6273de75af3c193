// volstream ls ARCHIVE [GLOB...]
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/status_macros.h"
#include "stages/path_selection.h"
#include "stages/warnings.h"
#include "tools/commands.h"
#include "tools/destination.h"
#include "tools/entry_text.h"
#include "tools/output.h"

namespace volstream {
namespace {

constexpr char kFooter[] =
    "GLOB means the entry of that path and all below it; '*' and '?' match no '/', \"**\" matches "
    "any\n"
    "number of directories, '\\' quotes. Only the index at the archive's end is read, where there "
    "is one. Names with\n"
    "control characters or bytes that are not UTF-8 are printed with \\n, \\xHH and so on; -0 "
    "prints\n"
    "the bytes themselves.\n";

struct Flags {
  CommonFlags common;
  S3Flags s3;
  std::string archive;
  std::string name;
  std::vector<std::string> globs;
  bool details = false;
  bool json = false;
  bool null = false;
};

absl::Status Print(const Flags& flags, const EntryInfo& entry, Output* output) {
  if (flags.json) return output->Write(JsonLine(EntryJson(entry)));
  std::string line = flags.details ? LongText(entry, flags.null)
                     : flags.null  ? std::string(RawPath(entry.path))
                                   : PathText(entry.path);
  line += flags.null ? '\0' : '\n';
  return output->Write(line);
}

absl::Status RunOn(const Flags& flags, const S3Flags& s3, Log* log, Output* output) {
  VS_ASSIGN_OR_RETURN(PathSelection selection, PathSelection::Make(flags.globs));
  VS_ASSIGN_OR_RETURN(const OpenedArchive archive,
                      OpenListing(flags.archive, flags.name, s3, log->AsEventLog()));
  VS_RETURN_IF_ERROR(archive.listing->ForEach(selection.Roots(), [&](const EntryInfo& entry) {
    return selection.SelectsAndNotes(entry.path) ? Print(flags, entry, output) : absl::OkStatus();
  }));
  const std::vector<std::string> unmatched = selection.Unmatched();
  if (unmatched.empty()) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("not in ", archive.file->Url(), ": ",
                                          PrintablePath(absl::StrJoin(unmatched, ", ")),
                                          ": see `volstream ls` for what is there"));
}

int Run(const Flags& flags) {
  Log log(flags.common.LogOptions());
  S3Flags s3 = flags.s3;
  s3.LogTo(log.AsEventLog());
  Output output;
  return output.Finish(&log, RunOn(flags, s3, &log, &output));
}

}  // namespace

void AddLsCommand(CLI::App* app, Command* chosen) {
  CLI::App* command = app->add_subcommand("ls", "List what is in an archive");
  auto flags = std::make_shared<Flags>();
  command
      ->add_option("ARCHIVE", flags->archive,
                   "A file, s3://bucket/prefix/NAME.tar.gz (or .tar.zst), or DEST/latest")
      ->required();
  command->add_option("GLOB", flags->globs, "Only these paths, and what is below them");
  command->add_option("--name", flags->name, "With DEST/latest: only backups of this name");
  CLI::Option* const details = command->add_flag(
      "-l,--long", flags->details, "Mode, owner, size, date (UTC) and links as well, as tar tv");
  CLI::Option* const null = command->add_flag(
      "-0,--null", flags->null, "End each line with a NUL, and print names as they are");
  command->add_flag("--json", flags->json, "Print a JSON object a line")
      ->excludes(details)
      ->excludes(null);
  command->footer(kFooter);
  flags->s3.AddTo(command);
  flags->common.AddTo(command);
  command->callback([flags, chosen] { *chosen = [flags](Interrupt*) { return Run(*flags); }; });
}

}  // namespace volstream
