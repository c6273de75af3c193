// AutoCodec: BlockCodec whose level follows what holds the run up (stages/level_controller.h). It
// has a codec of each level, all of one format; which made a block does not matter to a reader.
//
// Threads: Encode from any; OnPressure from one at a time; History once both are over.
#ifndef VOLSTREAM_STAGES_AUTO_CODEC_H_
#define VOLSTREAM_STAGES_AUTO_CODEC_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/stage.h"
#include "engine/stats.h"
#include "stages/archive_format.h"
#include "stages/level_controller.h"
#include "stages/level_history.h"

namespace volstream {

class AutoCodec : public BlockCodec {
 public:
  // kInvalidArgument unless the format's codec has all levels of the range, which begins with the
  // smallest and has `start` within.
  static absl::StatusOr<std::unique_ptr<AutoCodec>> Create(ArchiveFormat format,
                                                           const LevelRange& range);

  size_t Bound(size_t block_bytes) const override;
  absl::StatusOr<EncodedBlock> Encode(ByteSpan in, MutableByteSpan out) override;

  // For PipelineOptions::on_pressure.
  void OnPressure(const Pressure& pressure);

  LevelHistory History() const;

 private:
  explicit AutoCodec(const LevelRange& range);

  const LevelRange range_;
  std::vector<std::unique_ptr<BlockCodec>> codecs_;  // from range_.min on
  std::vector<std::atomic<uint64_t>> blocks_;        // the same
  std::atomic<int> level_;
  LevelController controller_;
  std::vector<LevelHistory::Change> changes_;
  uint64_t change_count_ = 0;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_AUTO_CODEC_H_
