// Prefix codes: complete, canonical, within their limit, and as short as they can be.
#include "stages/prefix_code.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <queue>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace volstream::deflate {
namespace {

using Counts = std::vector<uint32_t>;
using CodeLengths = std::vector<uint8_t>;

CodeLengths LengthsOf(const Counts& counts, int max_bits) {
  CodeLengths lengths(counts.size(), 0xff);
  BuildCodeLengths(counts, max_bits, absl::MakeSpan(lengths));
  return lengths;
}

// As text, first bit first, as RFC 1951 writes them; empty for a symbol without one.
std::vector<std::string> CodesOf(const CodeLengths& lengths) {
  std::vector<uint16_t> codes(lengths.size());
  BuildCodes(lengths, absl::MakeSpan(codes));
  std::vector<std::string> texts;
  for (size_t i = 0; i < codes.size(); ++i) {
    std::string& text = texts.emplace_back();
    for (int bit = 0; bit < lengths[i]; ++bit) text += (codes[i] >> bit & 1) == 0 ? '0' : '1';
    EXPECT_EQ(codes[i] >> lengths[i], 0) << i;
  }
  return texts;
}

// How much of the code space is taken: 2^kMaxCodeBits is all.
constexpr uint32_t kAll = 1u << kMaxCodeBits;
uint32_t Taken(const CodeLengths& lengths) {
  uint32_t taken = 0;
  for (const uint8_t bits : lengths) taken += bits == 0 ? 0 : kAll >> bits;
  return taken;
}

uint64_t Cost(const Counts& counts, const CodeLengths& lengths) {
  uint64_t bits = 0;
  for (size_t i = 0; i < counts.size(); ++i) bits += uint64_t{counts[i]} * lengths[i];
  return bits;
}

std::vector<uint64_t> SortedWeights(const Counts& counts) {
  std::vector<uint64_t> weights;
  for (const uint32_t count : counts) {
    if (count > 0) weights.push_back(count);
  }
  std::sort(weights.begin(), weights.end());
  return weights;
}

// The least that any prefix code takes, by Huffman. REQUIRES: two symbols that come.
uint64_t LeastCost(const Counts& counts) {
  const std::vector<uint64_t> weights = SortedWeights(counts);
  std::priority_queue<uint64_t, std::vector<uint64_t>, std::greater<>> roots(weights.begin(),
                                                                             weights.end());
  uint64_t cost = 0;
  while (roots.size() > 1) {
    uint64_t joined = roots.top();
    roots.pop();
    joined += roots.top();
    roots.pop();
    roots.push(joined);
    cost += joined;
  }
  return cost;
}

// The least with a limit, by package-merge (Larmore and Hirschberg). REQUIRES: as above.
uint64_t LeastCost(const Counts& counts, int max_bits) {
  const std::vector<uint64_t> leaves = SortedWeights(counts);
  std::vector<uint64_t> list = leaves;
  for (int level = 1; level < max_bits; ++level) {
    std::vector<uint64_t> next = leaves;
    for (size_t i = 0; i + 1 < list.size(); i += 2) next.push_back(list[i] + list[i + 1]);
    std::sort(next.begin(), next.end());
    list = std::move(next);
  }
  uint64_t cost = 0;
  for (size_t i = 0; i < 2 * leaves.size() - 2; ++i) cost += list[i];
  return cost;
}

Counts Fibonacci(size_t symbols) {
  Counts counts(symbols, 1);
  for (size_t i = 2; i < symbols; ++i) counts[i] = counts[i - 1] + counts[i - 2];
  return counts;
}

// From a seed: of any number of symbols up to `most`, some unused, more or less uneven.
Counts RandomCounts(uint64_t seed, size_t most) {
  std::mt19937_64 random(seed);
  Counts counts(2 + random() % (most - 1));
  const uint64_t bits = 1 + random() % 13;
  const uint64_t unused = random() % 4;
  for (uint32_t& count : counts) {
    if (random() % 4 < unused) continue;
    count = static_cast<uint32_t>(random() % (uint64_t{1} << (1 + random() % bits)));
  }
  counts.front() = std::max(counts.front(), 1u);
  counts.back() = std::max(counts.back(), 1u);
  return counts;
}

struct Limit {
  int bits;
  size_t most_symbols;
  uint64_t excess_part;  // how much worse than the best it may be where it binds: one in so many
};

// What deflate has: of literals and distances, and of code lengths.
class PrefixCode : public ::testing::TestWithParam<Limit> {
 protected:
  static constexpr uint64_t kSeeds = 400;
  // Calls with counts from each seed.
  void ForAll(const std::function<void(const Counts&)>& call) const {
    for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
      SCOPED_TRACE(seed);
      call(RandomCounts(seed, GetParam().most_symbols));
    }
  }
  CodeLengths Lengths(const Counts& counts) const { return LengthsOf(counts, GetParam().bits); }
};

