// LevelController: which compression level suits what a run is held up by. Where the sinks are what
// everything waits for, or the source is, processor time is to be had and the level rises; where
// the workers are, it falls.
//
// It is fed with the pressure at each block and decides once a window of blocks: a step of one, and
// after a step one window for it to show. Between "the sinks hold nearly all memory" and "they hold
// next to nothing" lies all of the ground on which the level stays. Pure: no clock, no thread.
//
// Threads: one at a time.
#ifndef VOLSTREAM_STAGES_LEVEL_CONTROLLER_H_
#define VOLSTREAM_STAGES_LEVEL_CONTROLLER_H_

#include <cstdint>

#include "engine/stats.h"
#include "stages/level_history.h"

namespace volstream {

class LevelController {
 public:
  static constexpr int kWindowBlocks = 16;

  // REQUIRES: range.min <= range.start <= range.max.
  explicit LevelController(const LevelRange& range) : range_(range), level_(range.start) {}

  // Takes the pressure at the next block; returns the level that is right from here on.
  int Add(const Pressure& pressure);

  int level() const { return level_; }

 private:
  int Step() const;

  const LevelRange range_;
  int level_;
  // Sums over the window.
  int blocks_ = 0;
  uint64_t parts_waiting_ = 0;
  uint64_t part_room_ = 0;
  uint64_t blocks_in_hand_ = 0;
  uint64_t block_room_ = 0;
  bool settling_ = false;  // the window follows a step
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_LEVEL_CONTROLLER_H_
