#include "stages/wide_deflate.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <numeric>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "engine/check.h"
#include "stages/deflate_writer.h"
#include "stages/prefix_code.h"
#include "stages/wide_search.h"

namespace volstream {
namespace {

using deflate::WideShape;

// Levels from WideDeflate::kMinLevel on. The rows of all have room for the positions of deflate's
// reach at least once, which repetitions need that are not spread evenly.
constexpr WideShape kShapes[] = {
    {32, 10, 1},
    {32, 11, 1},
    {32, 11, 2},
    {64, 11, 2},
};
static_assert(std::size(kShapes) == WideDeflate::kMaxLevel - WideDeflate::kMinLevel + 1);

// Of a block, so many bytes say what literals are like before there are any.
constexpr size_t kFirstBytes = 8 * kKiB;

// Of so many symbols, each: in sixteenths of a bit, and never less than the bit that a code has.
uint32_t Cost(uint64_t bits, size_t symbols) {
  return std::max(16u, static_cast<uint32_t>(16 * bits / symbols));
}

// What a literal takes if the bytes all were. REQUIRES: not empty.
uint32_t ByteCost(ByteSpan bytes) {
  std::array<uint32_t, 256> counts{};
  for (const uint8_t byte : bytes) ++counts[byte];
  return Cost(deflate::IdealBits(counts), bytes.size());
}

// What one of the run took; `before` where it has none.
uint32_t LiteralCost(const deflate::TokenRun& run, uint32_t before) {
  const auto literals = absl::MakeConstSpan(run.symbols).first(deflate::kFirstLength);
  const uint32_t count = std::accumulate(literals.begin(), literals.end(), 0u);
  if (count == 0) return before;
  return Cost(deflate::IdealBits(literals, static_cast<uint32_t>(run.count)), count);
}

bool Pays() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_is("intel");
#else
  return false;
#endif
}

struct FreeRows {
  void operator()(uint8_t* rows) const {
    ::operator delete[](rows, std::align_val_t{deflate::kWideRowAlignment});
  }
};

}  // namespace

struct WideDeflate::State {
  explicit State(const WideShape& shape)
      : functions(*deflate::kWideAvx512(shape)),
        rows_log2(shape.rows_log2),
        row_bytes(functions.row_bytes << shape.rows_log2),
        rows(static_cast<uint8_t*>(
            ::operator new[](row_bytes, std::align_val_t{deflate::kWideRowAlignment}))),
        heads(size_t{1} << shape.rows_log2) {}

  const deflate::WideFunctions& functions;
  const int rows_log2;
  const size_t row_bytes;  // of all
  const std::unique_ptr<uint8_t[], FreeRows> rows;
  std::vector<uint8_t> heads;
  DeflateWriter writer;
};

bool WideDeflate::Runs() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return deflate::kWideAvx512 != nullptr && __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi2") &&
         __builtin_cpu_supports("avx512vpopcntdq") && __builtin_cpu_supports("bmi") &&
         __builtin_cpu_supports("bmi2");
#else
  return false;
#endif
}

bool WideDeflate::Supported() {
  static const bool supported = [] {
    const char* const wanted = std::getenv("VOLSTREAM_DEFLATE");
    if (wanted != nullptr && std::string_view(wanted) == "libdeflate") return false;
    const bool always = wanted != nullptr && std::string_view(wanted) == "wide";
    return Runs() && (always || Pays());
  }();
  return supported;
}

WideDeflate::WideDeflate(int level)
    : state_([level] {
        VS_CHECK(Runs() && level >= kMinLevel && level <= kMaxLevel);
        return std::make_unique<State>(kShapes[level - kMinLevel]);
      }()) {}
WideDeflate::~WideDeflate() = default;

size_t WideDeflate::Compress(ByteSpan in, MutableByteSpan out) {
  VS_CHECK(!in.empty());
  State& state = *state_;
  // What another block left would be found as well, and so make another output.
  std::memset(state.rows.get(), 0, state.row_bytes);
  std::memset(state.heads.data(), 0, state.heads.size());
  const uint32_t first_cost = ByteCost(in.first(std::min(in.size(), kFirstBytes)));
  deflate::WideSearch search{in.data(),        in.size(),         0, first_cost, state.rows_log2,
                             state.rows.get(), state.heads.data()};
  state.writer.Begin(out);
  while (search.position < in.size() && !state.writer.overflowed()) {
    state.functions.advance(&search, state.writer.run());
    search.literal_cost = LiteralCost(*state.writer.run(), search.literal_cost);
    state.writer.EndRun();
  }
  return state.writer.overflowed() ? 0 : state.writer.Finish();
}

}  // namespace volstream
