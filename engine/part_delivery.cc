#include "engine/part_delivery.h"

#include <utility>

namespace volstream {

void PartDelivery::Deliver(PartBatch parts) {
  std::vector<PartBytes> in;
  uint64_t bytes = 0;
  in.reserve(parts.size());
  for (const std::shared_ptr<Part>& part : parts) {
    in.push_back(PartBytes{part->index, part->data()});
    bytes += part->bytes;
  }
  std::vector<PartDigest> digests(in.size());
  StageTimer timer(counter_);
  hasher_->Hash(in, want_sha256_, digests);
  timer.Stop(bytes, bytes);
  parts_.fetch_add(parts.size(), std::memory_order_relaxed);
  for (size_t i = 0; i < parts.size(); ++i) {
    Part& part = *parts[i];
    part.digest = digests[i];
    {
      MutexLock lock(&mu_);
      if (records_.size() <= part.index) records_.resize(part.index + 1);
      records_[part.index] = PartRecord{part.offset, part.bytes, part.digest};
    }
    fan_out_->Deliver(std::move(parts[i]));
  }
}

std::vector<PartRecord> PartDelivery::TakeRecords() {
  MutexLock lock(&mu_);
  return std::move(records_);
}

}  // namespace volstream
