// ZstdCodec: what the library's own reader makes of its members, its bound, and when it stores.
#include "stages/zstd_codec.h"

#include <gtest/gtest.h>
#include <xxhash.h>
#include <zstd.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "stages/digest.h"
#include "stages/zstd_member.h"
#include "tests/support/block_codec.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

// Around which the content size's field, the blocks of a frame and the bound change.
constexpr size_t kSizes[] = {0,     1,      255,    256,    257,      65791,   65792,
                             70000, 131071, 131072, 131073, kMiB - 1, kMiB + 1};

std::unique_ptr<ZstdCodec> Codec(int level) { return *ZstdCodec::Create(level); }

std::string HalfText(size_t bytes) {
  return RandomBytes(7, bytes / 2) + LogText(bytes - bytes / 2);
}

// Words of a vocabulary, the first ones most often: as in text, matches are many and short.
std::string Prose(size_t bytes) {
  constexpr size_t kWords = 1 << 13;
  const std::string letters = RandomBytes(1, 8 * kWords);
  const std::string draws = RandomBytes(2, 2 * bytes);
  const auto at = [](const std::string& text, size_t i) {
    return size_t{static_cast<uint8_t>(text[i])};
  };
  std::string text;
  for (size_t i = 0; text.size() < bytes; i += 4) {
    const size_t draw = at(draws, i) << 8 | at(draws, i + 1);
    const size_t word = draw * (at(draws, i + 2) << 8 | at(draws, i + 3)) / (1 << 19);
    for (size_t k = 0; k < 3 + word % 6; ++k) {
      text += static_cast<char>('a' + at(letters, 8 * word + k) % 26);
    }
    text += ' ';
  }
  text.resize(bytes);
  return text;
}

// Pieces of 64 bytes of 1 MiB of prose in any order: what comes again does so far away.
std::string ShuffledProse(size_t bytes) {
  constexpr size_t kPieceBytes = 64;
  constexpr size_t kPieces = kMiB / kPieceBytes;
  const std::string prose = Prose(kMiB);
  const std::string draws = RandomBytes(3, bytes);
  std::string text;
  for (size_t i = 0; text.size() < bytes; i += 2) {
    const size_t draw = static_cast<uint8_t>(draws[i]) << 8 | static_cast<uint8_t>(draws[i + 1]);
    text.append(prose, draw % kPieces * kPieceBytes, kPieceBytes);
  }
  text.resize(bytes);
  return text;
}

struct Kind {
  const char* name;
  std::string (*make)(size_t);
};
const Kind kKinds[] = {{"zeros", [](size_t bytes) { return std::string(bytes, '\0'); }},
                       {"text", LogText},
                       {"random", [](size_t bytes) { return RandomBytes(bytes, bytes); }},
                       {"half text", HalfText}};

// All frames of a stream, by the library; what it says of an error otherwise.
std::string Unzstd(std::string_view stream, size_t bytes) {
  std::string out(bytes, '\0');
  const size_t got = ZSTD_decompress(out.data(), out.size(), stream.data(), stream.size());
  if (ZSTD_isError(got)) return ZSTD_getErrorName(got);
  out.resize(got);
  return out;
}

class ZstdCodecLevels : public ::testing::TestWithParam<int> {};

TEST_P(ZstdCodecLevels, GivesBackEveryKindAndSize) {
  const std::unique_ptr<ZstdCodec> codec = Codec(GetParam());
  for (const Kind& kind : kKinds) {
    for (const size_t bytes : kSizes) {
      const std::string in = kind.make(bytes);
      EXPECT_TRUE(Unzstd(EncodeMember(codec.get(), in).member, bytes) == in) << kind.name << bytes;
    }
  }
}

