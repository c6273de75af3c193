// WideDeflate: whatever it is given, zlib and libdeflate give back; it touches no byte but its own;
// and it finds what deflate can reach.
#include "stages/wide_deflate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "stages/compress_probe.h"
#include "stages/digest.h"
#include "stages/gzip_codec.h"
#include "stages/gzip_member.h"
#include "tests/support/block_codec.h"
#include "tests/support/guarded_bytes.h"
#include "tests/support/guards.h"
#include "tests/support/raw_deflate.h"
#include "tests/support/tar_reader.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

constexpr size_t kWindow = 32 * kKiB;  // deflate's

std::string Periodic(size_t bytes, size_t period) {
  std::string text = RandomBytes(period, period);
  text.reserve(bytes + period);
  while (text.size() < bytes) text.append(text, text.size() - period, period);
  text.resize(bytes);
  return text;
}

std::string TwoLetters(size_t bytes) {
  std::string text = RandomBytes(2, bytes);
  for (char& c : text) c = "ab"[c & 1];
  return text;
}

std::string Fibonacci(size_t bytes) {
  std::string text = "ab";
  std::string before = "a";
  while (text.size() < bytes) {
    std::string next = text + before;
    before = std::exchange(text, std::move(next));
  }
  text.resize(bytes);
  return text;
}

// A page of noise again and again, with one byte more of it changed each time.
std::string ChangingCopies(size_t bytes) {
  std::string page = RandomBytes(17, 4096);
  std::string text;
  for (size_t i = 0; text.size() < bytes; ++i) {
    page[i * 977 % page.size()] ^= static_cast<char>(1 + i % 255);
    text += page;
  }
  text.resize(bytes);
  return text;
}

std::string Ramps(size_t bytes) {
  std::string text(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>(i + i / 4096);
  return text;
}

// Little noise in much text, and the other way round: matches of all lengths and distances.
std::string Mixture(size_t bytes) {
  const std::string text = LogText(bytes);
  const std::string noise = RandomBytes(23, bytes);
  std::string mixed;
  for (size_t i = 0; mixed.size() < bytes; ++i) {
    const auto at = static_cast<size_t>(static_cast<uint8_t>(noise[i % bytes])) * 131 % bytes;
    const size_t count = 1 + static_cast<uint8_t>(noise[(i + 1) % bytes]) % 97;
    mixed += i % 3 == 0 ? noise.substr(at, count / 8) : text.substr(at, count);
    if (i % 5 == 0 && mixed.size() > 40) mixed += mixed.substr(mixed.size() * 3 / 4 - 30, count);
  }
  mixed.resize(bytes);
  return mixed;
}

struct Kind {
  const char* name;
  std::string (*make)(size_t bytes);
};
const Kind kKinds[] = {
    {"log", LogText},
    {"random", [](size_t bytes) { return RandomBytes(bytes, bytes); }},
    {"zeros", [](size_t bytes) { return std::string(bytes, '\0'); }},
    {"two letters", TwoLetters},
    {"Fibonacci", Fibonacci},
    {"changing copies", ChangingCopies},
    {"ramps", Ramps},
    {"mixture", Mixture},
    {"a window apart", [](size_t bytes) { return Periodic(bytes, kWindow); }},
    {"a byte more apart", [](size_t bytes) { return Periodic(bytes, kWindow + 1); }},
    {"64 KiB apart", [](size_t bytes) { return Periodic(bytes, 2 * kWindow); }}};

size_t RoomFor(size_t bytes) { return bytes + bytes / 16 + 1024; }

std::string Compress(WideDeflate* deflate, std::string_view in) {
  return DeflateInto(deflate, in, RoomFor(in.size()));
}

void ExpectGivenBack(WideDeflate* deflate, std::string_view in) {
  const std::string deflated = Compress(deflate, in);
  ASSERT_FALSE(deflated.empty());
  EXPECT_EQ(InflateProblem(AsBytes(deflated), AsBytes(in)), "");
}

class WideDeflateLevels : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (!WideDeflate::Runs()) GTEST_SKIP() << "needs AVX-512 with VBMI2 and VPOPCNTDQ";
    deflate_ = std::make_unique<WideDeflate>(GetParam());
  }

  std::unique_ptr<WideDeflate> deflate_;
};

