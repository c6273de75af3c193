#include "stages/archive_codec.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/options.h"
#include "stages/digest.h"
#include "stages/gzip_member.h"
#include "stages/zstd_member.h"

namespace volstream {
namespace {

constexpr ArchiveFormat kFormats[] = {ArchiveFormat::kGzip, ArchiveFormat::kZstd};

TEST(ArchiveCodec, MakesMembersOfItsFormat) {
  for (const ArchiveFormat format : kFormats) {
    const auto codec = MakeCodec(format, LevelsOf(format).preferred);
    ASSERT_TRUE(codec.ok()) << codec.status();
    std::vector<uint8_t> out((*codec)->Bound(5));
    ASSERT_TRUE((*codec)->Encode(AsBytes("hello"), out).ok());
    EXPECT_EQ(ParseGzipHeader(out).has_value(), format == ArchiveFormat::kGzip);
    EXPECT_EQ(ParseZstdHeader(out).has_value(), format == ArchiveFormat::kZstd);
  }
}

TEST(ArchiveCodec, HasEveryLevelOfItsRangeAndNoOther) {
  for (const ArchiveFormat format : kFormats) {
    const CodecLevels levels = LevelsOf(format);
    for (int level = levels.min; level <= levels.max; ++level) {
      EXPECT_TRUE(MakeCodec(format, level).ok()) << level;
    }
    for (const int level : {levels.min - 1, levels.max + 1}) {
      const absl::Status status = MakeCodec(format, level).status();
      EXPECT_TRUE(absl::IsInvalidArgument(status));
      EXPECT_NE(status.message().find("from 1 to " + std::to_string(levels.max)),
                absl::string_view::npos)
          << status;
    }
  }
}

TEST(ArchiveCodec, BlocksOfZstdFitTheBudget) {
  EXPECT_EQ(BlockBytesFor(ArchiveFormat::kZstd, 3, 256 * kMiB, 2), 4 * kMiB);
  EXPECT_EQ(BlockBytesFor(ArchiveFormat::kZstd, 3, 256 * kMiB, 8), 2 * kMiB);
  EXPECT_EQ(BlockBytesFor(ArchiveFormat::kZstd, 3, 64 * kMiB, 2), kMiB);
  PipelineOptions options;
  for (options.memory_bytes = 16 * kMiB; options.memory_bytes <= 4096 * kMiB;
       options.memory_bytes *= 2) {
    for (options.workers = 1; options.workers <= 64; ++options.workers) {
      options.block_bytes =
          BlockBytesFor(ArchiveFormat::kZstd, 3, options.memory_bytes, options.workers);
      if (options.block_bytes == kMiB) continue;
      EXPECT_GE(PartMemoryBytes(options, options.block_bytes), options.memory_bytes * 2 / 3)
          << options.memory_bytes << " " << options.workers;
    }
  }
}

TEST(ArchiveCodec, BlocksOfFastLevelsAreSmall) {
  EXPECT_EQ(BlockBytesFor(ArchiveFormat::kZstd, 2, 4096 * kMiB, 2), kMiB);
  EXPECT_EQ(BlockBytesFor(ArchiveFormat::kZstd, 19, 4096 * kMiB, 2), 4 * kMiB);
}

TEST(ArchiveCodec, BlocksOfGzipAreAlwaysTheSame) {
  for (const uint64_t memory : {16 * kMiB, 4096 * kMiB}) {
    for (const int workers : {1, 64}) {
      EXPECT_EQ(BlockBytesFor(ArchiveFormat::kGzip, 6, memory, workers), kMiB);
    }
  }
}

}  // namespace
}  // namespace volstream
