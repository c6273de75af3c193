// LevelHistory: what became of a compression level that followed what held the run up. Kept in the
// receipt, and bounded: a run of any length adds a few kilobytes.
#ifndef VOLSTREAM_STAGES_LEVEL_HISTORY_H_
#define VOLSTREAM_STAGES_LEVEL_HISTORY_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace volstream {

// Levels to move within, and the one to begin with.
struct LevelRange {
  int min = 0;
  int max = 0;
  int start = 0;
};

struct LevelHistory {
  static constexpr size_t kMaxChanges = 100;
  struct Change {
    // Blocks from this byte of the planned source stream on have the level. Those in hand at the
    // time may have it too: at most two a worker and two more, before it.
    uint64_t source_offset = 0;
    int level = 0;
  };

  LevelRange range;
  std::vector<Change> changes;     // the first kMaxChanges
  uint64_t change_count = 0;       // of all
  std::map<int, uint64_t> blocks;  // by level, where there are any
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_LEVEL_HISTORY_H_