TEST_P(WideDeflateLevels, GivesBackEverySmallSize) {
  for (size_t bytes = 1; bytes <= 80; ++bytes) {
    for (const Kind& kind : kKinds) {
      SCOPED_TRACE(::testing::Message() << kind.name << " " << bytes);
      ExpectGivenBack(deflate_.get(), kind.make(bytes));
    }
  }
}

TEST_P(WideDeflateLevels, GivesBackEveryKindAndSize) {
  for (const Kind& kind : kKinds) {
    for (const size_t bytes : {size_t{1000}, kWindow - 1, kWindow, kWindow + 1, 2 * kWindow - 1,
                               2 * kWindow, 2 * kWindow + 1, 4 * kWindow, size_t{kMiB + 3}}) {
      SCOPED_TRACE(::testing::Message() << kind.name << " " << bytes);
      ExpectGivenBack(deflate_.get(), kind.make(bytes));
    }
  }
}

TEST_P(WideDeflateLevels, GivesBackLargeBlocks) {
  for (const Kind& kind : kKinds) {
    SCOPED_TRACE(kind.name);
    ExpectGivenBack(deflate_.get(), kind.make(5 * kMiB));
  }
}

TEST_P(WideDeflateLevels, GivesBackEveryPeriod) {
  for (size_t period = 1; period <= 300; ++period) {
    SCOPED_TRACE(period);
    ExpectGivenBack(deflate_.get(), Periodic(3000, period));
    ExpectGivenBack(deflate_.get(), RandomBytes(1, 20) + Periodic(period + 40, period));
  }
}

TEST_P(WideDeflateLevels, FindsWhatIsAWindowAwayAndNothingFarther) {
  const size_t bytes = 4 * kWindow;
  EXPECT_LT(Compress(deflate_.get(), Periodic(bytes, kWindow)).size(), kWindow + kWindow / 32);
  EXPECT_GT(Compress(deflate_.get(), Periodic(bytes, kWindow + 1)).size(), bytes);
}

// Whatever reads the input reads nothing before and nothing behind it; whatever writes the output
// writes nothing behind.
TEST_P(WideDeflateLevels, TouchesNoByteButItsOwn) {
  const GuardedBytes in(2 * kWindow + 64);
  const GuardedBytes out(RoomFor(2 * kWindow + 64));
  std::vector<size_t> sizes = {4095, 4096, kWindow + 1, 2 * kWindow - 1, 2 * kWindow + 7};
  for (size_t bytes = 1; bytes <= 100; ++bytes) sizes.push_back(bytes);
  for (const Kind& kind : kKinds) {
    for (const size_t bytes : sizes) {
      const std::string data = kind.make(bytes);
      const std::string wanted = Compress(deflate_.get(), data);
      for (const MutableByteSpan place : {in.First(bytes), in.Last(bytes)}) {
        std::copy(data.begin(), data.end(), place.begin());
        for (const size_t short_of : {0, 1, 8, 9}) {
          const MutableByteSpan room = out.Last(wanted.size() + 8 - short_of);
          const size_t written = deflate_->Compress(place, room);
          ASSERT_EQ(written, short_of == 0 ? wanted.size() : 0) << kind.name << " " << bytes;
          ASSERT_TRUE(std::equal(room.begin(), room.begin() + static_cast<ptrdiff_t>(written),
                                 AsBytes(wanted).begin()))
              << kind.name << " " << bytes;
        }
      }
    }
  }
}

