// What the digests cost by size of the message and number of threads. Bytes are message bytes; with
// several threads the rate is of all of them together.
#include <benchmark/benchmark.h>
#include <xxhash.h>

#include <algorithm>
#include <vector>

#include "bench/corpus.h"
#include "stages/digest.h"

namespace volstream::bench {
namespace {

std::vector<uint8_t> Message(size_t bytes) {
  const BlockGenerator generator(kDefaultSeed);
  std::vector<uint8_t> message(bytes);
  for (size_t at = 0; at < bytes; at += kCorpusBlockBytes) {
    generator.Generate(
        CorpusKind::kRandom, at / kCorpusBlockBytes,
        MutableByteSpan(message).subspan(at, std::min(bytes - at, kCorpusBlockBytes)));
  }
  return message;
}

template <typename Digest>
void Measure(benchmark::State& state, Digest digest) {
  const std::vector<uint8_t> message = Message(static_cast<size_t>(state.range(0)));
  for (auto _ : state) {
    auto result = digest(ByteSpan(message));
    benchmark::DoNotOptimize(result);
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * message.size()));
}

void BM_Md5(benchmark::State& state) { Measure(state, Md5Of); }
void BM_Sha256(benchmark::State& state) { Measure(state, Sha256Of); }
void BM_Xxh3(benchmark::State& state) {
  Measure(state, [](ByteSpan bytes) { return XXH3_64bits(bytes.data(), bytes.size()); });
}

// The rolling digest of the stream, fed in pieces of one encoded block.
void BM_Md5Stream(benchmark::State& state) {
  Md5Stream stream;
  Measure(state, [&stream](ByteSpan bytes) {
    stream.Update(bytes);
    return 0;
  });
}

void Sizes(benchmark::internal::Benchmark* bench) {
  bench->ArgName("bytes")->Arg(4 * kKiB)->Arg(kMiB)->Arg(16 * kMiB)->UseRealTime();
  bench->Unit(benchmark::kMicrosecond);
}

BENCHMARK(BM_Md5)->Apply(Sizes)->Threads(1)->Threads(2);
BENCHMARK(BM_Md5Stream)->Apply(Sizes);
BENCHMARK(BM_Sha256)->Apply(Sizes)->Threads(1)->Threads(2);
BENCHMARK(BM_Xxh3)->Apply(Sizes);

}  // namespace
}  // namespace volstream::bench

BENCHMARK_MAIN();
