// pipeline_bench: how close a whole run of the engine comes to the sum of its parts. A generated
// stream goes through the real codec and digests to a sink that forgets; the same kernels are then
// timed on the same bytes without the engine. bench/README.md has the method.
//
// Noise: every round times the kernels, runs the pipeline, and times the kernels again, so that
// pipeline/limit compares neighbours in time; medians and extremes are over rounds.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "bench/corpus.h"
#include "bench/null_stages.h"
#include "bench/process_usage.h"
#include "engine/pipeline.h"
#include "engine/status_macros.h"
#include "stages/archive_codec.h"
#include "stages/kernel_times.h"
#include "stages/part_hash.h"

namespace volstream::bench {
namespace {

using Json = nlohmann::ordered_json;

struct Flags {
  uint64_t bytes = 2 * kGiB;
  uint64_t kernel_bytes = 256 * kMiB;
  uint64_t memory_bytes = 256 * kMiB;
  uint64_t part_bytes = 16 * kMiB;
  uint64_t block_bytes = kMiB;
  uint64_t seed = kDefaultSeed;
  int level = 6;
  int workers = 0;
  int repeat = 5;
  bool sha256 = false;
  bool stream_md5 = true;
  std::string codec = "gzip";
  std::string corpus = "mixed";
  std::string json_path;
};

ArchiveFormat FormatOf(const Flags& flags) {
  return flags.codec == "zstd" ? ArchiveFormat::kZstd : ArchiveFormat::kGzip;
}

struct Round {
  RunStats stats;
  double cpu_seconds = 0;  // of the whole process during the pipeline's run
  uint64_t peak_rss_bytes = 0;
  uint64_t base_rss_bytes = 0;  // resident before the run: the corpus, above all
  KernelTimes together;         // kernels on as many threads as the pipeline has workers
  KernelTimes alone;            // kernels on one thread

