// How fast a tree is planned and read: the walk, then the tar stream through the engine to nowhere,
// without compression and digests. bench/source.py compares it with tar.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/time/clock.h"
#include "bench/null_stages.h"
#include "bench/process_usage.h"
#include "engine/pipeline.h"
#include "stages/plain_codec.h"
#include "stages/tar_source.h"
#include "stages/volume_plan.h"

namespace volstream::bench {
namespace {

int Run(const std::string& directory, int workers, bool plan_only) {
  const uint64_t resident_before = ResidentBytes();
  const absl::Time start = absl::Now();
  Warnings warnings;
  absl::StatusOr<std::unique_ptr<VolumePlan>> plan = VolumePlan::Make(directory, &warnings);
  if (!plan.ok()) {
    std::fprintf(stderr, "%s\n", plan.status().ToString().c_str());
    return 1;
  }
  const absl::Time planned = absl::Now();
  nlohmann::ordered_json json;
  json["entries"] = (*plan)->entries().size();
  json["tar_bytes"] = (*plan)->tar_bytes();
  json["plan_seconds"] = absl::ToDoubleSeconds(planned - start);
  json["plan_cpu_seconds"] = ProcessCpuSeconds();
  json["plan_resident_bytes"] = ResidentBytes() - resident_before;
  json["plan_peak_bytes"] = PeakResidentBytes() - resident_before;
  if (!plan_only) {
    TarSource source(plan->get(), &warnings);
    PlainCodec codec;
    NullHasher hasher;
    NullSink sink;
    PipelineOptions options;
    options.workers = workers;
    Pipeline pipeline(options, PipelineJob{&source, &codec, &hasher, {}, {&sink}});
    const RunReport report = pipeline.Run();
    if (!report.status.ok()) {
      std::fprintf(stderr, "%s\n", report.status.ToString().c_str());
      return 1;
    }
    json["read_seconds"] = absl::ToDoubleSeconds(absl::Now() - planned);
    json["stream_bytes"] = report.stats.source_bytes;
  }
  json["seconds"] = absl::ToDoubleSeconds(absl::Now() - start);
  json["cpu_seconds"] = ProcessCpuSeconds();
  json["warnings"] = warnings.count();
  std::printf("%s\n", json.dump().c_str());
  return 0;
}

}  // namespace
}  // namespace volstream::bench

int main(int argc, char** argv) {
  CLI::App app("Plans and reads a tree, to nowhere; prints one JSON object");
  std::string directory;
  int workers = 0;
  bool plan_only = false;
  app.add_option("directory", directory, "tree to read")->required();
  app.add_option("--workers", workers, "threads; 0 = one a core");
  app.add_flag("--plan-only", plan_only, "only the walk");
  CLI11_PARSE(app, argc, argv);
  return volstream::bench::Run(directory, workers, plan_only);
}
