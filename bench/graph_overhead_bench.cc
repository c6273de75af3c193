// What the engine costs a block: a pipeline whose codec copies, whose hasher does nothing and whose
// sink forgets, against one thread that makes the same three copies (source to slab, slab to
// output, output to part) in a loop over as many buffers, made anew as the pipeline's pool is.
// Bytes are source bytes. `overhead_us` is the pipeline's wall time minus that thread's, divided by
// the blocks; below zero where two workers copy faster than one thread. `cpu_overhead_us` is the
// same of processor time, which a busy machine disturbs less.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <utility>

#include "bench/corpus.h"
#include "bench/null_stages.h"
#include "bench/process_usage.h"
#include "engine/check.h"
#include "engine/pipeline.h"
#include "stages/plain_codec.h"

namespace volstream::bench {
namespace {

constexpr uint64_t kStreamBytes = 256 * kMiB;
constexpr uint64_t kPartBytes = 8 * kMiB;

// Wall and processor time of everything that this process does from construction to Stop().
class Stopwatch {
 public:
  Stopwatch() : start_(Now()) {}
  std::pair<double, double> Stop() const {
    const std::pair<double, double> now = Now();
    return {now.first - start_.first, now.second - start_.second};
  }

 private:
  static std::pair<double, double> Now() {
    const auto wall = std::chrono::steady_clock::now().time_since_epoch();
    return {std::chrono::duration<double>(wall).count(), ProcessCpuSeconds()};
  }
  const std::pair<double, double> start_;
};

// The floor.
std::pair<double, double> TimeCopies(const Corpus& corpus, const PipelineOptions& options) {
  const Stopwatch watch;
  // Two blocks a worker and two more, as the pool has; a sink that forgets leaves two parts in use.
  const size_t slabs = 2 * static_cast<size_t>(options.workers) + 2;
  const size_t block_bytes = options.block_bytes;
  const size_t part_bytes = options.parts.first_bytes;
  const std::unique_ptr<uint8_t[]> in(new uint8_t[slabs * block_bytes]);
  const std::unique_ptr<uint8_t[]> out(new uint8_t[slabs * block_bytes]);
  const std::unique_ptr<uint8_t[]> parts(new uint8_t[2 * part_bytes]);
  for (uint64_t at = 0; at < kStreamBytes; at += block_bytes) {
    const size_t slab = at / block_bytes % slabs * block_bytes;
    corpus.Read(at, MutableByteSpan(in.get() + slab, block_bytes));
    std::memcpy(out.get() + slab, in.get() + slab, block_bytes);
    benchmark::DoNotOptimize(out.get());
    std::memcpy(parts.get() + at % (2 * part_bytes), out.get() + slab, block_bytes);
    benchmark::ClobberMemory();
  }
  return watch.Stop();
}

void BM_GraphOverhead(benchmark::State& state) {
  static const Corpus corpus(CorpusKind::kRandom);
  const size_t block_bytes = static_cast<size_t>(state.range(0));
  PipelineOptions options;
  options.block_bytes = block_bytes;
  options.parts = EqualParts(kPartBytes);
  options.memory_bytes = 64 * kMiB;
  options.workers = static_cast<int>(state.range(1));
  PlainCodec codec;
  NullHasher hasher;
  double overhead_seconds = 0;
  double cpu_overhead_seconds = 0;
  for (auto _ : state) {
    state.PauseTiming();
    const auto [copy_seconds, copy_cpu_seconds] = TimeCopies(corpus, options);
    state.ResumeTiming();
    CorpusSource source(&corpus, kStreamBytes);
    NullSink sink;
    const Stopwatch watch;
    const RunReport report =
        Pipeline(options, PipelineJob{&source, &codec, &hasher, {}, {&sink}}).Run();
    const auto [run_seconds, run_cpu_seconds] = watch.Stop();
    overhead_seconds += run_seconds - copy_seconds;
    cpu_overhead_seconds += run_cpu_seconds - copy_cpu_seconds;
    VS_CHECK(report.status.ok() && report.stats.source_bytes == kStreamBytes);
  }
  const double blocks =
      static_cast<double>(state.iterations()) * static_cast<double>(kStreamBytes / block_bytes);
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * kStreamBytes));
  state.counters["overhead_us"] = overhead_seconds / blocks * 1e6;
  state.counters["cpu_overhead_us"] = cpu_overhead_seconds / blocks * 1e6;
}
BENCHMARK(BM_GraphOverhead)
    ->ArgNames({"block_bytes", "workers"})
    ->ArgsProduct({{4 * kKiB, 16 * kKiB, 64 * kKiB, 256 * kKiB, kMiB}, {1, 2}})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace volstream::bench

BENCHMARK_MAIN();
