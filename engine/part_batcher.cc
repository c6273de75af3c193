#include "engine/part_batcher.h"

#include <utility>

namespace volstream {
namespace {

// What may be held is this part of the part memory.
constexpr uint64_t kHeldShare = 4;

}  // namespace

PartBatch PartBatcher::Add(std::shared_ptr<Part> part) {
  held_bytes_ += part->lease.size();
  held_.push_back(std::move(part));
  return MayHold() ? PartBatch() : TakeAll();
}

PartBatch PartBatcher::TakeAll() {
  held_bytes_ = 0;
  return std::exchange(held_, PartBatch());
}

bool PartBatcher::MayHold() const {
  const uint64_t next = held_.back()->index + 1;
  return held_.size() < parts_ && held_bytes_ <= shape_.part_memory_bytes / kHeldShare &&
         held_bytes_ + shape_.parts.At(next) + shape_.parts.At(next + 1) <=
             shape_.part_memory_bytes;
}

}  // namespace volstream