  double elapsed_seconds() const { return absl::ToDoubleSeconds(stats.elapsed); }
  double in_mb_s() const {
    return static_cast<double>(stats.source_bytes) / elapsed_seconds() / 1e6;
  }
  double limit_mb_s() const { return together.LimitBytesPerSecond(stats.workers) / 1e6; }
  double alone_limit_mb_s() const { return alone.LimitBytesPerSecond(stats.workers) / 1e6; }
};

struct Spread {
  double median = 0;
  double min = 0;
  double max = 0;
  std::vector<double> values;  // in the order of the rounds
};

template <typename Value>
Spread SpreadOf(const std::vector<Round>& rounds, Value value) {
  std::vector<double> values;
  for (const Round& round : rounds) values.push_back(value(round));
  const std::vector<double> in_order = values;
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return Spread{values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2,
                values.front(), values.back(), in_order};
}

// A sample in two halves, each of whole cycles of the mixed corpus spread over the stream, so that
// every kind has its share in both.
std::array<std::vector<BlockTicket>, 2> SampleBlocks(const Flags& flags) {
  constexpr uint64_t kSpanBytes = kMixedCycleBlocks * kCorpusBlockBytes;
  const uint64_t spans = std::max<uint64_t>(1, flags.bytes / kSpanBytes);
  const uint64_t taken = std::clamp<uint64_t>(flags.kernel_bytes / kSpanBytes, 2, spans + 1);
  std::array<std::vector<BlockTicket>, 2> halves;
  for (uint64_t i = 0; i < taken; ++i) {
    const uint64_t begin = i * spans / taken * kSpanBytes;
    const uint64_t end = std::min(begin + kSpanBytes, flags.bytes);
    for (uint64_t at = begin; at < end; at += flags.block_bytes) {
      halves[i % 2].push_back(BlockTicket{at, std::min(flags.block_bytes, end - at), false});
    }
  }
  return halves;
}

absl::StatusOr<Round> RunRound(const Flags& flags, const Corpus& corpus) {
  VS_ASSIGN_OR_RETURN(const std::unique_ptr<BlockCodec> codec,
                      MakeCodec(FormatOf(flags), flags.level));
  CorpusSource source(&corpus, flags.bytes);
  KernelPlan plan;
  plan.source = &source;
  plan.codec = codec.get();
  plan.want_sha256 = flags.sha256;
  plan.stream_md5 = flags.stream_md5;
  plan.block_bytes = flags.block_bytes;
  plan.part_bytes = flags.part_bytes;
  std::array<std::vector<BlockTicket>, 2> sample = SampleBlocks(flags);
  const int workers = ResolveWorkers(flags.workers);
  const bool time_kernels = flags.kernel_bytes > 0;
  Round round;
  if (time_kernels) {
    plan.blocks = std::move(sample[0]);
    VS_ASSIGN_OR_RETURN(round.together, TimeKernels(plan, workers));
  }

  StreamHasher hasher(EqualParts(flags.part_bytes), flags.stream_md5);
  NullSink sink(flags.sha256);
  PipelineOptions options;
  options.memory_bytes = flags.memory_bytes;
  options.block_bytes = flags.block_bytes;
  options.parts = EqualParts(flags.part_bytes);
  options.workers = flags.workers;
  ResetPeakResidentBytes();
  round.base_rss_bytes = ResidentBytes();
  const double cpu_start_seconds = ProcessCpuSeconds();
  const RunReport report =
      Pipeline(options, PipelineJob{&source, codec.get(), &hasher, {&hasher}, {&sink}}).Run();
  round.cpu_seconds = ProcessCpuSeconds() - cpu_start_seconds;
  round.peak_rss_bytes = PeakResidentBytes();
  VS_RETURN_IF_ERROR(report.status);
  round.stats = report.stats;

  if (time_kernels) {
    VS_ASSIGN_OR_RETURN(round.alone, TimeKernels(plan, 1));
    plan.blocks = std::move(sample[1]);
    VS_ASSIGN_OR_RETURN(const KernelTimes after, TimeKernels(plan, workers));
    round.together += after;
  }
  return round;
}

// Nanoseconds of thread time for each source byte.
double KernelNsPerByte(const KernelTimes& times, int kernel) {
  return times.source_bytes == 0
             ? 0
             : times.seconds[kernel] * 1e9 / static_cast<double>(times.source_bytes);
}

// The engine's stages in the kernels' order.
constexpr std::array<Stage, kKernelCount> kKernelStages = {
    Stage::kFill, Stage::kEncode, Stage::kObserve, Stage::kAssemble, Stage::kPartHash};

struct StageLine {
  std::string_view name;
  Spread busy_percent;  // of workers times elapsed time
  Spread cpu_percent;
  Spread run_ns;     // a source byte, inside the pipeline
  Spread kernel_ns;  // a source byte, kernels together
};

std::vector<StageLine> StageLines(const std::vector<Round>& rounds) {
  std::vector<StageLine> lines;
  for (int i = 0; i < kKernelCount; ++i) {
    const auto stats = [i](const Round& round) -> const StageStats& {
      return round.stats.stage(kKernelStages[i]);
    };
    const auto percent = [](const Round& round, absl::Duration time) {
      return 100 * absl::ToDoubleSeconds(time) / (round.elapsed_seconds() * round.stats.workers);
    };
    StageLine line;
    line.name = KernelName(static_cast<Kernel>(i));
    line.busy_percent = SpreadOf(rounds, [&](const Round& r) { return percent(r, stats(r).busy); });
    line.cpu_percent = SpreadOf(rounds, [&](const Round& r) { return percent(r, stats(r).cpu); });
    line.run_ns = SpreadOf(rounds, [&](const Round& r) {
      return absl::ToDoubleNanoseconds(stats(r).busy) / static_cast<double>(r.stats.source_bytes);
    });
    line.kernel_ns =
        SpreadOf(rounds, [i](const Round& r) { return KernelNsPerByte(r.together, i); });
    lines.push_back(line);
  }
  return lines;
}

struct Figure {
  std::string_view key;
  std::string_view label;
  Spread spread;
};

std::vector<Figure> Figures(const Flags& flags, const std::vector<Round>& rounds) {
  std::vector<Figure> figures;
  const auto add = [&](std::string_view key, std::string_view label, auto value) {
    figures.push_back(Figure{key, label, SpreadOf(rounds, value)});
  };
  add("in_mb_s", "in, MB/s", [](const Round& r) { return r.in_mb_s(); });
  add("out_mb_s", "out, MB/s", [](const Round& r) {
    return static_cast<double>(r.stats.encoded_bytes) / r.elapsed_seconds() / 1e6;
  });
  add("ratio", "ratio", [](const Round& r) {
    return static_cast<double>(r.stats.source_bytes) / static_cast<double>(r.stats.encoded_bytes);
  });
  if (flags.kernel_bytes > 0) {
    add("limit_mb_s", "limit, MB/s", [](const Round& r) { return r.limit_mb_s(); });
    add("pipeline_over_limit", "pipeline/limit",
        [](const Round& r) { return r.in_mb_s() / r.limit_mb_s(); });
    add("limit_alone_mb_s", "limit of lone kernels, MB/s",
        [](const Round& r) { return r.alone_limit_mb_s(); });
    add("pipeline_over_limit_alone", "pipeline/limit of lone kernels",
        [](const Round& r) { return r.in_mb_s() / r.alone_limit_mb_s(); });
    add("kernel_cpu_over_pipeline_cpu", "CPU of kernels/CPU of pipeline", [](const Round& r) {
      return r.together.cpu_seconds / static_cast<double>(r.together.source_bytes) /
             (r.cpu_seconds / static_cast<double>(r.stats.source_bytes));
    });
    add("serial_limit_mb_s", "limit of the ordered part, MB/s",
        [](const Round& r) { return 1e-6 / r.together.SerialSecondsPerByte(); });
  }
  add("cpu_cores", "cores busy",
      [](const Round& r) { return r.cpu_seconds / r.elapsed_seconds(); });
  add("cpu_outside_stages_percent", "CPU outside stages, %", [](const Round& r) {
    double stages = 0;
    for (const StageStats& stage : r.stats.stages) stages += absl::ToDoubleSeconds(stage.cpu);
    return 100 * (1 - stages / r.cpu_seconds);
  });
  add("peak_rss_mib", "peak RSS, MiB", [](const Round& r) {
    return static_cast<double>(r.peak_rss_bytes) / static_cast<double>(kMiB);
  });
  add("peak_rss_above_corpus_mib", "peak RSS above corpus, MiB", [](const Round& r) {
    return static_cast<double>(r.peak_rss_bytes - std::min(r.base_rss_bytes, r.peak_rss_bytes)) /
           static_cast<double>(kMiB);
  });
  add("admit_wait_percent", "source waits for memory, %", [](const Round& r) {
    return 100 * absl::ToDoubleSeconds(r.stats.admit_wait) / r.elapsed_seconds();
  });
  return figures;
}

Json ToJson(const Spread& spread) {
  return Json{{"median", spread.median},
              {"min", spread.min},
              {"max", spread.max},
              {"values", spread.values}};
}

std::string Text(std::string_view text) { return std::string(text); }

Json ToJson(const Flags& flags, const std::vector<Round>& rounds) {
  const RunStats& stats = rounds.front().stats;
  Json json{{"corpus", flags.corpus},
            {"seed", flags.seed},
            {"bytes", flags.bytes},
            {"codec", flags.codec},
            {"level", flags.level},
            {"workers", stats.workers},
            {"memory_bytes", flags.memory_bytes},
            {"part_bytes", flags.part_bytes},
            {"block_bytes", flags.block_bytes},
            {"kernel_bytes", flags.kernel_bytes},
            {"sha256", flags.sha256},
            {"stream_md5", flags.stream_md5},
            {"rounds", flags.repeat},
            {"blocks", stats.blocks},
            {"blocks_stored", stats.blocks_stored},
            {"parts", stats.parts}};
  for (const Figure& figure : Figures(flags, rounds)) {
    json["figures"][Text(figure.key)] = ToJson(figure.spread);
  }
  for (const StageLine& line : StageLines(rounds)) {
    json["stages"][Text(line.name)] = Json{{"busy_percent", ToJson(line.busy_percent)},
                                           {"cpu_percent", ToJson(line.cpu_percent)},
                                           {"run_ns_per_byte", ToJson(line.run_ns)},
                                           {"kernel_ns_per_byte", ToJson(line.kernel_ns)}};
  }
  return json;
}

void Print(const Flags& flags, const std::vector<Round>& rounds) {
  const RunStats& stats = rounds.front().stats;
  std::printf(
      "%.0f MiB of %s, %s level %d, %d workers, budget %.0f MiB, parts of %.0f MiB, %d rounds\n",
      static_cast<double>(flags.bytes) / kMiB, flags.corpus.c_str(), flags.codec.c_str(),
      flags.level, stats.workers, static_cast<double>(flags.memory_bytes) / kMiB,
      static_cast<double>(flags.part_bytes) / kMiB, flags.repeat);
  std::printf("%llu blocks, %llu of them stored; %llu parts\n\n",
              static_cast<unsigned long long>(stats.blocks),
              static_cast<unsigned long long>(stats.blocks_stored),
              static_cast<unsigned long long>(stats.parts));
  std::printf("%-32s %10s %10s %10s\n", "", "median", "min", "max");
  for (const Figure& figure : Figures(flags, rounds)) {
    std::printf("%-32s %10.3f %10.3f %10.3f\n", Text(figure.label).c_str(), figure.spread.median,
                figure.spread.min, figure.spread.max);
  }
  std::printf("\n%-16s %8s %8s %14s %14s   (medians; 100 %% = all workers)\n", "stage", "busy %",
              "cpu %", "ns/B in run", "ns/B kernel");
  for (const StageLine& line : StageLines(rounds)) {
    std::printf("%-16s %8.1f %8.1f %14.3f %14.3f\n", Text(line.name).c_str(),
                line.busy_percent.median, line.cpu_percent.median, line.run_ns.median,
                line.kernel_ns.median);
  }
}

absl::Status Main(const Flags& flags) {
  VS_ASSIGN_OR_RETURN(const CorpusKind kind, ParseKind(flags.corpus));
  const Corpus corpus(kind, flags.seed);
  std::vector<Round> rounds;
  for (int i = 0; i < flags.repeat; ++i) {
    VS_ASSIGN_OR_RETURN(Round round, RunRound(flags, corpus));
    std::fprintf(stderr, "round %d: %.1f MB/s in, limit %.1f MB/s\n", i + 1, round.in_mb_s(),
                 flags.kernel_bytes > 0 ? round.limit_mb_s() : 0.0);
    rounds.push_back(std::move(round));
  }
  Print(flags, rounds);
  if (!flags.json_path.empty()) {
    std::ofstream file(flags.json_path);
    file << ToJson(flags, rounds).dump(2) << "\n";
    if (!file.flush()) return absl::UnavailableError("cannot write " + flags.json_path);
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace volstream::bench

int main(int argc, char** argv) {
  volstream::bench::Flags flags;
  CLI::App app("Runs the pipeline from a generated source to nowhere, next to its kernels");
  const CLI::AsSizeValue size(/*kb_is_1000=*/true);
  app.add_option("--bytes", flags.bytes, "source bytes; MB = 10^6, MiB = 2^20")->transform(size);
  app.add_option("--kernel-bytes", flags.kernel_bytes, "sample for the kernels; 0: no kernels")
      ->transform(size);
  app.add_option("--memory", flags.memory_bytes, "budget of the buffer pool")->transform(size);
  app.add_option("--part-size", flags.part_bytes)->transform(size);
  app.add_option("--block-size", flags.block_bytes)->transform(size)->check(CLI::PositiveNumber);
  app.add_option("--codec", flags.codec)->check(CLI::IsMember({"gzip", "zstd"}));
  app.add_option("--level", flags.level, "of the codec");
  app.add_option("--workers", flags.workers, "threads that compute; 0: one a core");
  app.add_option("--corpus", flags.corpus,
                 "text, logs, sqlite, floats, json, random, zeros or mixed");
  app.add_option("--seed", flags.seed);
  app.add_option("--repeat", flags.repeat, "rounds")->check(CLI::PositiveNumber);
  app.add_flag("--sha256", flags.sha256, "the sink asks for the SHA-256 of each part");
  app.add_flag("!--no-stream-md5", flags.stream_md5, "parts are hashed by themselves");
  app.add_option("--json", flags.json_path, "also write the result to this file");
  CLI11_PARSE(app, argc, argv);
  const absl::Status status = volstream::bench::Main(flags);
  if (!status.ok()) std::cerr << "pipeline_bench: " << status.message() << "\n";
  return status.ok() ? 0 : 1;
}
