// ZstdReader: streams of frames as they arrive, whoever made them, and where they are damaged.
#include "stages/zstd_reader.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "stages/digest.h"
#include "stages/zstd_member.h"
#include "tests/support/member_archive.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

// A frame without its content's size, as `zstd` makes one of its standard input.
std::string FrameOf(const std::string& data, int window_log = 0, int level = 1) {
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
  if (window_log > 0) {
    ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
  }
  std::string frame(ZSTD_compressBound(data.size()), '\0');
  ZSTD_inBuffer in{data.data(), data.size(), 0};
  ZSTD_outBuffer out{frame.data(), frame.size(), 0};
  // Two calls, so that libzstd cannot know the size and choose a smaller window.
  ZSTD_inBuffer first{data.data(), data.size() / 2, 0};
  EXPECT_FALSE(ZSTD_isError(ZSTD_compressStream2(context, &out, &first, ZSTD_e_continue)));
  in.pos = first.pos;
  EXPECT_EQ(ZSTD_compressStream2(context, &out, &in, ZSTD_e_end), 0u);
  ZSTD_freeCCtx(context);
  frame.resize(out.pos);
  return frame;
}

struct Read {
  std::string bytes;
  absl::Status status;
};

// All of a stream that arrives in pieces of `piece_bytes`.
Read ReadAll(const std::string& stream, size_t piece_bytes = 1'000) {
  size_t at = 0;
  ZstdReader reader([&]() -> absl::StatusOr<ByteSpan> {
    const size_t bytes = std::min(piece_bytes, stream.size() - at);
    at += bytes;
    return AsBytes(stream).subspan(at - bytes, bytes);
  });
  Read read;
  while (true) {
    const absl::StatusOr<ByteSpan> next = reader.Next();
    read.status = next.status();
    if (!next.ok() || next->empty()) return read;
    read.bytes.append(next->begin(), next->end());
  }
}

TEST(ZstdReader, GivesBackFramesOfEverySizeInPiecesOfEverySize) {
  std::string data;
  std::string stream;
  for (const size_t bytes : {size_t{0}, size_t{1}, 256 * kKiB, size_t{700'000}}) {
    data += RandomBytes(bytes, bytes) + std::string(bytes, 'x');
    stream += FrameOf(RandomBytes(bytes, bytes)) + FrameOf(std::string(bytes, 'x'));
  }
  for (const size_t piece_bytes : {size_t{1}, size_t{7}, size_t{4'096}, stream.size()}) {
    const Read read = ReadAll(stream, piece_bytes);
    EXPECT_TRUE(read.status.ok()) << read.status;
    EXPECT_TRUE(read.bytes == data) << piece_bytes;
  }
}

TEST(ZstdReader, ReadsMembersAndPassesOverTheIndexAndZerosBehindIt) {
  const MemberArchive archive = RandomArchive(1, 10, 50'000, ArchiveFormat::kZstd);
  const Read read =
      ReadAll(archive.bytes + IndexMemberOf("VI", "page", ArchiveFormat::kZstd) +
              IndexMemberOf("VF", "footer", ArchiveFormat::kZstd) + std::string(10'240, '\0'));
  EXPECT_TRUE(read.status.ok()) << read.status;
  EXPECT_TRUE(read.bytes == archive.tar);
  EXPECT_TRUE(ReadAll("").status.ok());
}

TEST(ZstdReader, SaysThatAStreamIsCutOff) {
  const std::string frame = FrameOf(RandomBytes(1, 3'000));
  for (size_t bytes = 1; bytes < frame.size(); ++bytes) {
    const absl::Status status = ReadAll(frame + frame.substr(0, bytes)).status;
    EXPECT_TRUE(absl::IsDataLoss(status)) << bytes << ": " << status;
    EXPECT_NE(status.message().find("cut off"), absl::string_view::npos) << status;
  }
}

TEST(ZstdReader, FindsDamageByTheChecksum) {
  const std::string data = RandomBytes(1, 3'000);
  const std::string frame = FrameOf(data);
  for (size_t i = 0; i < frame.size(); i += 7) {
    std::string damaged = frame;
    damaged[i] = static_cast<char>(damaged[i] ^ 0xff);
    const Read read = ReadAll(damaged);
    EXPECT_FALSE(read.status.ok()) << i;
  }
  EXPECT_TRUE(absl::IsDataLoss(ReadAll(frame + "garbage").status));
}

TEST(ZstdReader, RefusesAWindowOfMoreThan128MiB) {
  const std::string data = RandomBytes(1, 3'000);
  EXPECT_TRUE(ReadAll(FrameOf(data, 27)).status.ok());
  const absl::Status status = ReadAll(FrameOf(data, 28)).status;
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_NE(status.message().find("zstd -d --long=31"), absl::string_view::npos) << status;
}

TEST(ZstdReader, KnowsFramesByTheirFirstBytes) {
  EXPECT_TRUE(LooksLikeZstd(AsBytes(FrameOf("data"))));
  EXPECT_TRUE(LooksLikeZstd(AsBytes(IndexMemberOf("VI", "page", ArchiveFormat::kZstd))));
  for (const std::string& other : {std::string(), std::string("\x28\xb5\x2f"), MemberOf("data"),
                                   std::string(512, '\0'), std::string("./name")}) {
    EXPECT_FALSE(LooksLikeZstd(AsBytes(other))) << other;
  }
}

}  // namespace
}  // namespace volstream
