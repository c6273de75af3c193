#include "engine/buffer_pool.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "engine/check.h"
#include "engine/mutex.h"
#include "engine/status_macros.h"

namespace volstream {
namespace {

constexpr size_t kPageBytes = 4096;

// Slabs and parts begin on page boundaries; the rounding is below 0.4 % of any real shape.
size_t PageRounded(size_t bytes) { return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes; }

size_t SlabStride(const PoolShape& shape) {
  return PageRounded(shape.block_bytes) + PageRounded(shape.bound_bytes);
}

size_t MappedBytes(const PoolShape& shape) {
  return shape.slab_count * SlabStride(shape) +
         shape.MaxPartCount() * PageRounded(shape.parts.first_bytes);
}

// Pages come as they are used. Null when the system refuses.
uint8_t* Map(size_t bytes) {
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  // Advice: a kernel that does not know it gives small pages.
  (void)madvise(memory, bytes, MADV_HUGEPAGE);
  return static_cast<uint8_t*>(memory);
}

uint8_t* MapMemory(const PoolShape& shape) {
  VS_CHECK(shape.Validate().ok());
  uint8_t* const memory = Map(MappedBytes(shape));
  VS_CHECK(memory != nullptr);
  return memory;
}

void Unmap(MutableByteSpan buffer) { munmap(buffer.data(), PageRounded(buffer.size())); }

// The buffer with room for `bytes`, by moving its pages where need be; null when the system refuses
// and the buffer is as it was. An empty buffer gives a new one.
uint8_t* Grown(MutableByteSpan buffer, size_t bytes) {
  if (buffer.empty()) return Map(PageRounded(bytes));
  const size_t old_bytes = PageRounded(buffer.size());
  if (old_bytes == PageRounded(bytes)) return buffer.data();
  void* const memory = mremap(buffer.data(), old_bytes, PageRounded(bytes), MREMAP_MAYMOVE);
  return memory == MAP_FAILED ? nullptr : static_cast<uint8_t*>(memory);
}

}  // namespace

absl::Status PoolShape::Validate() const {
  VS_RETURN_IF_ERROR(parts.Validate());
  if (block_bytes == 0 || slab_count < 1 || parts.first_bytes < bound_bytes ||
      part_memory_bytes / 2 < parts.largest_bytes()) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "%d slabs of %d+%d bytes and %d bytes for parts of %d to %d: a run needs a slab, room for "
        "two parts, and parts no smaller than an encoded block",
        slab_count, block_bytes, bound_bytes, part_memory_bytes, parts.first_bytes,
        parts.largest_bytes()));
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
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

void PartLease::Release() {
  if (pool_ == nullptr) return;
  pool_->ReturnPart(MutableByteSpan(std::exchange(data_, nullptr), std::exchange(size_, 0)));
  pool_ = nullptr;
}

BufferPool::BufferPool(const PoolShape& shape) : shape_(shape), memory_(MapMemory(shape)) {
  uint8_t* next = memory_;
  free_slabs_.reserve(shape_.slab_count);
  for (size_t i = 0; i < shape_.slab_count; ++i, next += SlabStride(shape_)) {
    free_slabs_.push_back(next);
  }
  const size_t part_count = shape_.MaxPartCount();
  const size_t part_bytes = shape_.parts.first_bytes;
  free_parts_.reserve(part_count);
  for (size_t i = 0; i < part_count; ++i, next += PageRounded(part_bytes)) {
    free_parts_.push_back(MutableByteSpan(next, part_bytes));
  }
  part_buffer_bytes_ = peak_part_buffer_bytes_ = uint64_t{part_count} * part_bytes;
  MutexLock lock(&mu_);
  GrantParts();
}

BufferPool::~BufferPool() {
  MutexLock lock(&mu_);
  VS_CHECK(free_slabs_.size() == shape_.slab_count);
  VS_CHECK(taken_parts_ == returned_parts_);
  munmap(memory_, shape_.slab_count * SlabStride(shape_));
  for (const MutableByteSpan buffer : free_parts_) Unmap(buffer);
}

void BufferPool::GrantParts() {
  for (size_t bytes = shape_.parts.At(granted_parts_);
       granted_bytes_ + bytes <= shape_.part_memory_bytes;
       bytes = shape_.parts.At(granted_parts_)) {
    ++granted_parts_;
    granted_bytes_ += bytes;
    free_part_bytes_ += bytes;
  }
}

