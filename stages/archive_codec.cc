#include "stages/archive_codec.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "engine/options.h"
#include "engine/status_macros.h"
#include "stages/absl_text.h"
#include "stages/gzip_codec.h"
#include "stages/zstd_codec.h"

namespace volstream {
namespace {

// Of --level auto: what is above takes long for what it saves.
constexpr int kHighestAutoLevel = 9;

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

absl::StatusOr<LevelRange> ParseLevel(ArchiveFormat format, std::string_view text) {
  const CodecLevels levels = LevelsOf(format);
  LevelRange range{1, kHighestAutoLevel, levels.preferred};
  absl::string_view rest = ToAbsl(text);
  if (absl::ConsumePrefix(&rest, "auto")) {
    if (rest.empty()) return range;
    const std::vector<absl::string_view> bounds = absl::StrSplit(rest, '-');
    if (bounds.size() == 2 && absl::ConsumePrefix(&rest, ":") &&
        absl::SimpleAtoi(bounds[0].substr(1), &range.min) &&
        absl::SimpleAtoi(bounds[1], &range.max)) {
      VS_RETURN_IF_ERROR(CheckLevel(format, range.min));
      VS_RETURN_IF_ERROR(CheckLevel(format, range.max));
      if (range.min <= range.max) {
        range.start = std::clamp(levels.preferred, range.min, range.max);
        return range;
      }
    }
  } else if (absl::SimpleAtoi(rest, &range.start)) {
    VS_RETURN_IF_ERROR(CheckLevel(format, range.start));
    range.min = range.max = range.start;
    return range;
  }
  return absl::InvalidArgumentError(
      absl::StrCat(ToAbsl(text), " is no compression level: give a number from ", levels.min,
                   " to ", levels.max, ", or auto, or auto:MIN-MAX"));
}

absl::StatusOr<std::unique_ptr<BlockCodec>> MakeCodec(ArchiveFormat format, int level) {
  VS_RETURN_IF_ERROR(CheckLevel(format, level));
  return format == ArchiveFormat::kZstd ? Make<ZstdCodec>(level) : Make<GzipCodec>(level);
}

size_t BlockBytesFor(ArchiveFormat format, int level, uint64_t memory_bytes, int workers) {
  if (format == ArchiveFormat::kGzip || level < kFirstLevelOfLargeBlocks) return kSmallestBlock;
  // A slab has a block and little more than a block.
  const uint64_t block_count = 2 * WantedSlabs(workers);
  size_t bytes = kLargestBlock;
  while (bytes > kSmallestBlock && block_count * bytes > memory_bytes / 3) bytes /= 2;
  return bytes;
}

}  // namespace volstream
