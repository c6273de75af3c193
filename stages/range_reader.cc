#include "stages/range_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/check.h"
#include "engine/guarded.h"
#include "engine/start_threads.h"
#include "engine/status_macros.h"

namespace volstream {
namespace {

uint64_t BytesOf(const std::vector<ReadExtent>& extents) {
  uint64_t bytes = 0;
  for (const ReadExtent& extent : extents) bytes += extent.bytes;
  return bytes;
}

}  // namespace

std::vector<ReadExtent> JoinExtents(const std::vector<ReadExtent>& extents) {
  std::vector<ReadExtent> joined;
  for (const ReadExtent& extent : extents) {
    if (extent.bytes == 0) continue;
    if (!joined.empty() && joined.back().end() == extent.offset) {
      joined.back().bytes += extent.bytes;
    } else {
      joined.push_back(extent);
    }
  }
  return joined;
}

RangeReader::RangeReader(ArchiveFile* file, const std::vector<ReadExtent>& extents,
                         RangeReaderOptions options)
    : file_(file),
      options_(options),
      extents_(JoinExtents(extents)),
      next_range_bytes_(std::min(options.first_range_bytes, options.range_bytes)),
      slots_(static_cast<size_t>(options.connections) + 1) {
  VS_CHECK(options_.connections >= 1 && next_range_bytes_ >= 1);
  // A thread for each range that the extents may become while ranges are still the smallest.
  const uint64_t most = BytesOf(extents_) / next_range_bytes_ + extents_.size();
  const uint64_t count = std::min<uint64_t>(static_cast<uint64_t>(options_.connections), most);
  start_status_ = StartThreads(
      count, [this] { Fetch(); }, &threads_);
}

RangeReader::~RangeReader() {
  Cancel();
  for (std::thread& thread : threads_) thread.join();
}

std::optional<ReadExtent> RangeReader::NextRange() {
  if (extent_ == extents_.size()) return std::nullopt;
  const ReadExtent& extent = extents_[extent_];
  ReadExtent range{extent.offset + cut_bytes_,
                   std::min<uint64_t>(extent.bytes - cut_bytes_, next_range_bytes_)};
  next_range_bytes_ = std::min(2 * next_range_bytes_, options_.range_bytes);
  cut_bytes_ += range.bytes;
  if (cut_bytes_ == extent.bytes) {
    ++extent_;
    cut_bytes_ = 0;
  }
  return range;
}

bool RangeReader::CanFetch() const {
  return cancelled_ || failed_ || extent_ == extents_.size() || begun_ < read_ + slots_.size();
}

void RangeReader::Fetch() {
  while (true) {
    ReadExtent range;
    MutableByteSpan out;
    size_t index = 0;
    {
      MutexLock lock(&mu_);
      mu_.Await([this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return CanFetch(); });
      if (cancelled_ || failed_) return;
      const std::optional<ReadExtent> next = NextRange();
      if (!next.has_value()) return;
      range = *next;
      index = static_cast<size_t>(begun_++ % slots_.size());
      Slot& slot = slots_[index];
      if (slot.capacity < range.bytes) {
        buffer_bytes_ += range.bytes - slot.capacity;
        slot.buffer.reset();
        slot.buffer = std::make_unique_for_overwrite<uint8_t[]>(range.bytes);
        slot.capacity = range.bytes;
      }
      slot.bytes = range.bytes;
      slot.done = false;
      // Nobody touches the buffer but this thread until the slot is done.
      out = MutableByteSpan(slot.buffer.get(), range.bytes);
    }
    absl::Status status = Guarded([&] { return file_->ReadAt(range.offset, out); });
    MutexLock lock(&mu_);
    if (!status.ok()) failed_ = true;
    slots_[index].status = std::move(status);
    slots_[index].done = true;
  }
}

absl::StatusOr<size_t> RangeReader::Read(MutableByteSpan out) {
  VS_RETURN_IF_ERROR(start_status_);
  size_t total = 0;
  while (total < out.size()) {
    const uint8_t* from = nullptr;
    size_t count = 0;
    {
      MutexLock lock(&mu_);
      const auto ready = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
        if (cancelled_) return true;
        // What was begun before a failure comes to its end; what was not, never comes.
        if (read_ == begun_) return failed_ || extent_ == extents_.size();
        return slots_[read_ % slots_.size()].done;
      };
      mu_.Await(ready);
      if (cancelled_) return absl::CancelledError("the reading was cancelled");
      if (read_ == begun_) break;
      const Slot& slot = slots_[read_ % slots_.size()];
      if (!slot.status.ok()) return slot.status;
      from = slot.buffer.get() + read_bytes_;
      count = std::min(slot.bytes - read_bytes_, out.size() - total);
    }
    // The slot is this thread's until read_ moves on.
    std::memcpy(out.data() + total, from, count);
    total += count;
    MutexLock lock(&mu_);
    read_bytes_ += count;
    if (read_bytes_ == slots_[read_ % slots_.size()].bytes) {
      ++read_;
      read_bytes_ = 0;
    }
  }
  return total;
}

void RangeReader::Cancel() {
  MutexLock lock(&mu_);
  cancelled_ = true;
}

uint64_t RangeReader::max_buffer_bytes() const {
  return (static_cast<uint64_t>(options_.connections) + 1) * options_.range_bytes;
}

uint64_t RangeReader::peak_buffer_bytes() const {
  MutexLock lock(&mu_);
  return buffer_bytes_;
}

}  // namespace volstream
