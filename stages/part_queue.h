// PartQueue: PartSink that hands the parts of a pipeline to one consumer, in the order of the
// stream.
//
// A part is done, for the pipeline, when the consumer has it; its buffer comes back when the
// consumer drops it. So the proof of docs/memory.md holds as long as the consumer drops every part
// sooner or later: it may keep one while it waits for the next, and pin others only for work that
// ends by itself, without bytes that are still to come.
//
// Threads: Pop by one thread at a time, the rest as PartSink.
#ifndef VOLSTREAM_STAGES_PART_QUEUE_H_
#define VOLSTREAM_STAGES_PART_QUEUE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/mutex.h"
#include "engine/stage.h"

namespace volstream {

class PartQueue : public PartSink {
 public:
  std::string Describe() const override { return "the reader of the archive"; }
  absl::Status Begin(const StreamShape& shape) override ABSL_LOCKS_EXCLUDED(mu_);
  void Put(std::shared_ptr<const Part> part, Done done) override ABSL_LOCKS_EXCLUDED(mu_);
  // Drops what was not popped. Pop waits on, for the End that says why.
  void Cancel() override ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<std::string> Finish(const StreamSummary& summary) override;
  absl::Status Abort() override { return absl::OkStatus(); }

  // Waits for the next part; null at the end, and ever after. Errors: End's.
  absl::StatusOr<std::shared_ptr<const Part>> Pop() ABSL_LOCKS_EXCLUDED(mu_);

  // No part follows those that were put: the stream has ended, or has failed with `status`, and
  // then what was not popped is dropped. The first call counts.
  void End(absl::Status status) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Waiting {
    std::shared_ptr<const Part> part;
    Done done;
  };
  // Empties the queue and says so to the pipeline.
  void DropAll() ABSL_LOCKS_EXCLUDED(mu_);
  bool CanPop() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  Mutex mu_;
  std::map<uint64_t, Waiting> waiting_ ABSL_GUARDED_BY(mu_);  // by index
  uint64_t next_index_ ABSL_GUARDED_BY(mu_) = 0;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mu_);
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_PART_QUEUE_H_
