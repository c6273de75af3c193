// FaultSchedule: which request of which run meets with which fault (tests/support/fault_proxy.h),
// all from one seed. What it says depends on the request and on how often that was made, not on
// threads or time, so that a seed gives the same faults again.
//
// Runs are told apart by the destination's prefix, which is RunName(i) and a slash. Each has a
// fate: most meet with passing faults alone, at most two in a row for one request; some with a
// request that fails for good; some are cancelled at their n-th request.
// Threads: all methods are safe to call concurrently.
#ifndef VOLSTREAM_TESTS_SUPPORT_FAULT_SCHEDULE_H_
#define VOLSTREAM_TESTS_SUPPORT_FAULT_SCHEDULE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "engine/mutex.h"
#include "tests/support/fault_proxy.h"

namespace volstream {

class FaultSchedule {
 public:
  // `on_cancel` gets the run's name when its time to be cancelled has come; may be empty.
  FaultSchedule(uint64_t seed, std::function<void(const std::string&)> on_cancel);

  static std::string RunName(int run);  // "run-017"

  // The plan of a FaultProxy.
  std::optional<FaultKind> Next(const ProxiedRequest& request) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Fate {
    bool fails_for_good = false;
    S3Operation operation = S3Operation::kUnknown;  // that fails for good
    FaultKind kind = FaultKind::kSlowDown;
    int from_attempt = 0;
    int cancel_at = 0;  // the run's request, counted from 1; 0 = never
  };
  Fate FateOf(const std::string& run) const;

  const uint64_t seed_;
  const std::function<void(const std::string&)> on_cancel_;
  Mutex mu_;
  std::map<std::string, int> attempts_ ABSL_GUARDED_BY(mu_);  // by request
  std::map<std::string, int> requests_ ABSL_GUARDED_BY(mu_);  // by run
};

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_FAULT_SCHEDULE_H_
