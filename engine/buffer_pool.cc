#include "engine/buffer_pool.h"

#include <sys/mman.h>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "engine/check.h"
#include "engine/mutex.h"

namespace volstream {
namespace {

constexpr size_t kPageBytes = 4096;

// Slabs and parts begin on page boundaries; the rounding is below 0.4 % of any real shape.
size_t PageRounded(size_t bytes) { return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes; }

size_t SlabStride(const PoolShape& shape) {
  return PageRounded(shape.block_bytes) + PageRounded(shape.bound_bytes);
}

size_t MappedBytes(const PoolShape& shape) {
  return shape.slab_count * SlabStride(shape) + shape.part_count * PageRounded(shape.part_bytes);
}

uint8_t* MapMemory(const PoolShape& shape) {
  VS_CHECK(shape.Validate().ok());
  void* memory = mmap(nullptr, MappedBytes(shape), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  VS_CHECK(memory != MAP_FAILED);
  return static_cast<uint8_t*>(memory);
}

}  // namespace

absl::Status PoolShape::Validate() const {
  if (block_bytes == 0 || slab_count < 1 || part_count < 2 || part_bytes < bound_bytes) {
    return absl::InvalidArgumentError(
        absl::StrFormat("%d slabs of %d+%d bytes and %d parts of %d bytes: a run needs a slab, two "
                        "parts, and parts "
                        "no smaller than an encoded block",
                        slab_count, block_bytes, bound_bytes, part_count, part_bytes));
  }
  return absl::OkStatus();
}

BlockLease& BlockLease::operator=(BlockLease&& other) noexcept {
  if (this != &other) {
    Release();
    pool_ = std::exchange(other.pool_, nullptr);
    slab_ = std::exchange(other.slab_, nullptr);
    reserved_ = std::exchange(other.reserved_, false);
  }
  return *this;
}

MutableByteSpan BlockLease::in() const { return MutableByteSpan(slab_, pool_->shape_.block_bytes); }

MutableByteSpan BlockLease::out() const {
  return MutableByteSpan(slab_ + PageRounded(pool_->shape_.block_bytes), pool_->shape_.bound_bytes);
}

size_t BlockLease::slab_index() const {
  return static_cast<size_t>(slab_ - pool_->memory_) / SlabStride(pool_->shape_);
}

void BlockLease::Settle(size_t used) {
  VS_CHECK(reserved_);
  reserved_ = false;
  pool_->SettleReservation(used);
}

void BlockLease::Release() {
  if (pool_ == nullptr) return;
  if (reserved_) Settle(0);
  pool_->ReturnSlab(std::exchange(slab_, nullptr));
  pool_ = nullptr;
}

PartLease& PartLease::operator=(PartLease&& other) noexcept {
  if (this != &other) {
    Release();
    pool_ = std::exchange(other.pool_, nullptr);
    data_ = std::exchange(other.data_, nullptr);
  }
  return *this;
}

void PartLease::Release() {
  if (pool_ == nullptr) return;
  pool_->ReturnPart(std::exchange(data_, nullptr));
  pool_ = nullptr;
}

BufferPool::BufferPool(const PoolShape& shape, bool prefault)
    : shape_(shape), memory_(MapMemory(shape)) {
  // Advice: on a kernel that does not know it, pages come as they are used.
  (void)madvise(memory_, MappedBytes(shape_), MADV_HUGEPAGE);
  if (prefault) (void)madvise(memory_, MappedBytes(shape_), MADV_POPULATE_WRITE);
  uint8_t* next = memory_;
  free_slabs_.reserve(shape_.slab_count);
  for (size_t i = 0; i < shape_.slab_count; ++i, next += SlabStride(shape_)) {
    free_slabs_.push_back(next);
  }
  free_parts_.reserve(shape_.part_count);
  for (size_t i = 0; i < shape_.part_count; ++i, next += PageRounded(shape_.part_bytes)) {
    free_parts_.push_back(next);
  }
  free_part_bytes_ = uint64_t{shape_.part_count} * shape_.part_bytes;
}

BufferPool::~BufferPool() {
  {
    MutexLock lock(&mu_);
    VS_CHECK(free_slabs_.size() == shape_.slab_count);
    VS_CHECK(free_parts_.size() == shape_.part_count);
  }
  munmap(memory_, MappedBytes(shape_));
}

bool BufferPool::CanAdmit() const {
  return closed_ ||
         (!free_slabs_.empty() && reserved_bytes_ + shape_.bound_bytes <= free_part_bytes_);
}

absl::StatusOr<BlockLease> BufferPool::Admit() {
  MutexLock lock(&mu_);
  if (!CanAdmit()) {
    const absl::Time start = absl::Now();
    mu_.Await([this] { return CanAdmit(); });
    ++admit_waits_;
    admit_wait_ns_ += absl::ToInt64Nanoseconds(absl::Now() - start);
  }
  if (closed_) return absl::CancelledError("the buffer pool is closed");
  uint8_t* slab = free_slabs_.back();
  free_slabs_.pop_back();
  reserved_bytes_ += shape_.bound_bytes;
  return BlockLease(this, slab);
}

PartLease BufferPool::TakePart() {
  MutexLock lock(&mu_);
  VS_CHECK(!free_parts_.empty());
  uint8_t* part = free_parts_.back();
  free_parts_.pop_back();
  return PartLease(this, part);
}

void BufferPool::ForgoPartSpace(size_t unused) {
  MutexLock lock(&mu_);
  VS_CHECK(reserved_bytes_ + unused <= free_part_bytes_);
  free_part_bytes_ -= unused;
}

void BufferPool::Close() {
  MutexLock lock(&mu_);
  closed_ = true;
}

BufferPool::Usage BufferPool::usage() const {
  MutexLock lock(&mu_);
  Usage usage;
  usage.slabs_in_use = shape_.slab_count - free_slabs_.size();
  usage.parts_in_use = shape_.part_count - free_parts_.size();
  usage.reserved_bytes = reserved_bytes_;
  usage.free_part_bytes = free_part_bytes_;
  usage.admit_waits = admit_waits_;
  usage.admit_wait_ns = admit_wait_ns_;
  return usage;
}

void BufferPool::SettleReservation(size_t used) {
  MutexLock lock(&mu_);
  VS_CHECK(used <= shape_.bound_bytes);
  reserved_bytes_ -= shape_.bound_bytes;
  free_part_bytes_ -= used;
}

void BufferPool::ReturnSlab(uint8_t* slab) {
  MutexLock lock(&mu_);
  free_slabs_.push_back(slab);
}

void BufferPool::ReturnPart(uint8_t* part) {
  MutexLock lock(&mu_);
  free_parts_.push_back(part);
  free_part_bytes_ += shape_.part_bytes;
}

}  // namespace volstream
