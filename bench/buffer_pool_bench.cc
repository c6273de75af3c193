// What the buffer pool costs a block and a part. Nothing is read or written in the buffers, so no
// bytes are reported.
#include <benchmark/benchmark.h>

#include <thread>
#include <utility>
#include <vector>

#include "engine/buffer_pool.h"
#include "engine/check.h"
#include "engine/mutex.h"
#include "engine/options.h"

namespace volstream::bench {
namespace {

PoolShape DefaultShape() {
  PipelineOptions options;
  options.workers = 2;
  return *DerivePoolShape(options, options.block_bytes + 128);
}

// One block's life: admitted, settled, released; every few blocks a part is taken and given back.
void BM_BlockCycle(benchmark::State& state) {
  BufferPool pool(DefaultShape());
  const size_t blocks_a_part = static_cast<size_t>(state.range(0));
  const size_t used = pool.shape().parts.first_bytes / blocks_a_part;
  size_t in_part = 0;
  PartLease part = *pool.TakePart();
  for (auto _ : state) {
    absl::StatusOr<BlockLease> lease = pool.Admit();
    VS_CHECK(lease.ok());
    lease->Settle(used);
    lease->Release();
    if (++in_part == blocks_a_part) {
      in_part = 0;
      // Gives the full part back, and with it the space that its blocks used.
      part.Release();
      part = *pool.TakePart();
    }
  }
  pool.ForgoPartSpace(pool.shape().parts.first_bytes - in_part * used);
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
}
BENCHMARK(BM_BlockCycle)->ArgName("blocks_a_part")->Arg(16)->Arg(64)->UseRealTime();

// The same with the release on another thread, as in the pipeline: the source waits for a slab
// whenever the other thread is behind.
void BM_BlockHandover(benchmark::State& state) {
  BufferPool pool(DefaultShape());
  Mutex mu;
  std::vector<BlockLease> passed;
  bool done = false;
  std::thread releaser([&mu, &passed, &done] {
    std::vector<BlockLease> taken;
    const auto ready = [&passed, &done] { return done || !passed.empty(); };
    while (true) {
      {
        MutexLock lock(&mu);
        mu.Await(ready);
        if (passed.empty()) return;
        std::swap(taken, passed);
      }
      taken.clear();
    }
  });
  for (auto _ : state) {
    absl::StatusOr<BlockLease> lease = pool.Admit();
    VS_CHECK(lease.ok());
    MutexLock lock(&mu);
    passed.push_back(*std::move(lease));
  }
  {
    MutexLock lock(&mu);
    done = true;
  }
  releaser.join();
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
}
BENCHMARK(BM_BlockHandover)->UseRealTime();

// Making and unmaking a pool of 256 MiB, untouched.
void BM_PoolCreate(benchmark::State& state) {
  const PoolShape shape = DefaultShape();
  for (auto _ : state) {
    BufferPool pool(shape);
    benchmark::DoNotOptimize(&pool);
  }
}
BENCHMARK(BM_PoolCreate)->UseRealTime();

}  // namespace
}  // namespace volstream::bench

BENCHMARK_MAIN();