bool BufferPool::CanAdmit() const {
  return closed_ ||
         (!free_slabs_.empty() && reserved_bytes_ + shape_.bound_bytes <= free_part_bytes_);
}

absl::StatusOr<BlockLease> BufferPool::Admit() {
  MutexLock lock(&mu_);
  if (!CanAdmit()) {
    const absl::Time start = absl::Now();
    // One after the other, for the account of what was waited for: a slab once free stays free.
    mu_.Await([this] { return closed_ || !free_slabs_.empty(); });
    const absl::Time have_slab = absl::Now();
    mu_.Await([this] { return CanAdmit(); });
    const absl::Time end = absl::Now();
    ++admit_waits_;
    admit_wait_ns_ += absl::ToInt64Nanoseconds(end - start);
    admit_wait_for_parts_ns_ += absl::ToInt64Nanoseconds(end - have_slab);
  }
  if (closed_) return absl::CancelledError("the buffer pool is closed");
  uint8_t* slab = free_slabs_.back();
  free_slabs_.pop_back();
  reserved_bytes_ += shape_.bound_bytes;
  return BlockLease(this, slab);
}

BufferPool::Fitting BufferPool::Fit(size_t bytes) {
  Fitting fitting;
  if (!free_parts_.empty()) {
    fitting.buffer = free_parts_.back();
    free_parts_.pop_back();
  }
  part_buffer_bytes_ += bytes - fitting.buffer.size();
  // Ends: the parts in use and this one were granted.
  size_t surplus = 0;
  while (part_buffer_bytes_ > shape_.part_memory_bytes) {
    VS_CHECK(surplus < free_parts_.size());
    part_buffer_bytes_ -= free_parts_[surplus++].size();
  }
  const auto end = free_parts_.begin() + static_cast<ptrdiff_t>(surplus);
  fitting.surplus.assign(free_parts_.begin(), end);
  free_parts_.erase(free_parts_.begin(), end);
  peak_part_buffer_bytes_ = std::max(peak_part_buffer_bytes_, part_buffer_bytes_);
  return fitting;
}

absl::StatusOr<PartLease> BufferPool::TakePart() {
  size_t bytes = 0;
  Fitting fitting;
  {
    MutexLock lock(&mu_);
    VS_CHECK(taken_parts_ < granted_parts_);
    bytes = shape_.parts.At(taken_parts_);
    fitting = Fit(bytes);
    ++taken_parts_;
  }
  for (const MutableByteSpan buffer : fitting.surplus) Unmap(buffer);
  if (uint8_t* const data = Grown(fitting.buffer, bytes); data != nullptr) {
    return PartLease(this, MutableByteSpan(data, bytes));
  }
  if (!fitting.buffer.empty()) Unmap(fitting.buffer);
  MutexLock lock(&mu_);
  part_buffer_bytes_ -= bytes;
  // The part stays granted: the run ends here.
  ++returned_parts_;
  return absl::ResourceExhaustedError(absl::StrFormat(
      "the system has no memory for a part of %d MiB, although it is within the budget of %d MiB: "
      "choose a smaller budget, or free memory",
      bytes / kMiB, shape_.TotalBytes() / kMiB));
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
  usage.parts_in_use = static_cast<size_t>(taken_parts_ - returned_parts_);
  usage.granted_parts = static_cast<size_t>(granted_parts_ - returned_parts_);
  usage.returned_parts = returned_parts_;
  usage.reserved_bytes = reserved_bytes_;
  usage.free_part_bytes = free_part_bytes_;
  usage.part_buffer_bytes = part_buffer_bytes_;
  usage.peak_part_buffer_bytes = peak_part_buffer_bytes_;
  usage.admit_waits = admit_waits_;
  usage.admit_wait_ns = admit_wait_ns_;
  usage.admit_wait_for_parts_ns = admit_wait_for_parts_ns_;
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

void BufferPool::ReturnPart(MutableByteSpan buffer) {
  MutexLock lock(&mu_);
  free_parts_.push_back(buffer);
  ++returned_parts_;
  granted_bytes_ -= buffer.size();
  GrantParts();
}

}  // namespace volstream