// Text ends with what was seen before, in each place that a match can end at or go beyond.
TEST_P(WideDeflateLevels, EndsMatchesWithTheInput) {
  const GuardedBytes in(4096);
  const std::string seen = RandomBytes(9, 700);
  for (size_t length = 1; length <= 300; ++length) {
    const std::string data = seen + "-" + seen.substr(100, length);
    const MutableByteSpan place = in.Last(data.size());
    std::copy(data.begin(), data.end(), place.begin());
    std::vector<uint8_t> out(RoomFor(data.size()));
    const size_t bytes = deflate_->Compress(place, out);
    ASSERT_EQ(InflateProblem(ByteSpan(out).first(bytes), place), "") << length;
    if (length > 32) {
      EXPECT_LT(bytes, seen.size() + 120) << length;
    }
  }
}

// A match that begins a byte later is longer, again and again to the end: each is put off, and the
// search comes as near to the end as it may.
TEST_P(WideDeflateLevels, PutsMatchesOffToTheEndOfTheInputAndNoFarther) {
  const GuardedBytes in(8192);
  const std::string wanted = RandomBytes(61, 100);
  std::string seen;
  for (size_t at = 0; at + 4 <= 60; ++at) {
    seen += wanted.substr(at, 4 + at) + RandomBytes(100 + at, 3);
  }
  for (size_t count = 1; count <= 64; ++count) {
    const std::string data = seen + wanted.substr(0, count);
    const MutableByteSpan place = in.Last(data.size());
    std::copy(data.begin(), data.end(), place.begin());
    std::vector<uint8_t> out(RoomFor(data.size()));
    const size_t bytes = deflate_->Compress(place, out);
    ASSERT_EQ(InflateProblem(ByteSpan(out).first(bytes), place), "") << count;
  }
}

