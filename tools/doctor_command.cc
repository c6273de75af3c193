// volstream doctor --to DEST [--to DEST]...
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "stages/doctor.h"
#include "stages/error_kind.h"
#include "tools/commands.h"
#include "tools/destination.h"

namespace volstream {
namespace {

struct Flags {
  CommonFlags common;
  S3Flags s3;
  std::vector<std::string> destinations;
  uint64_t probe_bytes = 32 * kMiB;
  bool json = false;
};

const char* StateName(Finding::State state) {
  switch (state) {
    case Finding::State::kOk:
      return "ok";
    case Finding::State::kNote:
      return "note";
    case Finding::State::kWarning:
      return "warning";
    case Finding::State::kFailed:
      return "FAILED";
    case Finding::State::kSkipped:
      return "skipped";
  }
  return "";
}

int Run(Flags flags, Interrupt* interrupt) {
  Log log(flags.common.LogOptions());
  flags.s3.LogTo(log.AsEventLog());
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  int failures = 0;
  for (const std::string& destination : flags.destinations) {
    if (!flags.json) absl::PrintF("%s\n", destination);
    const FindingSink on_finding = [&](const Finding& finding) {
      if (finding.state == Finding::State::kFailed) ++failures;
      if (flags.json) {
        nlohmann::ordered_json item;
        item["destination"] = destination;
        item["check"] = finding.check;
        item["state"] = absl::AsciiStrToLower(StateName(finding.state));
        item["text"] = finding.text;
        list.push_back(std::move(item));
      } else {
        absl::PrintF("  %-8s %-16s %s\n", StateName(finding.state), finding.check, finding.text);
        std::fflush(stdout);
      }
    };
    const absl::StatusOr<std::unique_ptr<Doctor>> doctor =
        OpenDoctor(destination, flags.s3, flags.probe_bytes, on_finding);
    if (!doctor.ok()) return Fail(&log, doctor.status());
    interrupt->SetCallback([&doctor, &log] {
      log.Warning("interrupted: cleaning up; press Ctrl-C again to leave at once");
      (*doctor)->Cancel();
    });
    const absl::Status status = (*doctor)->Run();
    interrupt->SetCallback(nullptr);
    if (!status.ok()) return Fail(&log, status);
  }
  if (flags.json) absl::PrintF("%s\n", list.dump(2));
  if (failures == 0) {
    log.Success("nothing is in the way of backups, their retention and their restore");
    return 0;
  }
  return Fail(&log, MakeError(ErrorKind::kS3, absl::StatusCode::kFailedPrecondition,
                              absl::StrCat(failures, failures == 1 ? " check" : " checks",
                                           " failed: see above")));
}

}  // namespace

void AddDoctorCommand(CLI::App* app, Command* chosen) {
  CLI::App* command = app->add_subcommand(
      "doctor", "Try out all that backups need at a destination, and say what will be used");
  auto flags = std::make_shared<Flags>();
  command
      ->add_option("--to", flags->destinations,
                   "Destination: a directory or s3://bucket/prefix/; may be repeated")
      ->required()
      ->take_all()
      ->allow_extra_args(false);
  TakesSize(command->add_option("--probe-size", flags->probe_bytes,
                                "Bytes to send and read back for the throughput, 0 for none "
                                "(32MiB)"));
  command->add_flag("--json", flags->json, "Print a JSON array");
  flags->s3.AddTo(command);
  flags->s3.AddStoringTo(command);
  flags->common.AddTo(command);
  command->callback([flags, chosen] {
    *chosen = [flags](Interrupt* interrupt) { return Run(*flags, interrupt); };
  });
}

}  // namespace volstream
