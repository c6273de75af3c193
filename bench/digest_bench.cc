// What the digests cost by size of the message and number of threads. Bytes are message bytes; with
// several threads the rate is of all of them together.
//
// The MD5 kernels, of messages in lanes and of a stream with its pieces, are each timed beside
// OpenSSL on the same bytes, in turns: "of_openssl" is how many times as many bytes a second of the
// thread's processor time the kernel takes, and does not depend on what else the machine does.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/corpus.h"
#include "engine/stats.h"
#include "stages/digest.h"
#include "stages/md5_lanes.h"
#include "stages/md5_pair.h"
#include "stages/xxh3.h"

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

constexpr size_t kLaneBytes = 4 * kMiB;

// Times two digests of the same bytes in turns.
template <typename Ours, typename OpenSsl>
void Compare(benchmark::State& state, size_t bytes, Ours ours, OpenSsl openssl) {
  double ours_seconds = 0;
  double openssl_seconds = 0;
  for (auto _ : state) {
    const double start = ThreadCpuSeconds();
    ours();
    const double middle = ThreadCpuSeconds();
    openssl();
    openssl_seconds += ThreadCpuSeconds() - middle;
    ours_seconds += middle - start;
    state.SetIterationTime(middle - start);
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * bytes));
  state.counters["of_openssl"] = openssl_seconds / ours_seconds;
}

void BM_Md5Lanes(benchmark::State& state, Md5Kernel kernel) {
  const auto lanes = static_cast<size_t>(state.range(0));
  const std::vector<uint8_t> bytes = Message(lanes * kLaneBytes);
  std::vector<ByteSpan> messages;
  for (size_t i = 0; i < lanes; ++i) {
    messages.push_back(ByteSpan(bytes).subspan(i * kLaneBytes, kLaneBytes));
  }
  std::vector<Md5Digest> digests(lanes);
  Compare(
      state, bytes.size(),
      [&] {
        Md5OfEach(messages, digests, kernel);
        benchmark::DoNotOptimize(digests.data());
      },
      [&] {
        for (const ByteSpan message : messages) benchmark::DoNotOptimize(Md5Of(message));
      });
}

// A stream and its pieces in one pass, in updates of one encoded block, against two of OpenSSL.
// The bytes are those of the stream, once.
void BM_Md5Pair(benchmark::State& state, Md5Kernel kernel) {
  const std::vector<uint8_t> bytes = Message(16 * kMiB);
  const auto in_blocks = [&bytes](auto* hasher) {
    for (size_t at = 0; at < bytes.size(); at += 300 * kKiB) {
      hasher->Update(ByteSpan(bytes).subspan(at, std::min(bytes.size() - at, 300 * kKiB)));
    }
    benchmark::DoNotOptimize(hasher->Finish());
  };
  Compare(
      state, bytes.size(),
      [&] {
        Md5Pair pair(kernel);
        in_blocks(&pair);
        benchmark::DoNotOptimize(pair.Cut());
      },
      [&] {
        Md5Stream stream;
        in_blocks(&stream);
        benchmark::DoNotOptimize(Md5Of(bytes));
      });
}

void RegisterMd5Kernels() {
  for (const Md5Kernel kernel : SupportedMd5Kernels()) {
    if (kernel == Md5Kernel::kOpenSsl) continue;
    const std::string name(Md5KernelName(kernel));
    auto* const lanes = benchmark::RegisterBenchmark(absl::StrCat("BM_Md5Lanes/", name).c_str(),
                                                     BM_Md5Lanes, kernel);
    lanes->ArgName("lanes")->Arg(1)->Arg(2)->Arg(4)->Arg(8)->Arg(16);
    lanes->UseManualTime()->Unit(benchmark::kMicrosecond);
    benchmark::RegisterBenchmark(absl::StrCat("BM_Md5Pair/", name).c_str(), BM_Md5Pair, kernel)
        ->UseManualTime()
        ->Unit(benchmark::kMicrosecond);
  }
}

}  // namespace
}  // namespace volstream::bench

int main(int argc, char** argv) {
  volstream::bench::RegisterMd5Kernels();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
