// InflateCodec: gives back what GzipCodec made, and finds every damage.
#include "stages/inflate_codec.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "stages/digest.h"
#include "stages/gzip_codec.h"
#include "tests/support/block_codec.h"
#include "tests/support/member_archive.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

absl::StatusOr<std::string> Inflate(InflateCodec* codec, std::string_view member,
                                    size_t room = kMiB) {
  return EncodeInto(codec, member, room);
}

std::string Text(size_t bytes) {
  std::string text;
  for (uint64_t i = 0; text.size() < bytes; ++i) text += "line " + std::to_string(i * i) + "\n";
  text.resize(bytes);
  return text;
}

// True if the error is damage that says `what`.
bool IsDamage(const absl::Status& status, std::string_view what) {
  return absl::IsDataLoss(status) && std::string(status.message()).find(what) != std::string::npos;
}

TEST(InflateCodec, GivesBackEverySizeStoredOrNot) {
  InflateCodec codec;
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{512}, size_t{65535}, size_t{65536},
                             size_t{kMiB - 1}, size_t{kMiB}}) {
    for (const std::string& data : {Text(bytes), RandomBytes(bytes, bytes)}) {
      EXPECT_TRUE(Inflate(&codec, MemberOf(data)).value_or("x") == data) << bytes;
    }
  }
}

TEST(InflateCodec, WritesNoByteBehindTheData) {
  InflateCodec codec;
  const std::string data = Text(70'000);
  EXPECT_TRUE(Inflate(&codec, MemberOf(data), data.size()).value_or("x") == data);
}

TEST(InflateCodec, BoundIsWhatAMemberMayHold) {
  EXPECT_EQ(InflateCodec().Bound(5), kMiB);
  EXPECT_EQ(InflateCodec(3 * kMiB).Bound(kMiB), 3 * kMiB);
}

TEST(InflateCodec, RefusesAMemberThatHoldsMore) {
  InflateCodec codec;
  const std::string data = Text(1'001);
  EXPECT_TRUE(IsDamage(Inflate(&codec, MemberOf(data), 1'000).status(), "holds 1001 bytes, more"));
}

// A few bits of a body mean nothing: those that fill up its last byte, or the one before a stored
// block's length.
TEST(InflateCodec, NoFlippedByteChangesTheData) {
  InflateCodec codec;
  for (const std::string& data : {Text(700), RandomBytes(3, 700)}) {
    const std::string member = MemberOf(data);
    for (size_t i = 0; i < member.size(); ++i) {
      for (const int mask : {1, 0x80, 0xff}) {
        std::string damaged = member;
        damaged[i] = static_cast<char>(damaged[i] ^ mask);
        const absl::StatusOr<std::string> inflated = Inflate(&codec, damaged);
        const bool in_body = i >= 32 && i + 8 < member.size();
        EXPECT_TRUE(absl::IsDataLoss(inflated.status()) ||
                    (in_body && mask == 0x80 && *inflated == data))
            << i << " " << mask;
      }
    }
  }
}

TEST(InflateCodec, FindsWhereItIsCutOff) {
  InflateCodec codec;
  const std::string member = MemberOf(Text(700));
  for (size_t bytes = 0; bytes < member.size(); ++bytes) {
    EXPECT_TRUE(absl::IsDataLoss(Inflate(&codec, member.substr(0, bytes)).status())) << bytes;
  }
}

TEST(InflateCodec, NamesWhatIsWrong) {
  InflateCodec codec;
  const std::string member = MemberOf(Text(700));
  const auto damaged = [&](size_t at) {
    std::string copy = member;
    copy[at] = static_cast<char>(copy[at] ^ 1);
    return Inflate(&codec, copy).status();
  };
  EXPECT_TRUE(IsDamage(damaged(0), "header")) << damaged(0);
  EXPECT_TRUE(IsDamage(damaged(9), "header")) << damaged(9);
  EXPECT_TRUE(IsDamage(damaged(16), "says that it has")) << damaged(16);
  EXPECT_TRUE(IsDamage(damaged(20), "its header says 701")) << damaged(20);
  EXPECT_TRUE(IsDamage(damaged(24), "XXH3")) << damaged(24);
  EXPECT_TRUE(IsDamage(damaged(member.size() - 8), "CRC-32")) << damaged(member.size() - 8);
  EXPECT_TRUE(IsDamage(damaged(member.size() - 4), "its trailer 701"))
      << damaged(member.size() - 4);
}

// The CRC-32 is that of the data, and so is the length: only XXH3 knows.
TEST(InflateCodec, FindsTheBodyOfAnotherMember) {
  InflateCodec codec;
  const std::string a = MemberOf(RandomBytes(1, 2'000));
  const std::string b = MemberOf(RandomBytes(2, 2'000));
  ASSERT_EQ(a.size(), b.size());
  EXPECT_TRUE(IsDamage(Inflate(&codec, a.substr(0, 32) + b.substr(32)).status(), "XXH3"));
}

TEST(InflateCodec, InflatesTheSameFromManyThreads) {
  InflateCodec codec;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&codec, t] {
      const std::string data = Text(100'000 + 1000 * static_cast<size_t>(t));
      const std::string member = MemberOf(data);
      for (int i = 0; i < 16; ++i) {
        EXPECT_TRUE(Inflate(&codec, member).value_or("x") == data);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace volstream
