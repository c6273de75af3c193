// volstream cat ARCHIVE PATH...
#include <memory>
#include <string>
#include <vector>

#include "engine/status_macros.h"
#include "stages/archived_file.h"
#include "tools/commands.h"
#include "tools/destination.h"
#include "tools/output.h"

namespace volstream {
namespace {

constexpr char kFooter[] =
    "The files come one after another, in the order given, and only the parts of the archive that\n"
    "hold them are read. Nothing is printed unless all are there. Hard links are followed, "
    "symlinks\n"
    "are not; holes come as zeros.\n";

struct Flags {
  CommonFlags common;
  S3Flags s3;
  std::string archive;
  std::string name;
  std::vector<std::string> paths;
  uint64_t memory_bytes = 64 * kMiB;
};

absl::Status RunOn(const Flags& flags, const S3Flags& s3, Log* log, Output* output) {
  VS_ASSIGN_OR_RETURN(const OpenedArchive archive,
                      OpenListing(flags.archive, flags.name, s3, log->AsEventLog()));
  VS_ASSIGN_OR_RETURN(const std::vector<ArchivedFile> files,
                      FindFiles(archive.listing.get(), flags.paths));
  for (const ArchivedFile& found : files) {
    VS_RETURN_IF_ERROR(ReadFile(archive.listing.get(), found, flags.memory_bytes,
                                [output](ByteSpan bytes) { return output->WriteThrough(bytes); }));
  }
  return absl::OkStatus();
}

int Run(const Flags& flags) {
  Log log(flags.common.LogOptions());
  S3Flags s3 = flags.s3;
  s3.LogTo(log.AsEventLog());
  Output output;
  return output.Finish(&log, RunOn(flags, s3, &log, &output));
}

}  // namespace

void AddCatCommand(CLI::App* app, Command* chosen) {
  CLI::App* command = app->add_subcommand("cat", "Print the contents of files of an archive");
  auto flags = std::make_shared<Flags>();
  command
      ->add_option("ARCHIVE", flags->archive,
                   "A file, s3://bucket/prefix/NAME.tar.gz (or .tar.zst), or DEST/latest")
      ->required();
  command->add_option("PATH", flags->paths, "Files, as `volstream ls` shows them")->required();
  command->add_option("--name", flags->name, "With DEST/latest: only backups of this name");
  TakesSize(command->add_option("--memory", flags->memory_bytes, "Memory for buffers (64MiB)"));
  command->footer(kFooter);
  flags->s3.AddTo(command);
  flags->common.AddTo(command);
  command->callback([flags, chosen] { *chosen = [flags](Interrupt*) { return Run(*flags); }; });
}

}  // namespace volstream
