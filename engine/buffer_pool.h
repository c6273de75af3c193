// BufferPool is the only large memory of a run. It hands out block slabs and part buffers under one
// fixed budget in bytes, set at construction and never exceeded, though parts may grow: their
// buffers are contiguous, and grow in place of smaller ones.
//
// Threads: all methods are safe to call concurrently. Admit() is the only call in volstream that
// waits for memory, and only the source thread may make it.
// Lifetime: the pool must outlive every lease and the graph whose queues may hold one.
// Invariant: reserved_bytes <= free_part_bytes. A block is admitted only when the most it can
// encode to fits the part space that nobody has claimed yet, so TakePart() never waits.
// docs/memory.md has the proof that a waiting Admit() always wakes.
#ifndef VOLSTREAM_ENGINE_BUFFER_POOL_H_
#define VOLSTREAM_ENGINE_BUFFER_POOL_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/bytes.h"
#include "engine/mutex.h"
#include "engine/part_sizes.h"

namespace volstream {

class BufferPool;

// Sizes and counts of a pool. Memory in use is at most TotalBytes().
struct PoolShape {
  size_t block_bytes = 0;  // input area of a slab
  size_t bound_bytes = 0;  // output area of a slab: the most a block can encode to
  size_t slab_count = 0;
  PartSizes parts;                 // of the parts in the order in which they are taken
  uint64_t part_memory_bytes = 0;  // of all part buffers together

  uint64_t TotalBytes() const {
    return uint64_t{slab_count} * (block_bytes + bound_bytes) + part_memory_bytes;
  }
  // Buffers of the first part's size that the part memory holds: no more parts exist at a time.
  size_t MaxPartCount() const { return static_cast<size_t>(part_memory_bytes / parts.first_bytes); }
  // kInvalidArgument unless a run in this shape can always go on: at least one slab, memory for two
  // of the largest parts, and parts that hold the largest encoded block.
  absl::Status Validate() const;
};

// One admitted block: a slab, and the right to append up to bound_bytes to the parts. Move-only.
// Destroying it gives back whatever it still holds.
class BlockLease {
 public:
  BlockLease() = default;
  BlockLease(BlockLease&& other) noexcept { *this = std::move(other); }
  BlockLease& operator=(BlockLease&& other) noexcept;
  ~BlockLease() { Release(); }

  MutableByteSpan in() const;
  MutableByteSpan out() const;
  // Which slab of the pool it is, from 0; no two leases held at a time have the same.
  size_t slab_index() const;

  // Turns the reservation into `used` bytes of part space. REQUIRES: used <= bound_bytes; at most
  // one call.
  void Settle(size_t used);
  // Gives back the slab, and the reservation if it was not settled. The spans die here.
  void Release();

 private:
  friend class BufferPool;
  BlockLease(BufferPool* pool, uint8_t* slab) : pool_(pool), slab_(slab), reserved_(true) {}

  BufferPool* pool_ = nullptr;
  uint8_t* slab_ = nullptr;
  bool reserved_ = false;
};

// The buffer of one part. Move-only; destroying it gives the buffer back.
class PartLease {
 public:
  PartLease() = default;
  PartLease(PartLease&& other) noexcept { *this = std::move(other); }
  PartLease& operator=(PartLease&& other) noexcept;
  ~PartLease() { Release(); }

  uint8_t* data() const { return data_; }
  size_t size() const { return size_; }  // what the part has when it is full
  bool empty() const { return data_ == nullptr; }
  void Release();

 private:
  friend class BufferPool;
  PartLease(BufferPool* pool, MutableByteSpan buffer)
      : pool_(pool), data_(buffer.data()), size_(buffer.size()) {}

  BufferPool* pool_ = nullptr;
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

class BufferPool {
 public:
  // The memory is mapped here, and touched as it is used: buffers are taken from stacks, so where
  // sinks keep up a run occupies no more than what is on its way.
  // REQUIRES: shape.Validate().ok().
  explicit BufferPool(const PoolShape& shape);
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  const PoolShape& shape() const { return shape_; }

  // Waits until one block can be carried through to the sinks, then reserves all that it needs.
  // kCancelled once Close() was called; a waiting caller wakes at once.
  absl::StatusOr<BlockLease> Admit() ABSL_LOCKS_EXCLUDED(mu_);

  // The buffer of the next part in order. Never waits; aborts the process if the invariant is
  // broken. kResourceExhausted when the system has no memory for a buffer that must grow: never
  // where parts are equal. One caller at a time.
  absl::StatusOr<PartLease> TakePart() ABSL_LOCKS_EXCLUDED(mu_);

  // Says that `unused` bytes at the end of a part will never be written (the last, short part).
  void ForgoPartSpace(size_t unused) ABSL_LOCKS_EXCLUDED(mu_);

  // No block is admitted from here on.
  void Close() ABSL_LOCKS_EXCLUDED(mu_);

  struct Usage {
    size_t slabs_in_use = 0;
    size_t parts_in_use = 0;
    size_t granted_parts = 0;             // in use, or with memory to be taken at once
    uint64_t returned_parts = 0;          // ever
    uint64_t reserved_bytes = 0;          // promised to admitted blocks
    uint64_t free_part_bytes = 0;         // granted and not yet written; includes what is reserved
    uint64_t part_buffer_bytes = 0;       // of all part buffers, in use or not
    uint64_t peak_part_buffer_bytes = 0;  // the most that those ever were
    uint64_t admit_waits = 0;             // Admit() calls that had to wait
    int64_t admit_wait_ns = 0;            // time spent there
    int64_t admit_wait_for_parts_ns = 0;  // of it: with a slab free, but no part space
  };
  Usage usage() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  friend class BlockLease;
  friend class PartLease;

  // What TakePart does to get a buffer of some size, decided under the lock and done outside of it.
  struct Fitting {
    MutableByteSpan buffer;                // to be used, grown if it is smaller; may be empty
    std::vector<MutableByteSpan> surplus;  // to be unmapped first
  };

  bool CanAdmit() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Grants the parts to come for which there is memory by now.
  void GrantParts() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Fitting Fit(size_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void SettleReservation(size_t used) ABSL_LOCKS_EXCLUDED(mu_);
  void ReturnSlab(uint8_t* slab) ABSL_LOCKS_EXCLUDED(mu_);
  void ReturnPart(MutableByteSpan buffer) ABSL_LOCKS_EXCLUDED(mu_);

  const PoolShape shape_;
  uint8_t* const memory_;
  mutable Mutex mu_;
  std::vector<uint8_t*> free_slabs_ ABSL_GUARDED_BY(mu_);  // a stack: the warmest slab first
  // A stack too. Sizes never shrink, so none is larger than the next part.
  std::vector<MutableByteSpan> free_parts_ ABSL_GUARDED_BY(mu_);
  uint64_t part_buffer_bytes_ ABSL_GUARDED_BY(mu_) = 0;  // of all buffers; <= part_memory_bytes
  uint64_t peak_part_buffer_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t taken_parts_ ABSL_GUARDED_BY(mu_) = 0;     // ever; the next part's index
  uint64_t returned_parts_ ABSL_GUARDED_BY(mu_) = 0;  // ever
  // Parts below granted_parts_ that were not returned have room in the part memory, all at once:
  // their sizes sum up to granted_bytes_ <= part_memory_bytes.
  uint64_t granted_parts_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t granted_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t reserved_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t free_part_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t admit_waits_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t admit_wait_ns_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t admit_wait_for_parts_ns_ ABSL_GUARDED_BY(mu_) = 0;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace volstream

#endif  // VOLSTREAM_ENGINE_BUFFER_POOL_H_
