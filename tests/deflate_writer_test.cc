// DeflateWriter: whatever tokens come, what it writes is deflate that others read, within its room.
#include "stages/deflate_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "stages/digest.h"
#include "tests/support/raw_deflate.h"
#include "tests/support/token_runs.h"

namespace volstream {
namespace {

using deflate::kMaxDistance;
using deflate::kMaxMatch;
using deflate::kMinMatch;
using deflate::kRunSlack;
using deflate::kRunTokens;

constexpr size_t kWholeRun = kRunTokens + kRunSlack;

// Tokens, and the bytes that they stand for.
class Tokens {
 public:
  void Literal(uint8_t byte) {
    tokens_.push_back({0, byte});
    data_ += static_cast<char>(byte);
  }
  // REQUIRES: `distance` bytes before.
  void Match(uint32_t length, uint32_t distance) {
    tokens_.push_back({length, distance});
    for (uint32_t i = 0; i < length; ++i) data_ += data_[data_.size() - distance];
  }

  size_t Write(size_t run_tokens, DeflateWriter* writer, MutableByteSpan out) const {
    return WriteInRuns(tokens_, run_tokens, writer, out);
  }

  std::string Deflated(size_t run_tokens = kRunTokens) const {
    DeflateWriter writer;
    std::vector<uint8_t> out(PlentyFor(count(), run_tokens));
    const size_t bytes = Write(run_tokens, &writer, out);
    return std::string(out.begin(), out.begin() + static_cast<ptrdiff_t>(bytes));
  }

  size_t count() const { return tokens_.size(); }
  const std::string& data() const { return data_; }

 private:
  std::vector<PlainToken> tokens_;
  std::string data_;
};

void ExpectReadable(const Tokens& tokens, size_t run_tokens = kRunTokens) {
  const std::string deflated = tokens.Deflated(run_tokens);
  ASSERT_FALSE(deflated.empty());
  EXPECT_EQ(InflateProblem(AsBytes(deflated), AsBytes(tokens.data())), "");
}

// Of any length, distance and letters, each from a part of what there is.
void AppendRandom(std::mt19937_64& random, size_t count, Tokens* tokens) {
  const auto below = [&](uint64_t bound) { return static_cast<uint32_t>(random() % bound); };
  const uint32_t first_letter = below(256);
  const uint32_t letters = 1 + below(256 - first_letter);
  const uint32_t match_percent = below(101);
  const uint32_t lengths = 1 + below(kMaxMatch - kMinMatch + 1);
  const uint32_t reach = 1u << below(16);
  for (size_t i = 0; i < count; ++i) {
    const auto before = static_cast<uint32_t>(std::min<size_t>(tokens->data().size(), reach));
    if (before == 0 || below(100) >= match_percent) {
      // The rarer the more so, in half of the letters.
      const uint32_t letter = below(2) == 0 ? below(letters) : below(1 + below(letters));
      tokens->Literal(static_cast<uint8_t>(first_letter + letter));
    } else {
      tokens->Match(kMinMatch + below(lengths), 1 + below(before));
    }
  }
}

Tokens FarEnough() {
  Tokens tokens;
  std::mt19937_64 random(5);
  while (tokens.data().size() < kMaxDistance) tokens.Literal(static_cast<uint8_t>(random()));
  return tokens;
}

TEST(DeflateWriter, WritesEveryLength) {
  Tokens tokens = FarEnough();
  for (uint32_t length = kMinMatch; length <= kMaxMatch; ++length) {
    tokens.Match(length, 1000 + length);
    tokens.Literal(static_cast<uint8_t>(length));
  }
  ExpectReadable(tokens);
}

TEST(DeflateWriter, WritesEveryDistance) {
  Tokens tokens = FarEnough();
  for (uint32_t distance = 1; distance <= kMaxDistance; ++distance) {
    tokens.Match(kMinMatch + distance % 7, distance);
  }
  ExpectReadable(tokens);
}

TEST(DeflateWriter, WritesEveryLengthAtEachEndOfEveryDistanceCode) {
  Tokens tokens = FarEnough();
  for (uint32_t length = kMinMatch; length <= kMaxMatch; ++length) {
    for (uint32_t distance = 1; distance < kMaxDistance; distance *= 2) {
      for (const uint32_t more : {0u, 1u, distance / 2, distance / 2 + 1, distance}) {
        tokens.Match(length, std::min(distance + more, kMaxDistance));
      }
    }
  }
  ExpectReadable(tokens);
  ExpectReadable(tokens, kWholeRun);
}

TEST(DeflateWriter, WritesEachLengthAndDistanceByItself) {
  for (uint32_t distance = 1; distance <= 600; distance += distance < 10 ? 1 : 59) {
    for (uint32_t length = kMinMatch; length <= kMaxMatch; length += 17) {
      Tokens tokens;
      for (uint32_t i = 0; i < distance; ++i) tokens.Literal('x');
      tokens.Match(length, distance);
      ExpectReadable(tokens);
    }
  }
}

TEST(DeflateWriter, WritesAFewTokens) {
  for (int byte = 0; byte < 256; ++byte) {
    Tokens tokens;
    tokens.Literal(static_cast<uint8_t>(byte));
    ExpectReadable(tokens);
    tokens.Match(kMaxMatch, 1);
    ExpectReadable(tokens);
    tokens.Literal(static_cast<uint8_t>(byte + 1));
    ExpectReadable(tokens, 1);
  }
}

TEST(DeflateWriter, WritesAnyTokensInRunsOfAnySize) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    Tokens tokens;
    for (int i = 0; i < 4; ++i) AppendRandom(random, 1 + random() % 9000, &tokens);
    ExpectReadable(tokens, 1 + random() % kWholeRun);
    ExpectReadable(tokens, kWholeRun);
  }
}

