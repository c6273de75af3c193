// ArchiveCodec: the codec of each archive format, the levels that it has, and the blocks that suit
// it. Functions without state.
#ifndef VOLSTREAM_STAGES_ARCHIVE_CODEC_H_
#define VOLSTREAM_STAGES_ARCHIVE_CODEC_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/stage.h"
#include "stages/archive_format.h"
#include "stages/level_history.h"

namespace volstream {

struct CodecLevels {
  int min;
  int max;
  int preferred;  // what one gets who does not choose
};
CodecLevels LevelsOf(ArchiveFormat format);

// kInvalidArgument, with the range, unless the format's codec has the level.
absl::Status CheckLevel(ArchiveFormat format, int level);

// What --level may say: "6" is the range of that level alone, "auto" that of levels from 1 to 9,
// and "auto:3-7" another, all of them beginning with the preferred level or the one next to it.
// kInvalidArgument, with what it may be, for anything else.
absl::StatusOr<LevelRange> ParseLevel(ArchiveFormat format, std::string_view text);

absl::StatusOr<std::unique_ptr<BlockCodec>> MakeCodec(ArchiveFormat format, int level);

// Source bytes of one block, which is what a member holds at most: 1 MiB, but for zstd from level 3
// on 4 MiB, or 2 or 1 where the slabs of so many workers (as PipelineOptions::workers) would take
// more than a third of the memory. docs/memory.md says why.
size_t BlockBytesFor(ArchiveFormat format, int level, uint64_t memory_bytes, int workers);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_ARCHIVE_CODEC_H_
