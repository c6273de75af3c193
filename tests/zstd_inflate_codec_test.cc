// ZstdInflateCodec: gives back what ZstdCodec made, finds every damage, and takes no frame that is
// not as a member's has to be.
#include "stages/zstd_inflate_codec.h"

#include <gtest/gtest.h>
#include <xxhash.h>
#include <zstd.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "stages/digest.h"
#include "stages/zstd_member.h"
#include "tests/support/block_codec.h"
#include "tests/support/member_archive.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

absl::StatusOr<std::string> Inflate(std::string_view member, size_t room = 128 * kKiB) {
  static ZstdInflateCodec* const codec = new ZstdInflateCodec(16 * kMiB);
  return EncodeInto(codec, member, room);
}

std::string Text(size_t bytes) {
  std::string text;
  for (uint64_t i = 0; text.size() < bytes; ++i) text += "line " + std::to_string(i * i) + "\n";
  text.resize(bytes);
  return text;
}

std::string Member(std::string_view data) { return MemberOf(data, ArchiveFormat::kZstd); }

// True if the error is damage that says `what`.
bool IsDamage(const absl::Status& status, std::string_view what) {
  return absl::IsDataLoss(status) && std::string(status.message()).find(what) != std::string::npos;
}

std::string FrameOf(const std::string& data, bool with_content_size = true) {
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, with_content_size ? 1 : 0);
  std::string frame(ZSTD_compressBound(data.size()), '\0');
  const size_t bytes =
      ZSTD_compress2(context, frame.data(), frame.size(), data.data(), data.size());
  ZSTD_freeCCtx(context);
  EXPECT_FALSE(ZSTD_isError(bytes)) << ZSTD_getErrorName(bytes);
  frame.resize(ZSTD_isError(bytes) ? 0 : bytes);
  return frame;
}

// A member that says of this frame what it says of `data`.
std::string MemberWith(const std::string& frame, const std::string& data) {
  MemberInfo info;
  info.member_bytes = static_cast<uint32_t>(kZstdHeaderBytes + frame.size());
  info.source_bytes = static_cast<uint32_t>(data.size());
  info.source_xxh3 = XXH3_64bits(data.data(), data.size());
  std::string header(kZstdHeaderBytes, '\0');
  WriteZstdHeader(info, MutableByteSpan(reinterpret_cast<uint8_t*>(header.data()), header.size()));
  return header + frame;
}

TEST(ZstdInflateCodec, GivesBackEverySizeStoredOrNot) {
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{255}, size_t{256}, size_t{65'791},
                             size_t{65'792}, size_t{131'073}, size_t{kMiB}}) {
    for (const std::string& data : {Text(bytes), RandomBytes(bytes, bytes)}) {
      EXPECT_TRUE(Inflate(Member(data), bytes).value_or("x") == data) << bytes;
    }
  }
}

TEST(ZstdInflateCodec, BoundIsWhatAMemberMayHold) {
  EXPECT_EQ(ZstdInflateCodec(3 * kMiB).Bound(kMiB), 3 * kMiB);
}