TEST_P(PrefixCode, IsAsShortAsAnyWhereTheLimitIsFar) {
  int compared = 0;
  ForAll([&](const Counts& counts) {
    const uint64_t least = LeastCost(counts);
    if (LeastCost(counts, GetParam().bits) != least) return;
    EXPECT_EQ(Cost(counts, Lengths(counts)), least);
    ++compared;
  });
  EXPECT_GT(compared, 100);
}

TEST_P(PrefixCode, CostsLittleMoreThanItMustWhereTheLimitBinds) {
  int limited = 0;
  ForAll([&](Counts counts) {
    // A few that come ever more often, which makes a tree deep.
    const Counts steep = Fibonacci(std::min<size_t>(counts.size(), 27));
    for (size_t i = 0; i < steep.size(); ++i) counts[i] = steep[i];
    const uint64_t least = LeastCost(counts, GetParam().bits);
    if (least == LeastCost(counts)) return;
    const CodeLengths lengths = Lengths(counts);
    EXPECT_LE(*std::max_element(lengths.begin(), lengths.end()), GetParam().bits);
    EXPECT_EQ(Taken(lengths), kAll);
    EXPECT_LE(Cost(counts, lengths), least + least / GetParam().excess_part) << least;
    ++limited;
  });
  EXPECT_GT(limited, 100);
}

TEST_P(PrefixCode, TakesAllOfTheCodeSpaceWithinTheLimit) {
  ForAll([&](const Counts& counts) {
    const CodeLengths lengths = Lengths(counts);
    EXPECT_EQ(Taken(lengths), kAll);
    EXPECT_LE(*std::max_element(lengths.begin(), lengths.end()), GetParam().bits);
  });
}

TEST_P(PrefixCode, HasCodesForWhatComesAlone) {
  ForAll([&](const Counts& counts) {
    const CodeLengths lengths = Lengths(counts);
    for (size_t i = 0; i < counts.size(); ++i) {
      EXPECT_EQ(lengths[i] == 0, counts[i] == 0) << i;
    }
  });
}

TEST_P(PrefixCode, IsNoLongerForWhatComesMoreOften) {
  ForAll([&](const Counts& counts) {
    const CodeLengths lengths = Lengths(counts);
    std::vector<std::pair<uint32_t, int>> by_count;
    for (size_t i = 0; i < counts.size(); ++i) {
      if (counts[i] > 0) by_count.emplace_back(counts[i], -lengths[i]);
    }
    std::sort(by_count.begin(), by_count.end());
    for (size_t i = 1; i < by_count.size(); ++i) {
      EXPECT_LE(by_count[i - 1].second, by_count[i].second) << by_count[i].first;
    }
  });
}

// RFC 1951, 3.2.2: codes of a length follow each other in the order of their symbols, and shorter
// ones come before longer ones. In a complete code that leaves no choice; and none begins another.
TEST_P(PrefixCode, IsCanonical) {
  ForAll([&](const Counts& counts) {
    const CodeLengths lengths = Lengths(counts);
    const std::vector<std::string> codes = CodesOf(lengths);
    std::vector<std::pair<int, size_t>> order;
    for (size_t i = 0; i < codes.size(); ++i) {
      if (lengths[i] > 0) order.emplace_back(lengths[i], i);
    }
    std::sort(order.begin(), order.end());
    for (size_t i = 1; i < order.size(); ++i) {
      const std::string& before = codes[order[i - 1].second];
      const std::string& code = codes[order[i].second];
      EXPECT_LT(before, code);
      EXPECT_NE(code.substr(0, before.size()), before);
    }
  });
}

