// RetryPolicy: which failed request is worth another try, after how long, and how often. Pure: no
// clock, no state, no randomness of its own.
//
// Two bounds: a number of tries, and for outages (no answer, 5xx, a server that asks for less) a
// time on top, as a name server or a gateway that is restarted is away for longer than a few tries
// last.
//
// Backoff is exponential with full jitter: uniform in [0, min(cap, base * 2^n)], so that clients
// that failed together do not come back together. A server's Retry-After is a lower bound.
#ifndef VOLSTREAM_STAGES_RETRY_POLICY_H_
#define VOLSTREAM_STAGES_RETRY_POLICY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace volstream {

// What came of one try.
struct TryOutcome {
  absl::Status transport;  // not OK: no HTTP answer came, and the rest is empty
  int http_status = 0;
  std::string s3_code;  // <Code> of the error document; empty if there was none
};

enum class RetryVerdict {
  kNo,
  kYes,            // damage on the way
  kOutage,         // the server or the network is away, or busy
  kAfterClockFix,  // the server's clock differs: correct by its Date header, then try once more
};

struct RetryOptions {
  int max_tries = 5;  // the first one counts
  // An outage is given up neither before max_tries nor before it has lasted this long.
  absl::Duration outage_patience = absl::ZeroDuration();
  absl::Duration base = absl::Milliseconds(200);
  absl::Duration cap = absl::Seconds(20);
};

class RetryPolicy {
 public:
  explicit RetryPolicy(const RetryOptions& options) : options_(options) {}

  // Whether this kind of failure may pass by itself. REQUIRES: the outcome is a failure.
  static RetryVerdict Classify(const TryOutcome& outcome);

  // Whether the server asks for fewer requests at a time. REQUIRES: the outcome is a failure.
  static bool IsThrottle(const TryOutcome& outcome);

  // The wait before the next try after `tries` failed ones (1 or more), or nothing when there is
  // to be none. `failing_for` is the time since the first of them failed; `random` is a uniform
  // 64-bit number. REQUIRES: verdict is kYes or kOutage.
  std::optional<absl::Duration> NextDelay(RetryVerdict verdict, int tries,
                                          absl::Duration failing_for, absl::Duration retry_after,
                                          uint64_t random) const;

  const RetryOptions& options() const { return options_; }

 private:
  RetryOptions options_;
};

// The wait that a Retry-After header asks for (RFC 9110 10.2.3: seconds or a date), at least zero;
// zero if the text is neither. At most five minutes.
absl::Duration ParseRetryAfter(std::string_view text, absl::Time now);

// An HTTP date such as "Fri, 24 May 2013 00:00:00 GMT"; nothing if the text is none.
std::optional<absl::Time> ParseHttpDate(std::string_view text);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_RETRY_POLICY_H_
