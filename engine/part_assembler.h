// PartAssembler copies ordered encoded blocks into contiguous parts of exactly the sizes that the
// pool's shape gives them; only the last part is shorter. A block may straddle two parts.
//
// Why copy: a block of zeros encodes to about 1 KiB, so a part that kept references to slabs would
// pin thousands of them. The copy costs far less than encoding.
//
// Threads: one thread at a time. The pool must outlive it.
#ifndef VOLSTREAM_ENGINE_PART_ASSEMBLER_H_
#define VOLSTREAM_ENGINE_PART_ASSEMBLER_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/buffer_pool.h"
#include "engine/bytes.h"
#include "engine/message.h"

namespace volstream {

class PartAssembler {
 public:
  explicit PartAssembler(BufferPool* pool) : pool_(pool) {}

  // Appends the bytes; parts that became full are added to `full`, in order. Errors: as TakePart.
  // REQUIRES: the bytes were admitted by the pool.
  absl::Status Append(ByteSpan bytes, std::vector<std::shared_ptr<Part>>* full);

  // The last part, or null when the stream ended on a part's edge. A stream without any bytes has
  // one empty part, so that a sink sees at least one. No Append may follow. Errors: as TakePart.
  absl::StatusOr<std::shared_ptr<Part>> Flush();

  uint64_t bytes() const { return bytes_; }

 private:
  absl::Status OpenPart();

  BufferPool* const pool_;
  std::shared_ptr<Part> open_;
  uint64_t bytes_ = 0;
  uint64_t next_index_ = 0;
};

}  // namespace volstream

#endif  // VOLSTREAM_ENGINE_PART_ASSEMBLER_H_
