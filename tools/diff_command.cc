// volstream diff A B
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/entry_diff.h"
#include "stages/warnings.h"
#include "tools/commands.h"
#include "tools/destination.h"
#include "tools/entry_text.h"
#include "tools/output.h"

namespace volstream {
namespace {

constexpr char kFooter[] =
    "Prints \"+ path\" for what only B has, \"- path\" for what only A has, and \"M path (what "
    "differs)\".\n"
    "Compared are type, size, time, mode, owner and link target, by the archives' indexes; no "
    "content\n"
    "is read. Hard links compare as what they are names of. The exit code is 0 whether or not "
    "there\n"
    "are differences; with --exit-code 1 says that there are, without an error on standard "
    "error.\n";

struct Flags {
  CommonFlags common;
  S3Flags s3;
  std::string before;
  std::string after;
  std::string name;
  std::optional<bool> owners;
  bool json = false;
  bool exit_code = false;
};

// All that is kept open for one side.
struct Side {
  OpenedArchive archive;                 // empty for a directory
  std::unique_ptr<EntryStream> entries;  // last: it uses the other
};

bool IsDirectory(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

absl::StatusOr<Side> OpenArchive(const std::string& archive, const std::string& name,
                                 const S3Flags& s3, Log* log) {
  Side side;
  VS_ASSIGN_OR_RETURN(side.archive, OpenListing(archive, name, s3, log->AsEventLog()));
  VS_ASSIGN_OR_RETURN(side.entries, EntryStream::OfArchive(side.archive.listing.get()));
  return side;
}

std::string_view NameOf(EntryField field) {
  switch (field) {
    case EntryField::kType:
      return "type";
    case EntryField::kSize:
      return "size";
    case EntryField::kTime:
      return "mtime";
    case EntryField::kMode:
      return "mode";
    case EntryField::kOwner:
      return "owner";
    case EntryField::kTarget:
      return "target";
  }
  return "";
}

std::string ValueOf(EntryField field, const EntryInfo& entry) {
  switch (field) {
    case EntryField::kType:
      return std::string(TypeText(entry.type));
    case EntryField::kSize:
      return absl::StrCat(entry.bytes);
    case EntryField::kTime:
      return ExactTimeText(entry);
    case EntryField::kMode:
      return OctalText(entry.mode);
    case EntryField::kOwner:
      return absl::StrCat(entry.uid, ":", entry.gid);
    case EntryField::kTarget:
      return PrintablePath(entry.link_target);
  }
  return "";
}

std::string TextOf(const EntryChange& change) {
  if (change.before == nullptr) return absl::StrCat("+ ", PathText(change.after->path), "\n");
  std::string line = PathText(change.before->path);
  if (change.after == nullptr) return absl::StrCat("- ", line, "\n");
  line = absl::StrCat("M ", line, " (");
  for (size_t i = 0; i < change.fields.size(); ++i) {
    const EntryField field = change.fields[i];
    line.append(i == 0 ? "" : ", ").append(NameOf(field));
    absl::StrAppend(&line, " ", ValueOf(field, *change.before), " -> ",
                    ValueOf(field, *change.after));
  }
  return line + ")\n";
}

std::string JsonOf(const EntryChange& change) {
  nlohmann::ordered_json json;
  const bool both = change.before != nullptr && change.after != nullptr;
  json["change"] = both ? "modified" : change.before == nullptr ? "added" : "removed";
  const EntryInfo& named = change.before != nullptr ? *change.before : *change.after;
  SetPath("path", RawPath(named.path), &json);
  if (both) {
    json["fields"] = nlohmann::ordered_json::array();
    for (const EntryField field : change.fields)
      json["fields"].push_back(std::string(NameOf(field)));
  }
  if (change.before != nullptr) json["before"] = EntryJson(*change.before);
  if (change.after != nullptr) json["after"] = EntryJson(*change.after);
  return JsonLine(json);
}

absl::Status RunOn(const Flags& flags, const S3Flags& s3, Log* log, Output* output, bool* differ) {
  if (IsDirectory(flags.before)) {
    return absl::InvalidArgumentError(absl::StrCat(
        flags.before, " is a directory: give the archive first, then what to compare it with"));
  }
  const bool directory = IsDirectory(flags.after);
  VS_ASSIGN_OR_RETURN(const Side before, OpenArchive(flags.before, flags.name, s3, log));
  Side after;
  if (directory) {
    VS_ASSIGN_OR_RETURN(after.entries, EntryStream::OfDirectory(flags.after));
  } else {
    VS_ASSIGN_OR_RETURN(after, OpenArchive(flags.after, flags.name, s3, log));
  }
  // Who is not the superuser owns all that he restores.
  const bool owners = flags.owners.value_or(!directory || geteuid() == 0);
  return CompareEntries(before.entries.get(), after.entries.get(), owners,
                        [&](const EntryChange& change) {
                          *differ = true;
                          return output->Write(flags.json ? JsonOf(change) : TextOf(change));
                        });
}

int Run(const Flags& flags) {
  Log log(flags.common.LogOptions());
  S3Flags s3 = flags.s3;
  s3.LogTo(log.AsEventLog());
  Output output;
  bool differ = false;
  const int exit_code = output.Finish(&log, RunOn(flags, s3, &log, &output, &differ));
  return exit_code == 0 && differ && flags.exit_code ? 1 : exit_code;
}

}  // namespace

void AddDiffCommand(CLI::App* app, Command* chosen) {
  CLI::App* command =
      app->add_subcommand("diff", "Compare an archive with another one or with a directory");
  auto flags = std::make_shared<Flags>();
  command
      ->add_option("A", flags->before,
                   "A file, s3://bucket/prefix/NAME.tar.gz (or .tar.zst), or DEST/latest")
      ->required();
  command->add_option("B", flags->after, "An archive as well, or a directory")->required();
  command->add_option("--name", flags->name, "With DEST/latest: only backups of this name");
  command->add_flag("--json", flags->json, "Print a JSON object a line");
  command->add_flag("--exit-code", flags->exit_code, "Exit with 1 if there are differences");
  // Not bound to the optional itself, which CLI11 would fill without the flag.
  command->add_flag_function(
      "--owners,!--no-owners", [flags](int64_t count) { flags->owners = count > 0; },
      "Compare owners, by number, or do not; without either, between archives and as root");
  command->footer(kFooter);
  flags->s3.AddTo(command);
  flags->common.AddTo(command);
  command->callback([flags, chosen] { *chosen = [flags](Interrupt*) { return Run(*flags); }; });
}

}  // namespace volstream
