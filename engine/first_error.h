// FirstError keeps the one cause of a failed run. Many threads may fail at once, and one failure
// makes others (a closed pool, cancelled uploads): the first Set wins, and its status is what the
// run reports.
//
// Threads: all methods are safe to call concurrently. failed() is one relaxed-cost atomic load.
#ifndef VOLSTREAM_ENGINE_FIRST_ERROR_H_
#define VOLSTREAM_ENGINE_FIRST_ERROR_H_

#include <atomic>
#include <functional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "engine/mutex.h"

namespace volstream {

class FirstError {
 public:
  // `on_first` runs once, on the thread whose Set won, to wake whoever waits for work that will
  // not come.
  explicit FirstError(std::function<void()> on_first) : on_first_(std::move(on_first)) {}

  // True if `status` became the cause. OK is ignored.
  bool Set(absl::Status status) ABSL_LOCKS_EXCLUDED(mu_);

  bool failed() const { return failed_.load(std::memory_order_acquire); }

  // The cause, or OK.
  absl::Status status() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  const std::function<void()> on_first_;
  std::atomic<bool> failed_{false};
  mutable Mutex mu_;
  absl::Status status_ ABSL_GUARDED_BY(mu_);
};

}  // namespace volstream

#endif  // VOLSTREAM_ENGINE_FIRST_ERROR_H_
