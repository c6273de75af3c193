// PartDelivery hashes full parts, keeps a record of each, and hands them to the sinks.
//
// Threads: Deliver is safe for concurrent calls; TakeRecords when none is running or to come. What
// the constructor gets is borrowed.
#ifndef VOLSTREAM_ENGINE_PART_DELIVERY_H_
#define VOLSTREAM_ENGINE_PART_DELIVERY_H_

#include <atomic>
#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "engine/fan_out.h"
#include "engine/message.h"
#include "engine/mutex.h"
#include "engine/part_batcher.h"
#include "engine/stage.h"
#include "engine/stats.h"

namespace volstream {

class PartDelivery {
 public:
  PartDelivery(PartHasher* hasher, FanOut* fan_out, StageCounter* counter)
      : hasher_(hasher),
        fan_out_(fan_out),
        counter_(counter),
        want_sha256_(fan_out->WantsSha256()) {}

  void Deliver(PartBatch parts) ABSL_LOCKS_EXCLUDED(mu_);

  uint64_t parts() const { return parts_.load(std::memory_order_relaxed); }

  // By index. Once.
  std::vector<PartRecord> TakeRecords() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  PartHasher* const hasher_;
  FanOut* const fan_out_;
  StageCounter* const counter_;
  const bool want_sha256_;
  std::atomic<uint64_t> parts_{0};
  // Each part writes the slot of its own index.
  Mutex mu_;
  std::vector<PartRecord> records_ ABSL_GUARDED_BY(mu_);
};

}  // namespace volstream

#endif  // VOLSTREAM_ENGINE_PART_DELIVERY_H_
