// RateLimit: a token bucket for bytes a second, shared by all who send (RFC 2697 describes the
// kind). What was not used in an eighth of a second is lost, so a pause allows no burst after it.
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

  struct Grant {
    size_t bytes = 0;                            // at most what was wanted
    absl::Duration wait = absl::ZeroDuration();  // where bytes is 0: ask again after this
  };
  Grant Take(size_t wanted, TimePoint now) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  const double rate_;   // bytes a second
  const double depth_;  // bytes that may be saved up
  const double piece_;  // the least that is given, unless less was wanted

  Mutex mu_;
  double saved_ ABSL_GUARDED_BY(mu_) = 0;
  TimePoint filled_at_ ABSL_GUARDED_BY(mu_);
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_RATE_LIMIT_H_
