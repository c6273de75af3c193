#include "stages/level_controller.h"

#include <algorithm>
#include <utility>

namespace volstream {

int LevelController::Add(const Pressure& pressure) {
  // Until a part went through, nothing is known of the sinks.
  if (pressure.parts_delivered == 0 && pressure.parts_waiting < pressure.part_room) return level_;
  parts_waiting_ += pressure.parts_waiting;
  part_room_ += pressure.part_room;
  blocks_in_hand_ += pressure.blocks_in_hand;
  block_room_ += pressure.block_room;
  if (++blocks_ < kWindowBlocks) return level_;
  const int step = settling_ ? 0 : Step();
  const int before = level_;
  level_ = std::clamp(level_ + step, range_.min, range_.max);
  settling_ = level_ != before;
  blocks_ = 0;
  parts_waiting_ = part_room_ = blocks_in_hand_ = block_room_ = 0;
  return level_;
}

int LevelController::Step() const {
  // Four fifths of what can wait for the sinks does.
  if (5 * parts_waiting_ >= 4 * part_room_) return 1;
  // The workers have next to nothing to do: the source is slower.
  if (4 * blocks_in_hand_ <= block_room_) return 1;
  // The workers have plenty, and the sinks are idle half of the time.
  if (2 * parts_waiting_ <= kWindowBlocks && 2 * blocks_in_hand_ >= block_room_) return -1;
  return 0;
}

}  // namespace volstream