TEST(DeflateWriter, WritesMoreTokensThanABlockHasOfTheSameKind) {
  for (const size_t run_tokens : {kRunTokens, kRunTokens + 1, kWholeRun - 1, kWholeRun}) {
    std::mt19937_64 random(3);
    Tokens tokens;
    while (tokens.count() < 40 * kRunTokens) tokens.Literal(random() % 3 + 'a');
    ExpectReadable(tokens, run_tokens);
  }
}

TEST(DeflateWriter, WritesCodesThatTheirLimitOf15BitsShortens) {
  Tokens tokens;
  uint32_t before = 0;
  uint32_t count = 1;
  for (uint8_t letter = 0; letter < 22; ++letter) {
    for (uint32_t i = 0; i < count; ++i) tokens.Literal(letter);
    before = std::exchange(count, count + before);
  }
  ExpectReadable(tokens, kWholeRun);
}

// The lengths of these codes come as often as Fibonacci's numbers say, so that a code for them
// would have eight bits: 9 comes 156 times, "no code" 21 times, and 7, 6, 5, 4 comes 13, 8, 5, 3
// times, 1 twice (of distances), 3 once and 50 times no code at once.
TEST(DeflateWriter, WritesCodeLengthsThatTheirLimitOf7BitsShortens) {
  std::vector<int> others(21, 0);
  const std::vector<std::pair<int, size_t>> counts = {{7, 13}, {6, 8}, {5, 5}, {4, 3}, {3, 1}};
  for (const auto& [bits, count] : counts) others.insert(others.end(), count, bits);
  std::vector<int> bits_of(50, 0);
  for (const int bits : others) bits_of.insert(bits_of.end(), {9, 9, 9, bits});
  bits_of.insert(bits_of.end(), {9, 9});  // and the end of the block
  ASSERT_EQ(bits_of.size(), 256u);
  Tokens tokens;
  for (size_t letter = 0; letter < bits_of.size(); ++letter) {
    const int count = bits_of[letter] == 0 ? 0 : 1 << (9 - bits_of[letter]);
    for (int i = 0; i < count; ++i) tokens.Literal(static_cast<uint8_t>(letter));
  }
  ASSERT_EQ(tokens.count(), 511u);
  ExpectReadable(tokens);
}

// A repetition that begins among the lengths of literals' codes and ends among those of distances':
// from the end of the block on all have five bits, but for the last two distances.
TEST(DeflateWriter, WritesRepeatedCodeLengthsFromLiteralsToDistances) {
  Tokens tokens = FarEnough();
  // A run of its own, and nothing like what is before.
  while (tokens.count() % kRunTokens != 0) tokens.Literal(0);
  constexpr uint32_t kLengths[] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                   31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
  for (int times = 0; times < 60; ++times) {
    tokens.Literal('a');
    tokens.Literal('b');
    for (uint32_t i = 0; i < std::size(kLengths); ++i) {
      const uint32_t code = static_cast<uint32_t>(times * 29 + static_cast<int>(i)) % 32;
      const uint32_t distance_code = code < 30 ? code : code - 2;
      const uint32_t distance = distance_code < 2
                                    ? distance_code + 1
                                    : ((2 + distance_code % 2) << (distance_code / 2 - 1)) + 1;
      tokens.Match(kLengths[i], distance);
    }
  }
  ExpectReadable(tokens);
}

