// GzipCodec: what any gzip reader makes of its members, its bound, and when it stores.
#include "stages/gzip_codec.h"

#include <gtest/gtest.h>
#include <xxhash.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "stages/digest.h"
#include "stages/gzip_member.h"
#include "tests/support/block_codec.h"
#include "tests/support/tar_reader.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

constexpr size_t kSizes[] = {0, 1, 100, 65534, 65535, 65536, 131070, 131072, kMiB - 1, kMiB};

std::unique_ptr<GzipCodec> Codec(int level) { return *GzipCodec::Create(level); }

std::string Zeros(size_t bytes) { return std::string(bytes, '\0'); }

std::string HalfText(size_t bytes) {
  return LogText(bytes / 2) + RandomBytes(7, bytes - bytes / 2);
}

struct Kind {
  const char* name;
  std::string (*make)(size_t);
};
const Kind kKinds[] = {{"zeros", Zeros},
                       {"text", LogText},
                       {"random", [](size_t bytes) { return RandomBytes(bytes, bytes); }},
                       {"half text", HalfText}};

class GzipCodecLevels : public ::testing::TestWithParam<int> {};

TEST_P(GzipCodecLevels, GivesBackEveryKindAndSize) {
  const std::unique_ptr<GzipCodec> codec = Codec(GetParam());
  for (const Kind& kind : kKinds) {
    for (const size_t bytes : kSizes) {
      const std::string in = kind.make(bytes);
      EXPECT_TRUE(Gunzip(EncodeMember(codec.get(), in).member) == in) << kind.name << " " << bytes;
    }
  }
}

TEST_P(GzipCodecLevels, NeverExceedsItsBound) {
  const std::unique_ptr<GzipCodec> codec = Codec(GetParam());
  // Sizes around which the probe and the stored form change their ways.
  for (const size_t bytes : {2, 5, 16, 255, 2047, 4096, 131071, 131073}) {
    for (const Kind& kind : kKinds) EncodeMember(codec.get(), kind.make(bytes));
  }
}