TEST_P(PrefixCode, HoldsTheLimitWithCountsLikeFibonaccis) {
  for (size_t symbols = 2; symbols <= std::min<size_t>(30, GetParam().most_symbols); ++symbols) {
    const Counts counts = Fibonacci(symbols);
    const CodeLengths lengths = Lengths(counts);
    EXPECT_EQ(*std::max_element(lengths.begin(), lengths.end()),
              std::min<int>(static_cast<int>(symbols) - 1, GetParam().bits))
        << symbols;
    EXPECT_EQ(Taken(lengths), kAll) << symbols;
  }
}

INSTANTIATE_TEST_SUITE_P(Deflate, PrefixCode,
                         ::testing::Values(Limit{15, kMaxSymbols, 500}, Limit{7, 19, 8}),
                         [](const auto& info) { return std::to_string(info.param.bits) + "Bits"; });

TEST(PrefixCode, HasRoomForAsManySymbolsAsTheLimitHasCodes) {
  for (const int bits : {1, 2, 3, 4, 7, 8}) {
    Counts counts(size_t{1} << bits);
    for (size_t i = 0; i < counts.size(); ++i) counts[i] = 1u << std::min<size_t>(i, 12);
    EXPECT_EQ(LengthsOf(counts, bits), CodeLengths(counts.size(), static_cast<uint8_t>(bits)));
  }
}

TEST(PrefixCode, HasTwoCodesOfABitWhereFewerSymbolsCome) {
  EXPECT_EQ(LengthsOf({0, 0, 0, 0}, 15), (CodeLengths{1, 1, 0, 0}));
  EXPECT_EQ(LengthsOf({7, 0, 0, 0}, 15), (CodeLengths{1, 1, 0, 0}));
  EXPECT_EQ(LengthsOf({0, 7, 0, 0}, 15), (CodeLengths{1, 1, 0, 0}));
  EXPECT_EQ(LengthsOf({0, 0, 0, 7}, 15), (CodeLengths{1, 0, 0, 1}));
  EXPECT_EQ(LengthsOf({0, 0, 1, 4'000'000}, 7), (CodeLengths{0, 0, 1, 1}));
  EXPECT_EQ(LengthsOf(Counts(kMaxSymbols), 15)[0], 1);
}

TEST(PrefixCode, CodesAreThoseOfTheStandardsExample) {
  EXPECT_EQ(CodesOf({3, 3, 3, 3, 3, 2, 4, 4}),
            (std::vector<std::string>{"010", "011", "100", "101", "110", "00", "1110", "1111"}));
}

// RFC 1951, 3.2.6.
TEST(PrefixCode, CodesAreTheStandardsFixedOnes) {
  CodeLengths lengths(kMaxSymbols, 8);
  std::fill(lengths.begin() + 144, lengths.begin() + 256, uint8_t{9});
  std::fill(lengths.begin() + 256, lengths.begin() + 280, uint8_t{7});
  const std::vector<std::string> codes = CodesOf(lengths);
  EXPECT_EQ(codes[0], "00110000");
  EXPECT_EQ(codes[143], "10111111");
  EXPECT_EQ(codes[144], "110010000");
  EXPECT_EQ(codes[255], "111111111");
  EXPECT_EQ(codes[256], "0000000");
  EXPECT_EQ(codes[279], "0010111");
  EXPECT_EQ(codes[280], "11000000");
  EXPECT_EQ(codes[287], "11000111");
}

TEST(PrefixCode, IdealBitsAreTheEntropy) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    const Counts counts = RandomCounts(seed, kMaxSymbols);
    double all = 0;
    for (const uint32_t count : counts) all += count;
    double bits = 0;
    for (const uint32_t count : counts) bits += count == 0 ? 0 : count * std::log2(all / count);
    // Logarithms of eight digits: as many parts of a bit for each that comes.
    EXPECT_NEAR(static_cast<double>(IdealBits(counts)), bits, 1 + all / 128) << seed;
  }
  EXPECT_EQ(IdealBits(Counts(30)), 0u);
  EXPECT_EQ(IdealBits({0, 4'000'000, 0}), 0u);
  EXPECT_EQ(IdealBits(Counts(256, 16)), 256u * 16 * 8);
  EXPECT_EQ(IdealBits(Counts(16, 16), 4096), 16u * 16 * 8);
  EXPECT_EQ(IdealBits(Counts(16), 4096), 0u);
}

}  // namespace
}  // namespace volstream::deflate