TEST(DeflateWriter, FitsOrSaysThatItDoesNotAndWritesNothingBehindItsRoom) {
  DeflateWriter writer;
  for (const uint64_t seed : {11, 12, 13}) {
    std::mt19937_64 random(seed);
    Tokens tokens;
    for (int i = 0; i < 3; ++i) AppendRandom(random, 150, &tokens);
    const size_t run_tokens = seed == 11 ? kRunTokens : 100;
    const std::string wanted = tokens.Deflated(run_tokens);
    for (size_t room = 0; room <= wanted.size() + 2 * kWriterSpareBytes; ++room) {
      std::vector<uint8_t> out(room + 64, 0x5a);
      const bool fits = room >= wanted.size() + kWriterSpareBytes;
      const size_t bytes = tokens.Write(run_tokens, &writer, MutableByteSpan(out).first(room));
      ASSERT_EQ(bytes, fits ? wanted.size() : 0) << room;
      ASSERT_EQ(std::string(out.begin(), out.begin() + static_cast<ptrdiff_t>(bytes)),
                fits ? wanted : "")
          << room;
      ASSERT_EQ(std::count(out.begin() + static_cast<ptrdiff_t>(room), out.end(), 0x5a), 64)
          << room;
    }
  }
}

TEST(DeflateWriter, SaysThatABlockInTheMiddleDoesNotFit) {
  std::mt19937_64 random(21);
  Tokens tokens;
  for (int i = 0; i < 6; ++i) AppendRandom(random, 2 * kRunTokens, &tokens);
  const size_t whole = tokens.Deflated().size();
  DeflateWriter writer;
  for (size_t room = 0; room < whole + kWriterSpareBytes; room += 1 + whole / 97) {
    std::vector<uint8_t> out(room + 64, 0x5a);
    ASSERT_EQ(tokens.Write(kRunTokens, &writer, MutableByteSpan(out).first(room)), 0u) << room;
    EXPECT_TRUE(writer.overflowed());
    ASSERT_EQ(std::count(out.begin() + static_cast<ptrdiff_t>(room), out.end(), 0x5a), 64) << room;
  }
}

// One block would take more than an ideal code of all, as no code is better than that.
TEST(DeflateWriter, EndsABlockWhereTheDataChange) {
  std::mt19937_64 random(31);
  Tokens tokens;
  std::vector<uint32_t> counts(256);
  for (const uint32_t first : {0, 128}) {
    for (size_t i = 0; i < 8 * kRunTokens; ++i) {
      const auto letter = static_cast<uint8_t>(first + random() % 16);
      tokens.Literal(letter);
      ++counts[letter];
    }
  }
  const size_t bytes = tokens.Deflated().size();
  EXPECT_LT(bytes * 8, deflate::IdealBits(counts) * 82 / 100);
  EXPECT_EQ(InflateProblem(AsBytes(tokens.Deflated()), AsBytes(tokens.data())), "");
}

TEST(DeflateWriter, MakesOneBlockOfRunsThatAreAlike) {
  std::mt19937_64 random(41);
  Tokens all;
  size_t one_by_one = 0;
  size_t smallest_header = SIZE_MAX;
  for (int run = 0; run < 10; ++run) {
    Tokens one;
    std::vector<uint32_t> counts(256);
    for (size_t i = 0; i < kRunTokens; ++i) {
      const auto letter = static_cast<uint8_t>(random() % (1 + random() % 200));
      all.Literal(letter);
      one.Literal(letter);
      ++counts[letter];
    }
    const size_t bytes = one.Deflated().size();
    one_by_one += bytes;
    smallest_header = std::min<size_t>(smallest_header, bytes - deflate::IdealBits(counts) / 8);
  }
  EXPECT_LT(all.Deflated().size() + 8 * 50, one_by_one);
  EXPECT_GT(smallest_header, 50u);
}

TEST(DeflateWriter, SameTokensGiveTheSameWhateverCameBefore) {
  std::mt19937_64 random(51);
  Tokens wanted;
  AppendRandom(random, 30'000, &wanted);
  const std::string deflated = wanted.Deflated();
  DeflateWriter writer;
  std::vector<uint8_t> out(1 << 20);
  for (const size_t room : {size_t{0}, size_t{5}, size_t{2000}, out.size()}) {
    Tokens other;
    AppendRandom(random, 20'000, &other);
    other.Write(kWholeRun, &writer, MutableByteSpan(out).first(room));
    const size_t bytes = wanted.Write(kRunTokens, &writer, out);
    EXPECT_TRUE(std::string(out.begin(), out.begin() + static_cast<ptrdiff_t>(bytes)) == deflated)
        << room;
  }
}

}  // namespace
}  // namespace volstream
