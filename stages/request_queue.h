// RequestQueue: the requests of a transport that have not started: handed over by any thread,
// waiting for their time or for a free connection. Knows no network.
//
// Threads: Push, Sweep, CancelAll and Stop may be called from any thread; the rest belongs to the
// transport's one I/O thread. Nothing here waits, or calls `done`.
// Time is the steady clock's, so that a backoff does not change when someone sets the clock.
#ifndef VOLSTREAM_STAGES_REQUEST_QUEUE_H_
#define VOLSTREAM_STAGES_REQUEST_QUEUE_H_

#include <chrono>
#include <deque>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "engine/mutex.h"
#include "stages/http_transport.h"

namespace volstream {

struct QueuedRequest {
  HttpRequest request;
  HttpTransport::Done done;
  std::chrono::steady_clock::time_point start_at;  // not before
};

class RequestQueue {
 public:
  using Clock = std::chrono::steady_clock;

  void Push(HttpRequest request, HttpTransport::Done done, Clock::time_point now)
      ABSL_LOCKS_EXCLUDED(mu_);
  // See HttpTransport. They take effect at the next Collect.
  void Sweep() ABSL_LOCKS_EXCLUDED(mu_);
  void CancelAll() ABSL_LOCKS_EXCLUDED(mu_);
  // CancelAll, and a word to the I/O thread that it has to end.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

  struct Signals {
    bool look_for_cancelled = false;  // among the active requests
    bool stop = false;
  };
  // Takes over what other threads left since the last call.
  Signals Collect() ABSL_LOCKS_EXCLUDED(mu_);
  // Whether the request has to end with kCancelled.
  bool IsCancelled(const HttpRequest& request) const {
    return cancel_all_ || (request.cancelled != nullptr && request.cancelled->load());
  }
  // The waiting requests that have to end; they are out of the queue.
  std::vector<QueuedRequest> TakeCancelled();
  // The next request that may start now, in the order of Push among those without a delay.
  std::optional<QueuedRequest> TakeDue(Clock::time_point now);
  // Until TakeDue has something to give: zero if it has, infinite if nothing waits.
  absl::Duration UntilDue(Clock::time_point now) const;
  bool empty() const { return ready_.empty() && delayed_.empty() && cancelled_.empty(); }

 private:
  Mutex mu_;
  std::vector<QueuedRequest> incoming_ ABSL_GUARDED_BY(mu_);
  bool sweep_ ABSL_GUARDED_BY(mu_) = false;
  bool cancel_all_wanted_ ABSL_GUARDED_BY(mu_) = false;
  bool stop_ ABSL_GUARDED_BY(mu_) = false;

  // I/O thread only.
  std::deque<QueuedRequest> ready_;
  std::vector<QueuedRequest> delayed_;  // a heap, the earliest start first
  std::vector<QueuedRequest> cancelled_;
  bool cancel_all_ = false;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_REQUEST_QUEUE_H_
