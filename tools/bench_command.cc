// volstream bench SOURCE [--to DEST]
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "stages/absl_text.h"
#include "stages/machine_bench.h"
#include "tools/commands.h"
#include "tools/destination.h"
#include "tools/progress_line.h"
#include "tools/source_flags.h"

namespace volstream {
namespace {

struct Flags {
  CommonFlags common;
  S3Flags s3;
  SourceFlags source;
  MachineBenchOptions bench;
  std::string destination;
  double seconds = 15;
  bool json = false;
};

double Megabytes(double bytes) { return bytes / 1e6; }

nlohmann::ordered_json ToJson(const LevelFigures& level) {
  nlohmann::ordered_json json;
  json["codec"] = std::string(FormatName(level.format));
  json["level"] = level.level;
  json["size_ratio"] = level.SizeRatio();
  json["compress_mb_s_per_core"] = Megabytes(level.times.BytesPerSecond(Kernel::kEncode));
  json["expected_mb_s"] = Megabytes(level.expected.bytes_per_second);
  json["binds"] = std::string(BottleneckName(level.expected.binds));
  json["sample_bytes"] = level.times.source_bytes;
  for (int i = 0; i < kKernelCount; ++i) {
    const Kernel kernel = static_cast<Kernel>(i);
    if (kernel == Kernel::kFill) continue;  // from memory
    json["kernel_ns_per_byte"][std::string(KernelName(kernel))] =
        1e9 * level.times.of(kernel) / static_cast<double>(level.times.source_bytes);
  }
  return json;
}

nlohmann::ordered_json ToJson(const MachineReport& report) {
  const MachineRates& rates = report.rates;
  nlohmann::ordered_json json;
  json["tar_bytes"] = report.tar_bytes;
  json["entries"] = report.entries;
  json["sample_bytes"] = report.sample_bytes;
  json["workers"] = rates.workers;
  json["read_mb_s"] = Megabytes(rates.workers / rates.read_seconds_per_byte);
  json["upload_mb_s"] = rates.upload_bytes_per_second > 0
                            ? nlohmann::ordered_json(Megabytes(rates.upload_bytes_per_second))
                            : nlohmann::ordered_json();
  json["levels"] = nlohmann::ordered_json::array();
  for (const LevelFigures& level : report.levels) json["levels"].push_back(ToJson(level));
  const LevelFigures& chosen = report.levels[report.choice.index];
  json["recommended"] = {{"codec", std::string(FormatName(chosen.format))},
                         {"level", chosen.level},
                         {"reason", report.choice.reason}};
  json["pipeline_mb_s"] = Megabytes(report.pipeline_bytes_per_second);
  json["limit_mb_s"] = Megabytes(report.limit_bytes_per_second);
  json["pipeline_over_limit"] = report.pipeline_bytes_per_second / report.limit_bytes_per_second;
  return json;
}

void Print(const MachineReport& report) {
  const MachineRates& rates = report.rates;
  const LevelFigures& chosen = report.levels[report.choice.index];
  absl::PrintF("%d entries, a stream of %s; a sample of %s; %d workers\n", report.entries,
               BytesText(report.tar_bytes), BytesText(report.sample_bytes), rates.workers);
  absl::PrintF("read      %8.0f MB/s with all workers\n",
               Megabytes(rates.workers / rates.read_seconds_per_byte));
  // These know no levels, only bytes that come out of them.
  const double encoded = static_cast<double>(chosen.times.encoded_bytes);
  const auto encoded_rate = [&chosen, encoded](Kernel kernel) {
    return chosen.times.of(kernel) > 0 ? Megabytes(encoded / chosen.times.of(kernel)) : 0;
  };
  absl::PrintF("digests   %8.0f MB/s of stored bytes, of parts and stream, one thread at a time\n",
               encoded_rate(Kernel::kStreamDigest));
  absl::PrintF("copy      %8.0f MB/s of stored bytes a core\n", encoded_rate(Kernel::kCopy));
  if (rates.upload_bytes_per_second > 0) {
    absl::PrintF("upload    %8.0f MB/s of stored bytes\n",
                 Megabytes(rates.upload_bytes_per_second));
  }
  absl::PrintF("\n  %-8s %8s %14s %15s  %s\n", "level", "size", "MB/s a core", "expected MB/s",
               "bound by");
  for (size_t i = 0; i < report.levels.size(); ++i) {
    const LevelFigures& level = report.levels[i];
    absl::PrintF("%c %-8s %7.1f%% %14.0f %15.0f  %s\n", i == report.choice.index ? '*' : ' ',
                 LevelName(level), 100 * level.SizeRatio(),
                 Megabytes(level.times.BytesPerSecond(Kernel::kEncode)),
                 Megabytes(level.expected.bytes_per_second),
                 ToAbsl(BottleneckName(level.expected.binds)));
  }
  absl::PrintF("\nfrom memory to nowhere at %s: %.0f MB/s, %.2f of the limit of its kernels\n",
               LevelName(chosen), Megabytes(report.pipeline_bytes_per_second),
               report.pipeline_bytes_per_second / report.limit_bytes_per_second);
  absl::PrintF("recommended: --codec %s --level %d: %s\n", ToAbsl(FormatName(chosen.format)),
               chosen.level, report.choice.reason);
  const RunSettings settings{chosen.format, chosen.level, rates.workers};
  absl::PrintF("to be faster: %s\n", HintFor(chosen.expected.binds, settings));
}

int Run(Flags flags, Interrupt* interrupt) {
  Log log(flags.common.LogOptions());
  flags.s3.LogTo(log.AsEventLog());
  absl::StatusOr<PlanOptions> plan = flags.source.Plan();
  if (!plan.ok()) return Fail(&log, plan.status());
  flags.bench.plan = *std::move(plan);
  flags.bench.time = absl::Seconds(flags.seconds);
  flags.bench.on_event = log.AsEventLog();
  std::unique_ptr<Storage> storage;
  if (!flags.destination.empty()) {
    absl::StatusOr<std::unique_ptr<Storage>> opened = OpenStorage(flags.destination, flags.s3);
    if (!opened.ok()) return Fail(&log, opened.status());
    storage = *std::move(opened);
    flags.bench.destination = storage.get();
  }
  MachineBench bench(flags.bench);
  interrupt->SetCallback([&bench, &log] {
    log.Warning("interrupted: cleaning up; press Ctrl-C again to leave at once");
    bench.Cancel();
  });
  const absl::StatusOr<MachineReport> report = bench.Run();
  interrupt->SetCallback(nullptr);
  if (!report.ok()) return Fail(&log, report.status());
  if (flags.json) {
    absl::PrintF("%s\n", ToJson(*report).dump(2));
  } else {
    Print(*report);
  }
  return 0;
}

}  // namespace

void AddBenchCommand(CLI::App* app, Command* chosen) {
  CLI::App* command = app->add_subcommand(
      "bench",
      "Try out how fast backups of a directory can be on this machine, and which level "
      "suits it; writes nothing but throwaway parts to DEST");
  auto flags = std::make_shared<Flags>();
  command->add_option("SOURCE", flags->bench.source, "Directory of which a sample is taken")
      ->required();
  command->add_option("--to", flags->destination,
                      "Destination whose upload is tried: a directory or s3://bucket/prefix/");
  command
      ->add_option("--seconds", flags->seconds,
                   "Time for all measurements together, beside finding and reading files (15)")
      ->check(CLI::Range(0.5, 3600.0));
  TakesSize(command->add_option("--memory", flags->bench.memory_bytes,
                                "Budget of all buffers of a run (256MiB)"));
  command->add_option("--workers", flags->bench.workers, "Threads that compress (one a core)")
      ->check(CLI::Range(1, 1024));
  command->add_flag("--json", flags->json, "Print a JSON object");
  flags->source.AddTo(command);
  flags->s3.AddTo(command);
  flags->s3.AddStoringTo(command);
  flags->common.AddTo(command);
  command->callback([flags, chosen] {
    *chosen = [flags](Interrupt* interrupt) { return Run(*flags, interrupt); };
  });
}

}  // namespace volstream
