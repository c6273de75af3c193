#include "stages/prefix_code.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numeric>

#include "engine/check.h"

namespace volstream::deflate {
namespace {

constexpr int kSymbolBits = 9;
static_assert(kMaxSymbols <= size_t{1} << kSymbolBits);
constexpr uint32_t kSymbolOfKey = (1u << kSymbolBits) - 1;

constexpr int kLogUnitBits = 10;  // of the fraction in Log2
constexpr int kLogIndexBits = 8;  // digits behind the leading one that it looks at

// log2 of 1 to 2 in steps of 2^-kLogIndexBits, in units of 2^-kLogUnitBits.
using LogTable = std::array<uint16_t, 1 << kLogIndexBits>;
const LogTable& LogOfMantissa() {
  static const LogTable table = [] {
    LogTable values{};
    for (size_t i = 0; i < values.size(); ++i) {
      const double mantissa = 1 + static_cast<double>(i) / (1 << kLogIndexBits);
      values[i] = static_cast<uint16_t>(std::lround(std::log2(mantissa) * (1 << kLogUnitBits)));
    }
    return values;
  }();
  return table;
}

// log2(n) in units of 2^-kLogUnitBits; of 0 as of 1.
uint64_t Log2(uint32_t n, const LogTable& log_of_mantissa) {
  if (n < 2) return 0;
  const int top = 31 - __builtin_clz(n);
  const uint32_t digits =
      top <= kLogIndexBits ? n << (kLogIndexBits - top) : n >> (top - kLogIndexBits);
  return (static_cast<uint32_t>(top) << kLogUnitBits) +
         log_of_mantissa[digits & ((1 << kLogIndexBits) - 1)];
}

// How many codes of each length an optimal code has for symbols with these counts, rarest first.
// What is deeper than max_bits is counted there, so there may be too many codes.
using LengthCounts = std::array<uint32_t, kMaxCodeBits + 1>;
LengthCounts OptimalLengths(absl::Span<const uint32_t> counts, int max_bits) {
  // Leaves, then inner nodes, both with weights that do not fall: the two lightest are always among
  // the first of each that have no parent yet.
  std::array<uint32_t, 2 * kMaxSymbols> weight;
  std::array<uint16_t, 2 * kMaxSymbols> parent;
  std::array<uint16_t, 2 * kMaxSymbols> depth;
  const size_t leaves = counts.size();
  const size_t root = 2 * leaves - 2;
  std::copy(counts.begin(), counts.end(), weight.begin());
  size_t leaf = 0;
  size_t inner = leaves;
  for (size_t node = leaves; node <= root; ++node) {
    const auto lightest = [&] {
      return leaf < leaves && (inner == node || weight[leaf] <= weight[inner]) ? leaf++ : inner++;
    };
    const size_t a = lightest();
    const size_t b = lightest();
    weight[node] = weight[a] + weight[b];
    parent[a] = parent[b] = static_cast<uint16_t>(node);
  }
  LengthCounts lengths{};
  depth[root] = 0;
  for (size_t node = root; node-- > 0;) {
    depth[node] = static_cast<uint16_t>(depth[parent[node]] + 1);
    if (node < leaves) ++lengths[std::min<size_t>(depth[node], static_cast<size_t>(max_bits))];
  }
  return lengths;
}

// Makes the code complete: shorter codes grow by a bit until there is room for all, and where that
// leaves room over, the longest that it is enough for shrink.
void Complete(int max_bits, LengthCounts* lengths) {
  LengthCounts& count = *lengths;
  const uint32_t all = 1u << max_bits;
  uint32_t taken = 0;
  for (int bits = 1; bits <= max_bits; ++bits) taken += count[bits] << (max_bits - bits);
  while (taken > all) {
    int bits = max_bits - 1;
    while (count[bits] == 0) --bits;
    --count[bits];
    ++count[bits + 1];
    taken -= 1u << (max_bits - bits - 1);
  }
  // A code of n bits that becomes one of n - 1 takes 2^(max_bits - n) more. The room over is a
  // multiple of the smallest such step, as everything but that was a multiple of it.
  while (taken < all) {
    int bits = max_bits;
    while (count[bits] == 0 || taken + (1u << (max_bits - bits)) > all) {
      --bits;
      VS_CHECK(bits > 1);
    }
    --count[bits];
    ++count[bits - 1];
    taken += 1u << (max_bits - bits);
  }
}

uint16_t Reversed(uint32_t code, int bits) {
  uint32_t reversed = 0;
  for (int i = 0; i < bits; ++i) reversed |= (code >> i & 1) << (bits - 1 - i);
  return static_cast<uint16_t>(reversed);
}

}  // namespace

void BuildCodeLengths(absl::Span<const uint32_t> counts, int max_bits,
                      absl::Span<uint8_t> lengths) {
  VS_CHECK(counts.size() >= 2 && counts.size() <= kMaxSymbols && lengths.size() == counts.size());
  std::fill(lengths.begin(), lengths.end(), uint8_t{0});
  std::array<uint32_t, kMaxSymbols> keys;
  size_t used = 0;
  for (size_t symbol = 0; symbol < counts.size(); ++symbol) {
    if (counts[symbol] == 0) continue;
    keys[used++] = counts[symbol] << kSymbolBits | static_cast<uint32_t>(symbol);
  }
  if (used < 2) {
    const size_t only = used == 0 ? 0 : keys[0] & kSymbolOfKey;
    lengths[only] = lengths[only == 0 ? 1 : 0] = 1;
    return;
  }
  std::sort(keys.begin(), keys.begin() + static_cast<ptrdiff_t>(used));
  std::array<uint32_t, kMaxSymbols> sorted;
  for (size_t i = 0; i < used; ++i) sorted[i] = keys[i] >> kSymbolBits;
  LengthCounts of_length = OptimalLengths(absl::MakeSpan(sorted).first(used), max_bits);
  Complete(max_bits, &of_length);
  size_t next = 0;
  for (int bits = max_bits; bits > 0; --bits) {
    for (uint32_t i = 0; i < of_length[bits]; ++i) {
      lengths[keys[next++] & kSymbolOfKey] = static_cast<uint8_t>(bits);
    }
  }
}

void BuildCodes(absl::Span<const uint8_t> lengths, absl::Span<uint16_t> codes) {
  VS_CHECK(lengths.size() == codes.size());
  LengthCounts of_length{};
  for (const uint8_t bits : lengths) ++of_length[bits];
  of_length[0] = 0;
  std::array<uint32_t, kMaxCodeBits + 1> next{};
  for (int bits = 1; bits <= kMaxCodeBits; ++bits) {
    next[bits] = (next[bits - 1] + of_length[bits - 1]) << 1;
  }
  for (size_t symbol = 0; symbol < lengths.size(); ++symbol) {
    const uint8_t bits = lengths[symbol];
    codes[symbol] = bits == 0 ? uint16_t{0} : Reversed(next[bits]++, bits);
  }
}

uint64_t IdealBits(absl::Span<const uint32_t> counts, uint32_t all) {
  const LogTable& log_of_mantissa = LogOfMantissa();
  uint64_t sum = 0;
  uint64_t of_symbols = 0;
  for (const uint32_t count : counts) {
    sum += count;
    of_symbols += count * Log2(count, log_of_mantissa);
  }
  const uint64_t of_all = sum * Log2(all, log_of_mantissa);
  // The logarithms are rounded.
  return of_all > of_symbols ? (of_all - of_symbols) >> kLogUnitBits : 0;
}

uint64_t IdealBits(absl::Span<const uint32_t> counts) {
  return IdealBits(counts, std::accumulate(counts.begin(), counts.end(), 0u));
}

}  // namespace volstream::deflate
