// PipelineOptions: sizes and counts of a run, and the pool's shape that follows from them.
#ifndef VOLSTREAM_ENGINE_OPTIONS_H_
#define VOLSTREAM_ENGINE_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <functional>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/buffer_pool.h"
#include "engine/bytes.h"
#include "engine/part_sizes.h"
#include "engine/stats.h"

namespace volstream {

struct PipelineOptions {
  uint64_t memory_bytes = 256 * kMiB;  // budget of all slabs and part buffers together
  size_t block_bytes = kMiB;           // source bytes of one block
  PartSizes parts;                     // equal parts of 16 MiB
  int workers = 0;                     // threads that compute; 0 = one a core

  // The first sink to fail stops the run. Otherwise it is dropped and the run goes on while at
  // least one sink lives.
  bool stop_on_sink_failure = false;

  // Called from a thread of the pipeline's own at this interval, and once at the end. Must not
  // call back into the pipeline.
  std::function<void(const Progress&)> on_progress;
  absl::Duration progress_interval = absl::Milliseconds(500);

  // Called once, when the source will not be touched again: its last block has been filled, or the
  // run has failed and nothing reads any more. The last blocks and parts are still on their way:
  // from this moment the source may change again. Any thread, a worker's most likely, so it must
  // not block. Not called by a run that fails before anything was read.
  std::function<void()> on_source_read;

  // Called for each block once the source has cut it, before it is filled and encoded. Source
  // thread, one call at a time, so it must not block.
  std::function<void(const Pressure&)> on_pressure;
};

// `workers`, or the number of cores that this process may use.
int ResolveWorkers(int workers);

// The slabs that keep a run busy: two a worker, as PipelineOptions::workers has them, and two in
// hand. Where an eighth of the memory holds more, a run has up to twice as many, so that neither a
// slow block nor a full ordered part leaves a worker idle.
uint64_t WantedSlabs(int workers);

// What the parts have of the budget when slabs get all that they want, at most half of the memory.
// Parts of up to half of this hold no slab up. `bound_bytes` is the codec's bound for one block.
uint64_t PartMemoryBytes(const PipelineOptions& options, size_t bound_bytes);

// Splits the budget: to slabs what they want, as above, unless the two largest parts leave less;
// all else to parts. kInvalidArgument with the smallest budget that would do when there is no room
// for two parts and a slab, or when the budget is more than the machine has.
absl::StatusOr<PoolShape> DerivePoolShape(const PipelineOptions& options, size_t bound_bytes);

// The most bytes that a source of source_bytes can encode to in blocks of at most block_bytes, each
// with the codec's bound. A source may cut blocks short: allows for twice the blocks, which covers
// every source that cuts at most one block a full block.
uint64_t MaxEncodedBytes(uint64_t source_bytes, size_t block_bytes, size_t bound_bytes);

}  // namespace volstream

#endif  // VOLSTREAM_ENGINE_OPTIONS_H_
