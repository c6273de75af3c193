// RateLimit: bytes a second, shared fairly by all who send. Who asks gets the next free stretch of
// the link's time (virtual scheduling, as ITU-T I.371's GCRA has it) and waits for it, so that each
// of several senders moves on, piece by piece. What was not used in an eighth of a second is lost,
// so a pause allows no burst after it.
//
// Threads: safe for concurrent calls. Nothing here waits: who gets nothing asks again later.
#ifndef VOLSTREAM_STAGES_RATE_LIMIT_H_
#define VOLSTREAM_STAGES_RATE_LIMIT_H_

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "engine/mutex.h"

namespace volstream {

class RateLimit {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  // REQUIRES: bytes_per_second > 0.
  explicit RateLimit(uint64_t bytes_per_second);

  // A sender's place in the queue; each has one of its own. Not thread-safe.
  struct Ticket {
    size_t bytes = 0;  // granted from `at` on; 0 = none
    TimePoint at;
  };
  struct Grant {
    size_t bytes = 0;                            // at most what was wanted
    absl::Duration wait = absl::ZeroDuration();  // where bytes is 0: ask again after this
  };
  Grant Take(size_t wanted, TimePoint now, Ticket* ticket) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  const double rate_;   // bytes a second
  const size_t piece_;  // the most that is given at once

  Mutex mu_;
  // When the link is free again for all who asked so far.
  TimePoint free_at_ ABSL_GUARDED_BY(mu_);
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_RATE_LIMIT_H_
