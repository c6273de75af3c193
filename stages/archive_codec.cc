#include "stages/archive_codec.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/options.h"
#include "engine/status_macros.h"
#include "stages/absl_text.h"
#include "stages/gzip_codec.h"
#include "stages/zstd_codec.h"

namespace volstream {
namespace {

constexpr size_t kSmallestBlock = kMiB;
constexpr size_t kLargestBlock = 4 * kMiB;
// The levels below gain next to nothing from what lies further back.
constexpr int kFirstLevelOfLargeBlocks = 3;

template <typename Codec>
absl::StatusOr<std::unique_ptr<BlockCodec>> Make(int level) {
  VS_ASSIGN_OR_RETURN(std::unique_ptr<Codec> codec, Codec::Create(level));
  return std::unique_ptr<BlockCodec>(std::move(codec));
}

}  // namespace

CodecLevels LevelsOf(ArchiveFormat format) {
  if (format == ArchiveFormat::kZstd) return {ZstdCodec::kMinLevel, ZstdCodec::kMaxLevel, 3};
  return {GzipCodec::kMinLevel, GzipCodec::kMaxLevel, 6};
}

absl::Status CheckLevel(ArchiveFormat format, int level) {
  const CodecLevels levels = LevelsOf(format);
  if (level >= levels.min && level <= levels.max) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("there is no compression level ", level, " of ",
                                                 ToAbsl(FormatName(format)), ": choose one from ",
                                                 levels.min, " to ", levels.max));
}

absl::StatusOr<std::unique_ptr<BlockCodec>> MakeCodec(ArchiveFormat format, int level) {
  VS_RETURN_IF_ERROR(CheckLevel(format, level));
  return format == ArchiveFormat::kZstd ? Make<ZstdCodec>(level) : Make<GzipCodec>(level);
}

size_t BlockBytesFor(ArchiveFormat format, int level, uint64_t memory_bytes, int workers) {
  if (format == ArchiveFormat::kGzip || level < kFirstLevelOfLargeBlocks) return kSmallestBlock;
  // Two slabs a worker and two in hand, of a block and little more than a block each.
  const uint64_t block_count = 2 * (2 * static_cast<uint64_t>(ResolveWorkers(workers)) + 2);
  size_t bytes = kLargestBlock;
  while (bytes > kSmallestBlock && block_count * bytes > memory_bytes / 3) bytes /= 2;
  return bytes;
}

}  // namespace volstream