TEST_P(ZstdCodecLevels, HeaderDescribesTheMember) {
  const std::unique_ptr<ZstdCodec> codec = Codec(GetParam());
  for (const Kind& kind : kKinds) {
    const std::string in = kind.make(200'000);
    const EncodedMember encoded = EncodeMember(codec.get(), in);
    const std::optional<MemberInfo> info = ParseZstdHeader(AsBytes(encoded.member));
    ASSERT_TRUE(info.has_value()) << kind.name;
    EXPECT_EQ(info->member_bytes, encoded.member.size()) << kind.name;
    EXPECT_EQ(info->source_bytes, in.size()) << kind.name;
    EXPECT_EQ(info->source_xxh3, XXH3_64bits(in.data(), in.size())) << kind.name;
  }
}

TEST_P(ZstdCodecLevels, FramesSayTheirSizeAndCarryAChecksum) {
  const std::unique_ptr<ZstdCodec> codec = Codec(GetParam());
  for (const Kind& kind : kKinds) {
    std::string member = EncodeMember(codec.get(), kind.make(200'000)).member;
    const std::string_view frame = std::string_view(member).substr(kZstdHeaderBytes);
    EXPECT_EQ(ZSTD_getFrameContentSize(frame.data(), frame.size()), 200'000u) << kind.name;
    EXPECT_EQ(ZSTD_findFrameCompressedSize(frame.data(), frame.size()), frame.size());
    member.back() = static_cast<char>(member.back() ^ 1);
    EXPECT_EQ(Unzstd(member, 200'000), "Restored data doesn't match checksum") << kind.name;
  }
}

TEST_P(ZstdCodecLevels, StoresRandomBytesAlone) {
  const std::unique_ptr<ZstdCodec> codec = Codec(GetParam());
  for (const size_t bytes : {1000, 300'000, 4'000'000}) {
    const EncodedMember random = EncodeMember(codec.get(), RandomBytes(1, bytes));
    EXPECT_TRUE(random.stored) << bytes;
    EXPECT_EQ(random.member.size(), codec->Bound(bytes));
    const EncodedMember half = EncodeMember(codec.get(), HalfText(bytes));
    EXPECT_FALSE(half.stored) << bytes;
    EXPECT_LT(half.member.size(), bytes * 3 / 4 + 100);
  }
}

INSTANTIATE_TEST_SUITE_P(Some, ZstdCodecLevels, ::testing::Values(1, 3, 4, 5, 9));

TEST(ZstdCodec, CompressesAFileOfNoiseThatATarHasTwice) {
  const std::string file = RandomBytes(5, 400 * 1024);
  const std::string in = RandomBytes(6, 512) + file + RandomBytes(7, 512) + file;
  for (const int level : {1, 2, 3, 4, 5}) {
    const EncodedMember encoded = EncodeMember(Codec(level).get(), in);
    EXPECT_FALSE(encoded.stored) << level;
    EXPECT_LT(encoded.member.size(), in.size() * 6 / 10) << level;
  }
}

TEST(ZstdCodec, StoresAllMiBOfABlockOrNone) {
  const std::unique_ptr<ZstdCodec> codec = Codec(3);
  const std::string noise = RandomBytes(8, 4 * kMiB);
  EXPECT_TRUE(EncodeMember(codec.get(), noise).stored);
  for (size_t i = 0; i < 4; ++i) {
    std::string block = noise;
    block.replace(i * kMiB, kMiB, LogText(kMiB));
    EXPECT_LT(EncodeMember(codec.get(), block).member.size(), block.size() * 9 / 10) << i;
  }
}

// What the larger tables of these levels are for.
TEST(ZstdCodec, LooksFurtherBackThanTheLibrarysOwnLevel) {
  for (const auto& [level, bytes] : {std::pair{1, kMiB}, {3, 4 * kMiB}, {4, 4 * kMiB}}) {
    const std::string in = ShuffledProse(bytes);
    std::string own(ZSTD_compressBound(bytes), '\0');
    const size_t own_bytes = ZSTD_compress(own.data(), own.size(), in.data(), in.size(), level);
    ASSERT_FALSE(ZSTD_isError(own_bytes));
    EXPECT_LT(EncodeMember(Codec(level).get(), in).member.size(), own_bytes) << level;
  }
}

TEST(ZstdCodec, ALevelMoreMakesLess) {
  const std::string in = Prose(4 * kMiB);
  size_t before = in.size();
  for (int level = 1; level <= 6; ++level) {
    const size_t bytes = EncodeMember(Codec(level).get(), in).member.size();
    EXPECT_LT(bytes, before) << level;
    before = bytes;
  }
}

TEST(ZstdCodec, CompressesNoiseThatRepeats) {
  const std::string noise = RandomBytes(5, 500'000);
  const EncodedMember encoded = EncodeMember(Codec(9).get(), noise + noise);
  EXPECT_FALSE(encoded.stored);
  EXPECT_LT(encoded.member.size(), 600'000u);
}

TEST(ZstdCodec, HasALevelThatTakesItsTime) {
  const std::string in = HalfText(100'000);
  EXPECT_TRUE(Unzstd(EncodeMember(Codec(ZstdCodec::kMaxLevel).get(), in).member, in.size()) == in);
}

TEST(ZstdCodec, MembersOneAfterAnotherAreOneStream) {
  const std::unique_ptr<ZstdCodec> codec = Codec(3);
  const std::string stream = EncodeMember(codec.get(), "first, ").member +
                             EncodeMember(codec.get(), "").member +
                             EncodeMember(codec.get(), RandomBytes(3, 70'000)).member +
                             EncodeMember(codec.get(), " last").member;
  EXPECT_EQ(Unzstd(stream, 100'000), "first, " + RandomBytes(3, 70'000) + " last");
}

TEST(ZstdCodec, BoundGrowsWithTheBlock) {
  const std::unique_ptr<ZstdCodec> codec = Codec(3);
  for (size_t bytes = 0; bytes < 400'000; bytes += 7) {
    ASSERT_LE(codec->Bound(bytes), codec->Bound(bytes + 7)) << bytes;
  }
}

TEST(ZstdCodec, RefusesAnOutputBelowTheBound) {
  const std::unique_ptr<ZstdCodec> codec = Codec(3);
  std::vector<uint8_t> out(codec->Bound(100) - 1);
  EXPECT_FALSE(codec->Encode(AsBytes(LogText(100)), out).ok());
}

// Contexts are reused for blocks of any size, and leave no trace in what follows.
TEST(ZstdCodec, EncodesTheSameFromManyThreads) {
  const std::unique_ptr<ZstdCodec> codec = Codec(6);
  std::vector<std::string> ins;
  std::vector<std::string> wanted;
  for (int i = 0; i < 8; ++i) {
    ins.push_back(kKinds[i % 4].make(50'000 + 70'000 * static_cast<size_t>(i)));
    wanted.push_back(EncodeMember(Codec(6).get(), ins.back()).member);
  }
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 16; ++i) {
        const size_t k = static_cast<size_t>(i + t) % ins.size();
        EXPECT_TRUE(EncodeMember(codec.get(), ins[k]).member == wanted[k]) << k;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(ZstdCodec, WritesTheExampleOfTheFormatPage) {
  EXPECT_EQ(ToHex(AsBytes(EncodeMember(Codec(3).get(), "hello").member)),
            "28b52ffd2000010000562a4d18140000005653100037000000"
            "05000000fddc625c55e8559528b52ffd240529000068656c6c6fa36d9f88");
}

TEST(ZstdCodec, NamesTheRangeWhenItRefusesALevel) {
  for (const int level : {-1, 0, 20, 100}) {
    const absl::Status status = ZstdCodec::Create(level).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << level;
    EXPECT_NE(status.message().find("1 and 19"), absl::string_view::npos) << status;
  }
}

}  // namespace
}  // namespace volstream
