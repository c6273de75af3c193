// PartBatcher holds full parts back until enough of them are together to be hashed at once
// (PartHasher::BatchParts).
//
// A held part is not on its way to a sink, so nothing but the batcher can bring its memory back.
// Two bounds keep that from mattering: what is held has at most a quarter of the part memory, and
// it leaves room for the part that is being filled and the one after that, so the source never
// waits for a part that is held (docs/memory.md).
//
// Threads: one thread at a time.
#ifndef VOLSTREAM_ENGINE_PART_BATCHER_H_
#define VOLSTREAM_ENGINE_PART_BATCHER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/buffer_pool.h"
#include "engine/message.h"

namespace volstream {

using PartBatch = std::vector<std::shared_ptr<Part>>;

class PartBatcher {
 public:
  // Batches of at most `parts`, at least 1, of parts from a pool of this shape.
  PartBatcher(const PoolShape& shape, size_t parts) : shape_(shape), parts_(parts) {}

  // Takes the next part in order. What is to be hashed now, in order; empty if the part is held.
  PartBatch Add(std::shared_ptr<Part> part);

  // All that is held: no more parts come, or none that matters.
  PartBatch TakeAll();

 private:
  bool MayHold() const;

  const PoolShape shape_;
  const size_t parts_;
  PartBatch held_;
  uint64_t held_bytes_ = 0;  // of their buffers
};

}  // namespace volstream

#endif  // VOLSTREAM_ENGINE_PART_BATCHER_H_
