// What GzipCodec costs by level and kind of data. Bytes are source bytes; `ratio` is source bytes
// over encoded bytes. One iteration encodes 32 blocks of 1 MiB, which hold each kind of the mixed
// corpus in its share.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/corpus.h"
#include "engine/check.h"
#include "stages/gzip_codec.h"

namespace volstream::bench {
namespace {

constexpr uint64_t kBlocks = 32;

// One block of each run of the mixed corpus: with 32 of them a whole cycle of its deck.
std::vector<uint8_t> SampleBlocks(CorpusKind kind) {
  const Corpus corpus(kind);
  std::vector<uint8_t> bytes(kBlocks * kCorpusBlockBytes);
  for (uint64_t i = 0; i < kBlocks; ++i) {
    corpus.Read(i * kMixedRunBlocks * kCorpusBlockBytes,
                MutableByteSpan(bytes).subspan(i * kCorpusBlockBytes, kCorpusBlockBytes));
  }
  return bytes;
}

void BM_GzipEncode(benchmark::State& state, int level, CorpusKind kind) {
  const std::vector<uint8_t> bytes = SampleBlocks(kind);
  const std::unique_ptr<GzipCodec> codec = *GzipCodec::Create(level);
  std::vector<uint8_t> out(codec->Bound(kCorpusBlockBytes));
  uint64_t encoded_bytes = 0;
  uint64_t stored_blocks = 0;
  for (auto _ : state) {
    encoded_bytes = 0;
    stored_blocks = 0;
    for (uint64_t i = 0; i < kBlocks; ++i) {
      const absl::StatusOr<EncodedBlock> block =
          codec->Encode(ByteSpan(bytes).subspan(i * kCorpusBlockBytes, kCorpusBlockBytes), out);
      VS_CHECK(block.ok());
      encoded_bytes += block->bytes;
      stored_blocks += block->stored ? 1 : 0;
    }
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * bytes.size()));
  state.counters["ratio"] = static_cast<double>(bytes.size()) / static_cast<double>(encoded_bytes);
  state.counters["stored_blocks"] = static_cast<double>(stored_blocks);
}

void RegisterAll() {
  for (const int level : {1, 6, 9, 12}) {
    for (const CorpusKind kind :
         {CorpusKind::kText, CorpusKind::kMixed, CorpusKind::kRandom, CorpusKind::kZeros}) {
      const absl::string_view name(KindName(kind).data(), KindName(kind).size());
      benchmark::RegisterBenchmark(
          absl::StrCat("BM_GzipEncode/level:", level, "/corpus:", name).c_str(),
          [level, kind](benchmark::State& state) { BM_GzipEncode(state, level, kind); })
          ->UseRealTime()
          ->Unit(benchmark::kMillisecond);
    }
  }
}

}  // namespace
}  // namespace volstream::bench

int main(int argc, char** argv) {
  volstream::bench::RegisterAll();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
