// Counters of a run: what each stage did and how long it was busy. Recording is a few relaxed
// atomic additions a block, so every run carries them.
#ifndef VOLSTREAM_ENGINE_STATS_H_
#define VOLSTREAM_ENGINE_STATS_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace volstream {

enum class Stage { kFill, kEncode, kAssemble, kObserve, kPartHash };
inline constexpr int kStageCount = 5;
std::string_view StageName(Stage stage);

struct StageStats {
  uint64_t calls = 0;
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
  absl::Duration busy;  // wall time inside the stage, summed over threads
  absl::Duration cpu;   // processor time of the same calls
};

// State of a running pipeline, for people: approximate, and cheap to take.
struct Progress {
  absl::Duration elapsed;
  uint64_t max_source_bytes = 0;  // upper bound of the source stream; 0 = not known
  uint64_t source_bytes = 0;      // filled so far
  uint64_t encoded_bytes = 0;     // assembled so far
  uint64_t stored_bytes = 0;      // of the least advanced live sink
  uint64_t parts_in_flight = 0;   // handed to a sink and not yet done
  bool finished = false;
};

// What holds a running pipeline up, in what it has in hand: taken as each block is admitted,
// without a clock.
struct Pressure {
  uint64_t source_offset = 0;    // of the block in the planned source stream
  uint64_t parts_delivered = 0;  // parts that all sinks were done with, ever
  size_t parts_waiting = 0;      // full parts that some sink is not done with
  size_t part_room = 0;          // the most that could be waiting
  size_t blocks_in_hand = 0;     // admitted and not yet assembled, without this one
  size_t block_room = 0;         // the most that could be
};

// The full account of a run that has ended.
struct RunStats {
  absl::Duration elapsed;
  int workers = 0;
  uint64_t blocks = 0;
  uint64_t blocks_stored = 0;  // taken over as they were
  uint64_t blocks_redone = 0;  // encoded twice, as the first attempt did not decode
  uint64_t source_bytes = 0;
  uint64_t encoded_bytes = 0;
  uint64_t parts = 0;
  uint64_t memory_bytes = 0;            // what the pool may use at most
  uint64_t peak_part_buffer_bytes = 0;  // the most that it had of part buffers at a time
  uint64_t admit_waits = 0;             // times the source waited for memory
  // The part of it that slabs were free and memory for parts was not: the sinks were behind. The
  // rest is that all slabs were with the workers.
  absl::Duration admit_wait;
  absl::Duration admit_wait_for_parts;
  absl::Duration sinks_busy;  // with a part or more in flight
  absl::Duration drain;       // from the last part handed over until all sinks had theirs
  absl::Duration finish;      // what the sinks took to end: complete, check
  std::array<StageStats, kStageCount> stages;

  const StageStats& stage(Stage which) const { return stages[static_cast<int>(which)]; }
};

// The live counters of one stage. Safe for concurrent calls.
class StageCounter {
 public:
  void Add(uint64_t bytes_in, uint64_t bytes_out, int64_t busy_ns, int64_t cpu_ns);
  StageStats Snapshot() const;

 private:
  std::atomic<uint64_t> calls_{0};
  std::atomic<uint64_t> bytes_in_{0};
  std::atomic<uint64_t> bytes_out_{0};
  std::atomic<int64_t> busy_ns_{0};
  std::atomic<int64_t> cpu_ns_{0};
};

// Measures one call of a stage from construction to Stop().
class StageTimer {
 public:
  explicit StageTimer(StageCounter* counter);
  void Stop(uint64_t bytes_in, uint64_t bytes_out);

 private:
  StageCounter* const counter_;
  const int64_t wall_start_ns_;
  const int64_t cpu_start_ns_;
};

// Processor time of the calling thread so far.
double ThreadCpuSeconds();

}  // namespace volstream

#endif  // VOLSTREAM_ENGINE_STATS_H_
