#include "stages/part_queue.h"

#include <utility>

namespace volstream {

absl::Status PartQueue::Begin(const StreamShape& /*shape*/) {
  MutexLock lock(&mu_);
  return cancelled_ ? absl::CancelledError("cancelled") : absl::OkStatus();
}

void PartQueue::Put(std::shared_ptr<const Part> part, Done done) {
  {
    MutexLock lock(&mu_);
    if (!cancelled_) {
      const uint64_t index = part->index;
      waiting_[index] = Waiting{std::move(part), std::move(done)};
      return;
    }
  }
  part.reset();
  done(absl::CancelledError("cancelled"));
}

void PartQueue::DropAll() {
  std::map<uint64_t, Waiting> dropped;
  {
    MutexLock lock(&mu_);
    cancelled_ = true;
    dropped.swap(waiting_);
  }
  for (auto& [index, waiting] : dropped) {
    waiting.part.reset();
    waiting.done(absl::CancelledError("cancelled"));
  }
}

void PartQueue::Cancel() { DropAll(); }

absl::StatusOr<std::string> PartQueue::Finish(const StreamSummary& /*summary*/) {
  return std::string();
}

bool PartQueue::CanPop() const {
  return ended_ || (!waiting_.empty() && waiting_.begin()->first == next_index_);
}

absl::StatusOr<std::shared_ptr<const Part>> PartQueue::Pop() {
  Waiting next;
  {
    MutexLock lock(&mu_);
    mu_.Await([this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return CanPop(); });
    if (ended_ && !status_.ok()) return status_;
    if (waiting_.empty()) return std::shared_ptr<const Part>();
    auto first = waiting_.extract(waiting_.begin());
    next = std::move(first.mapped());
    ++next_index_;
  }
  next.done(absl::OkStatus());
  return std::move(next.part);
}

void PartQueue::End(absl::Status status) {
  bool failed = false;
  {
    MutexLock lock(&mu_);
    if (ended_) return;
    ended_ = true;
    status_ = std::move(status);
    failed = !status_.ok();
  }
  if (failed) DropAll();
}

}  // namespace volstream