TEST_P(WideDeflateLevels, SaysThatItDoesNotFitWhereverThatShows) {
  for (const Kind& kind : kKinds) {
    const std::string data = kind.make(300'000);
    const size_t whole = Compress(deflate_.get(), data).size();
    for (size_t room = 0; room < whole + 8; room += 1 + whole / 23) {
      std::vector<uint8_t> out(room + 64, 0x5a);
      EXPECT_EQ(deflate_->Compress(AsBytes(data), MutableByteSpan(out).first(room)), 0u) << room;
      EXPECT_EQ(std::count(out.begin() + static_cast<ptrdiff_t>(room), out.end(), 0x5a), 64)
          << kind.name << " " << room;
    }
  }
}

TEST_P(WideDeflateLevels, SameBytesGiveTheSameWhateverCameBefore) {
  const std::string data = Mixture(300'000);
  WideDeflate other(GetParam());
  const std::string wanted = Compress(&other, data);
  std::vector<uint8_t> small(100);
  for (const Kind& kind : kKinds) {
    const std::string before = kind.make(200'000);
    Compress(deflate_.get(), before);
    EXPECT_TRUE(Compress(deflate_.get(), data) == wanted) << kind.name;
    deflate_->Compress(AsBytes(before), small);
    EXPECT_TRUE(Compress(deflate_.get(), data) == wanted) << kind.name;
  }
}

TEST_P(WideDeflateLevels, SameBytesGiveTheSameWhereverTheyStand) {
  const std::string data = Mixture(100'000);
  const std::string wanted = Compress(deflate_.get(), data);
  for (size_t shift = 1; shift < 64; shift += 3) {
    const std::string moved = std::string(shift, 'x') + data;
    EXPECT_TRUE(Compress(deflate_.get(), std::string_view(moved).substr(shift)) == wanted) << shift;
  }
}

// Numbers from a seed, as text: where short matches far away take more than their few letters.
std::string Numbers(size_t bytes) {
  std::mt19937 random(71);
  std::string text;
  for (int i = 0; text.size() < bytes; ++i) {
    text += std::to_string(1'700'000'000 + i / 40) + "," + std::to_string(random() % 100'000) +
            ".25," + std::to_string(random() % 30'000'000) + "\n";
  }
  text.resize(bytes);
  return text;
}

// Blocks of a byte less than the codec gives to it are libdeflate's.
TEST_P(WideDeflateLevels, IsAsSmallAsLibdeflateBut2PercentOfTheSameLevel) {
  const std::unique_ptr<GzipCodec> codec = *GzipCodec::Create(GetParam());
  for (const Kind& kind : {Kind{"log", LogText}, Kind{"numbers", Numbers}}) {
    const std::string all = kind.make(4 * kMiB);
    size_t ours = 0;
    size_t theirs = 0;
    for (size_t at = 0; at < all.size(); at += kProbeMinBytes) {
      const std::string data = all.substr(at, kProbeMinBytes - 1);
      ours += Compress(deflate_.get(), data).size() + kGzipHeaderBytes + kGzipTrailerBytes;
      theirs += EncodeMember(codec.get(), data).member.size();
    }
    EXPECT_LE(ours, theirs + theirs / 50) << kind.name << " " << theirs;
  }
}

// However little a literal takes there: a code has a bit at least, and a match is hundreds of
// bytes.
TEST_P(WideDeflateLevels, MakesNextToNothingOfRepetitions) {
  for (const size_t period : {1, 2, 3, 100}) {
    EXPECT_LT(Compress(deflate_.get(), Periodic(kMiB, period)).size(), kMiB / 200) << period;
  }
}

TEST_P(WideDeflateLevels, IsWhatTheCodecTakesFromTheSizeOnAtWhichItPays) {
  const std::unique_ptr<GzipCodec> codec = *GzipCodec::Create(GetParam());
  for (const Kind& kind : {kKinds[0], kKinds[4], kKinds[7]}) {
    for (size_t bytes = kProbeMinBytes - 2; bytes <= kProbeMinBytes + 2; ++bytes) {
      const std::string data = kind.make(bytes);
      const std::string member = EncodeMember(codec.get(), data).member;
      const std::string body =
          member.substr(kGzipHeaderBytes, member.size() - kGzipHeaderBytes - kGzipTrailerBytes);
      const bool wide = bytes >= kProbeMinBytes && WideDeflate::Supported();
      EXPECT_EQ(body == Compress(deflate_.get(), data), wide) << kind.name << " " << bytes;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, WideDeflateLevels,
                         ::testing::Range(WideDeflate::kMinLevel, WideDeflate::kMaxLevel + 1));

class GzipCodecWideLevels : public ::testing::TestWithParam<int> {};

TEST_P(GzipCodecWideLevels, GivesBackBlocksAroundTheSizeThatTheProbeWants) {
  const std::unique_ptr<GzipCodec> codec = *GzipCodec::Create(GetParam());
  for (const Kind& kind : kKinds) {
    for (size_t bytes = kProbeMinBytes - 17; bytes <= kProbeMinBytes + 17; ++bytes) {
      const std::string data = kind.make(bytes);
      EXPECT_TRUE(Gunzip(EncodeMember(codec.get(), data).member) == data)
          << kind.name << " " << bytes;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, GzipCodecWideLevels,
                         ::testing::Range(WideDeflate::kMinLevel, WideDeflate::kMaxLevel + 1));

// In a process of its own each time, as it is asked but once.
TEST(WideDeflateDeathTest, TheEnvironmentDecidesWhetherItIsUsed) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto exit_with_supported = [] { std::exit(WideDeflate::Supported() ? 1 : 0); };
  using Variables = std::map<std::string, std::string>;
  {
    const EnvironmentGuard environment(Variables{{"VOLSTREAM_DEFLATE", "libdeflate"}});
    EXPECT_EXIT(exit_with_supported(), ::testing::ExitedWithCode(0), "");
  }
  {
    const EnvironmentGuard environment(Variables{{"VOLSTREAM_DEFLATE", "wide"}});
    EXPECT_EXIT(exit_with_supported(), ::testing::ExitedWithCode(WideDeflate::Runs() ? 1 : 0), "");
  }
}

}  // namespace
}  // namespace volstream