TEST_P(GzipCodecLevels, ExtraFieldDescribesTheMember) {
  const std::unique_ptr<GzipCodec> codec = Codec(GetParam());
  for (const Kind& kind : kKinds) {
    const std::string in = kind.make(200'000);
    const EncodedMember encoded = EncodeMember(codec.get(), in);
    const std::optional<MemberInfo> info = ParseGzipHeader(AsBytes(encoded.member));
    ASSERT_TRUE(info.has_value()) << kind.name;
    EXPECT_EQ(info->member_bytes, encoded.member.size()) << kind.name;
    EXPECT_EQ(info->source_bytes, in.size()) << kind.name;
    EXPECT_EQ(info->source_xxh3, XXH3_64bits(in.data(), in.size())) << kind.name;
  }
}

INSTANTIATE_TEST_SUITE_P(All, GzipCodecLevels,
                         ::testing::Range(GzipCodec::kMinLevel, GzipCodec::kMaxLevel + 1));

TEST(GzipCodec, StoresRandomBytes) {
  EXPECT_TRUE(EncodeMember(Codec(6).get(), RandomBytes(1, kMiB)).stored);
}

TEST(GzipCodec, StoresAFewRandomBytes) {
  EXPECT_TRUE(EncodeMember(Codec(6).get(), RandomBytes(1, 1000)).stored);
}

TEST(GzipCodec, StoredMembersAreAsLargeAsTheBound) {
  const std::unique_ptr<GzipCodec> codec = Codec(6);
  EXPECT_EQ(EncodeMember(codec.get(), RandomBytes(1, kMiB)).member.size(), codec->Bound(kMiB));
}

TEST(GzipCodec, CompressesTextAndZeros) {
  const std::unique_ptr<GzipCodec> codec = Codec(1);
  for (const std::string& in : {LogText(kMiB), Zeros(kMiB)}) {
    const EncodedMember encoded = EncodeMember(codec.get(), in);
    EXPECT_FALSE(encoded.stored);
    EXPECT_LT(encoded.member.size(), kMiB / 3);
  }
}

TEST(GzipCodec, CompressesABlockThatIsHalfNoise) {
  const EncodedMember encoded = EncodeMember(Codec(6).get(), HalfText(kMiB));
  EXPECT_FALSE(encoded.stored);
  EXPECT_LT(encoded.member.size(), kMiB * 3 / 4);
}

// Letters without matches take the fast way, which must not cost what it saves.
TEST(GzipCodec, CodesNoiseOfManyLettersTightly) {
  std::string in = RandomBytes(21, kMiB);
  for (char& c : in) c = static_cast<char>('0' + (static_cast<uint8_t>(c) & 63));
  for (const int level : {1, 6, 9, 12}) {
    const EncodedMember encoded = EncodeMember(Codec(level).get(), in);
    EXPECT_FALSE(encoded.stored) << level;
    EXPECT_LT(encoded.member.size(), kMiB * 0.757) << level;
    EXPECT_TRUE(Gunzip(encoded.member) == in) << level;
  }
}

TEST(GzipCodec, HigherLevelsMakeTextSmaller) {
  const std::string in = LogText(kMiB);
  size_t before = in.size();
  for (const int level : {1, 3, 6, 12}) {
    const size_t bytes = EncodeMember(Codec(level).get(), in).member.size();
    EXPECT_LT(bytes, before) << level;
    before = bytes;
  }
}

// A compressor that was used before must not show it: equal bytes give equal members.
TEST(GzipCodec, MembersDoNotDependOnWhatCameBefore) {
  for (const int level : {1, 2, 6}) {
    const std::unique_ptr<GzipCodec> codec = Codec(level);
    const std::string wanted = EncodeMember(Codec(level).get(), LogText(300'000)).member;
    for (const Kind& kind : kKinds) {
      EncodeMember(codec.get(), kind.make(500'000));
      EXPECT_TRUE(EncodeMember(codec.get(), LogText(300'000)).member == wanted)
          << level << kind.name;
    }
  }
}

TEST(GzipCodec, MembersOneAfterAnotherAreOneStream) {
  const std::unique_ptr<GzipCodec> codec = Codec(6);
  const std::string stream = EncodeMember(codec.get(), "first, ").member +
                             EncodeMember(codec.get(), "").member +
                             EncodeMember(codec.get(), RandomBytes(3, 70'000)).member +
                             EncodeMember(codec.get(), " last").member;
  EXPECT_EQ(Gunzip(stream), "first, " + RandomBytes(3, 70'000) + " last");
}

TEST(GzipCodec, BoundGrowsWithTheBlock) {
  const std::unique_ptr<GzipCodec> codec = Codec(6);
  for (size_t bytes = 0; bytes < 200'000; bytes += 7) {
    ASSERT_LE(codec->Bound(bytes), codec->Bound(bytes + 7)) << bytes;
  }
}

TEST(GzipCodec, RefusesAnOutputBelowTheBound) {
  const std::unique_ptr<GzipCodec> codec = Codec(6);
  std::vector<uint8_t> out(codec->Bound(100) - 1);
  EXPECT_FALSE(codec->Encode(AsBytes(LogText(100)), out).ok());
}

TEST(GzipCodec, EncodesTheSameFromManyThreads) {
  const std::unique_ptr<GzipCodec> codec = Codec(4);
  std::vector<std::string> ins;
  std::vector<std::string> wanted;
  for (int i = 0; i < 8; ++i) {
    ins.push_back(kKinds[i % 4].make(150'000 + 1000 * i));
    wanted.push_back(EncodeMember(Codec(4).get(), ins.back()).member);
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

TEST(GzipCodec, RefusesLevelsOutOfRange) {
  for (const int level : {-1, 0, 13, 100}) {
    EXPECT_EQ(GzipCodec::Create(level).status().code(), absl::StatusCode::kInvalidArgument)
        << level;
  }
}

TEST(GzipCodec, NamesTheRangeWhenItRefusesALevel) {
  const std::string message(GzipCodec::Create(13).status().message());
  EXPECT_NE(message.find("13"), std::string::npos) << message;
  EXPECT_NE(message.find("1 and 12"), std::string::npos) << message;
}

TEST(GzipCodec, WritesTheExampleOfTheFormatPage) {
  const std::unique_ptr<GzipCodec> codec = Codec(6);
  std::string member(codec->Bound(5), '\0');
  const absl::StatusOr<EncodedBlock> encoded = codec->Encode(
      AsBytes("hello"), MutableByteSpan(reinterpret_cast<uint8_t*>(member.data()), member.size()));
  ASSERT_TRUE(encoded.ok());
  EXPECT_EQ(ToHex(AsBytes(member.substr(0, encoded->bytes))),
            "1f8b08040000000000ff14005653100032000000050000"
            "00fddc625c55e85595010500faff68656c6c6f86a6103605000000");
}

}  // namespace
}  // namespace volstream
