// StreamLimit ends the run of a stream of unknown length that outgrows its parts, with the remedy,
// before a destination refuses a part.
//
// Threads: as StreamObserver.
#ifndef VOLSTREAM_STAGES_STREAM_LIMIT_H_
#define VOLSTREAM_STAGES_STREAM_LIMIT_H_

#include <cstdint>

#include "absl/status/status.h"
#include "engine/part_sizes.h"
#include "engine/stage.h"
#include "stages/part_plan.h"

namespace volstream {

class StreamLimit : public StreamObserver {
 public:
  StreamLimit(const PartSizes& sizes, const PartLimits& limits)
      : sizes_(sizes), limits_(limits), capacity_(StreamCapacity(sizes, limits)) {}

  // kResourceExhausted for the block whose last byte is beyond the last part.
  absl::Status OnBlock(const BlockRecord& record, ByteSpan encoded) override;

 private:
  const PartSizes sizes_;
  const PartLimits limits_;
  const uint64_t capacity_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_STREAM_LIMIT_H_
