// ProbeBlock: what it promises of kinds of data whose answer is known.
#include "stages/compress_probe.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/block_codec.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

ByteSpan Bytes(const std::string& text) {
  return ByteSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

// Asked for alone, the promise is the same.
Promise PromiseOf(const std::string& text) {
  const Promise promise = ProbeBlock(Bytes(text)).promise;
  EXPECT_EQ(ProbeBlock(Bytes(text), ProbeFor::kPromise).promise, promise);
  return promise;
}

// Noise whose bytes are drawn from `alphabet`, whose size must divide 256.
std::string Drawn(std::string_view alphabet, size_t bytes) {
  std::string text = RandomBytes(11, bytes);
  for (char& c : text) c = alphabet[static_cast<uint8_t>(c) % alphabet.size()];
  return text;
}

std::string Repeated(const std::string& piece, size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += piece;
  text.resize(bytes);
  return text;
}

TEST(CompressProbe, NoisePromisesNothing) {
  for (const size_t bytes : {size_t{kProbeMinBytes}, size_t{100'001}, size_t{kMiB}}) {
    for (uint64_t seed = 1; seed <= 50; ++seed) {
      ASSERT_EQ(PromiseOf(RandomBytes(seed, bytes)), Promise::kNothing) << bytes << " " << seed;
    }
  }
}

TEST(CompressProbe, APromiseAskedForAloneIsThatOfTheWholeProbe) {
  const std::string text = LogText(kMiB);
  const std::string noise = RandomBytes(4, kMiB);
  // Text from everywhere between none and all, at the front, and scattered.
  for (size_t of_text = 0; of_text <= kMiB; of_text += 16 * kKiB) {
    PromiseOf(text.substr(0, of_text) + noise.substr(of_text));
    std::string mixed = noise;
    for (size_t at = 0; at + kKiB <= kMiB; at += 16 * kKiB) {
      mixed.replace(at, of_text / 64, text, at, of_text / 64);
    }
    PromiseOf(mixed);
  }
}

TEST(CompressProbe, TextAndZerosPromiseMatches) {
  EXPECT_EQ(PromiseOf(LogText(kMiB)), Promise::kMatches);
  EXPECT_EQ(PromiseOf(std::string(kMiB, '\0')), Promise::kMatches);
}

TEST(CompressProbe, NoiseOfManyLettersPromisesCodes) {
  constexpr std::string_view k64 =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  EXPECT_EQ(PromiseOf(Drawn(k64, kMiB)), Promise::kCodes);
}

// Chance makes many short matches of few letters: which to take decides the size.
TEST(CompressProbe, NoiseOfFewLettersPromisesMatches) {
  const ProbeResult result = ProbeBlock(Bytes(Drawn("0123456789abcdef", kMiB)));
  EXPECT_EQ(result.promise, Promise::kMatches);
  EXPECT_NEAR(result.literal_permille, 500, 5);
  EXPECT_LT(result.match_permille, 30);
}

TEST(CompressProbe, HalfNoiseHalfTextPromisesMatches) {
  for (const bool noise_first : {false, true}) {
    const std::string noise = RandomBytes(7, kMiB / 2);
    const std::string text = LogText(kMiB / 2);
    EXPECT_EQ(PromiseOf(noise_first ? noise + text : text + noise), Promise::kMatches);
  }
}

TEST(CompressProbe, AnEighthOfTextKeepsNoiseFromBeingStored) {
  for (size_t at = 0; at < 8; ++at) {
    std::string block = RandomBytes(7, kMiB);
    block.replace(at * kMiB / 8, kMiB / 8, LogText(kMiB / 8));
    EXPECT_NE(PromiseOf(block), Promise::kNothing) << at;
  }
}

TEST(CompressProbe, NoiseThatRepeatsWithinReachPromisesMatches) {
  for (const size_t period : {700, 3'000, 20'000, 30'000}) {
    EXPECT_EQ(PromiseOf(Repeated(RandomBytes(period, period), kMiB)), Promise::kMatches) << period;
  }
}

bool Noise(const std::string& text) { return IsNoise(Bytes(text)); }

TEST(CompressProbe, NoiseIsNoise) {
  for (const size_t bytes : {size_t{kProbeMinBytes}, size_t{100'001}, size_t{kMiB},
                             size_t{kMiB + 1}, size_t{4 * kMiB}}) {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      ASSERT_TRUE(Noise(RandomBytes(seed, bytes))) << bytes << " " << seed;
    }
  }
}

TEST(CompressProbe, OneWindowOfTextIsNoNoise) {
  const std::string noise = RandomBytes(7, 4 * kMiB);
  for (size_t at = 0; at < 64; ++at) {
    std::string block = noise;
    block.replace(at * kMiB / 16, kMiB / 16, LogText(kMiB / 16));
    EXPECT_FALSE(Noise(block)) << at;
  }
  for (const size_t bytes : {size_t{kProbeMinBytes}, size_t{4 * kMiB}}) {
    EXPECT_FALSE(Noise(LogText(bytes)));
    EXPECT_FALSE(Noise(std::string(bytes, '\0')));
  }
}

// Each between two windows, so that only sectors show it.
TEST(CompressProbe, ScatteredTextIsNoNoise) {
  constexpr size_t kStride = (kMiB - kProbeWindowBytes) / (kProbeWindows - 1);
  std::string block = RandomBytes(7, kMiB);
  for (size_t i = 0; i + 1 < kProbeWindows; ++i) {
    block.replace(i * kStride + kStride / 2, 4096, LogText(4096));
  }
  ASSERT_EQ(PromiseOf(block), Promise::kNothing);
  EXPECT_FALSE(Noise(block));
}

TEST(CompressProbe, FilesOfNoiseThatRepeatAreNoNoise) {
  for (const size_t period : {3'000, 30'000, 512 * 100, 512 * 1'000, 512 * 4'000}) {
    EXPECT_FALSE(Noise(Repeated(RandomBytes(period, period), 4 * kMiB))) << period;
  }
  // A file of 64 KiB, 3 MiB later.
  std::string block = RandomBytes(9, 4 * kMiB);
  block.replace(512 * 6'500, 64 * kKiB, block.substr(512 * 300, 64 * kKiB));
  EXPECT_FALSE(Noise(block));
}

TEST(CompressProbe, SmallBlocksAreWorthATry) {
  EXPECT_EQ(PromiseOf(RandomBytes(1, kProbeMinBytes - 1)), Promise::kMatches);
  EXPECT_FALSE(Noise(RandomBytes(1, kProbeMinBytes - 1)));
  EXPECT_FALSE(Noise(""));
  EXPECT_EQ(PromiseOf(""), Promise::kMatches);
}

TEST(CompressProbe, MeasuresWhatAnIdealCodeLeaves) {
  EXPECT_EQ(ProbeBlock(Bytes(std::string(kMiB, 'x'))).literal_permille, 0);
  EXPECT_NEAR(ProbeBlock(Bytes(Drawn("ab", kMiB))).literal_permille, 125, 2);
  EXPECT_NEAR(ProbeBlock(Bytes(RandomBytes(5, kMiB))).literal_permille, 987, 3);
}

}  // namespace
}  // namespace volstream