TEST(ZstdInflateCodec, TakesAFrameWithoutAChecksum) {
  const std::string data = Text(5'000);
  EXPECT_EQ(Inflate(MemberWith(FrameOf(data), data)).value_or("x"), data);
}

TEST(ZstdInflateCodec, RefusesAMemberThatHoldsMore) {
  EXPECT_TRUE(IsDamage(Inflate(Member(Text(1'001)), 1'000).status(), "holds 1001 bytes, more"));
}

// Bits that mean nothing: unused ones of the frame's header and its last byte of Huffman codes.
TEST(ZstdInflateCodec, NoFlippedByteChangesTheData) {
  for (const std::string& data : {Text(700), RandomBytes(3, 700)}) {
    const std::string member = Member(data);
    for (size_t i = 0; i < member.size(); ++i) {
      for (const int mask : {1, 0x10, 0x80, 0xff}) {
        std::string damaged = member;
        damaged[i] = static_cast<char>(damaged[i] ^ mask);
        const absl::StatusOr<std::string> inflated = Inflate(damaged);
        EXPECT_TRUE(absl::IsDataLoss(inflated.status()) ||
                    (i >= kZstdHeaderBytes && inflated.ok() && *inflated == data))
            << i << " " << mask << " " << inflated.status();
      }
    }
  }
}

TEST(ZstdInflateCodec, FindsWhereItIsCutOff) {
  for (const std::string& member : {Member(Text(700)), Member(RandomBytes(1, 700))}) {
    for (size_t bytes = 0; bytes < member.size(); ++bytes) {
      EXPECT_TRUE(absl::IsDataLoss(Inflate(member.substr(0, bytes)).status())) << bytes;
      // Its header says so, too.
      if (bytes < kZstdHeaderBytes) continue;
      const std::string frame = member.substr(kZstdHeaderBytes, bytes - kZstdHeaderBytes);
      EXPECT_TRUE(absl::IsDataLoss(Inflate(MemberWith(frame, Text(700))).status())) << bytes;
    }
  }
}

TEST(ZstdInflateCodec, NamesWhatIsWrong) {
  const std::string member = Member(Text(700));
  const auto damaged = [&](size_t at) {
    std::string copy = member;
    copy[at] = static_cast<char>(copy[at] ^ 1);
    return Inflate(copy).status();
  };
  EXPECT_TRUE(IsDamage(damaged(0), "header")) << damaged(0);
  EXPECT_TRUE(IsDamage(damaged(21), "says that it has")) << damaged(21);
  EXPECT_TRUE(IsDamage(damaged(25), "its header says 701")) << damaged(25);
  EXPECT_TRUE(IsDamage(damaged(29), "XXH3")) << damaged(29);
  EXPECT_TRUE(IsDamage(damaged(37), "no Zstandard frame")) << damaged(37);
  EXPECT_TRUE(IsDamage(damaged(member.size() - 1), "checksum")) << damaged(member.size() - 1);
}

TEST(ZstdInflateCodec, RefusesWhatFollowsTheFrame) {
  const std::string data = Text(700);
  const std::string frame = FrameOf(data);
  std::string empty_frame("\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00", 9);
  std::string skippable;
  AppendZstdPiece('I', "data", &skippable);
  for (const std::string& rest : {std::string("x"), std::string(4, '\0'), empty_frame, skippable}) {
    EXPECT_TRUE(IsDamage(Inflate(MemberWith(frame + rest, data)).status(), "data end after"));
  }
  EXPECT_TRUE(IsDamage(Inflate(MemberWith(skippable + frame, data)).status(), "no Zstandard"));
}

TEST(ZstdInflateCodec, RefusesAFrameThatSaysThatItHoldsMoreOrLess) {
  const std::string data = Text(700);
  // Of 16 MiB of zeros, in some hundred bytes.
  const std::string bomb = FrameOf(std::string(16 * kMiB, '\0'));
  ASSERT_LT(bomb.size(), 2'000u);
  EXPECT_TRUE(IsDamage(Inflate(MemberWith(bomb, data)).status(), "its header says 700"));
  EXPECT_TRUE(IsDamage(Inflate(MemberWith(FrameOf(Text(699)), data)).status(),
                       "holds 699 bytes, its header says 700"));
}

TEST(ZstdInflateCodec, RefusesAFrameWhoseBlocksHoldMoreThanItSays) {
  const std::string data = std::string(16 * kMiB, '\0');
  std::string frame = FrameOf(data);
  // The header has a window byte, then a content size of four bytes.
  ASSERT_EQ(static_cast<uint8_t>(frame[4]) >> 6, 2);
  const size_t at = (frame[4] & 0x20) != 0 ? 5 : 6;
  frame[at + 3] = 0;  // what it holds is less than 16 MiB now
  frame[at] = 100;
  EXPECT_TRUE(IsDamage(Inflate(MemberWith(frame, std::string(100, '\0')), 100).status(),
                       "does not inflate"));
}

TEST(ZstdInflateCodec, RefusesAFrameThatDoesNotSayWhatItHolds) {
  const std::string data = Text(700);
  EXPECT_TRUE(
      IsDamage(Inflate(MemberWith(FrameOf(data, /*with_content_size=*/false), data)).status(),
               "does not say how much"));
}

TEST(ZstdInflateCodec, RefusesAFrameThatNeedsADictionary) {
  const std::string data = Text(700);
  std::string frame = FrameOf(data);
  // A dictionary id of one byte goes behind the descriptor (and the window, which there is none).
  ASSERT_NE(frame[4] & 0x20, 0);
  frame[4] = static_cast<char>(frame[4] | 1);
  frame.insert(5, 1, '\x07');
  EXPECT_TRUE(IsDamage(Inflate(MemberWith(frame, data)).status(), "needs the dictionary 7"));
}

TEST(ZstdInflateCodec, FindsTheFrameOfAnotherMember) {
  const std::string a = RandomBytes(1, 2'000);
  EXPECT_TRUE(IsDamage(Inflate(MemberWith(FrameOf(RandomBytes(2, 2'000)), a)).status(), "XXH3"));
}

TEST(ZstdInflateCodec, InflatesTheSameFromManyThreads) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      const std::string data = Text(100'000 + 1000 * static_cast<size_t>(t));
      const std::string member = Member(data);
      for (int i = 0; i < 16; ++i) EXPECT_TRUE(Inflate(member).value_or("x") == data);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace volstream
