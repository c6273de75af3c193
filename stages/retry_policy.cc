#include "stages/retry_policy.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/numbers.h"
#include "stages/absl_text.h"

namespace volstream {
namespace {

// Beyond 2^30 every real base is over every real cap.
constexpr int kMaxDoublings = 30;

// A server that asks for more is asked again sooner.
constexpr absl::Duration kMaxRetryAfter = absl::Minutes(5);

bool IsTransient(std::string_view s3_code) {
  // BadDigest and XAmzContentSHA256Mismatch: the body was damaged on its way; ours is still whole.
  for (const std::string_view code :
       {"SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable", "Throttling",
        "ThrottlingException", "RequestLimitExceeded", "BandwidthLimitExceeded", "OperationAborted",
        "BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody"}) {
    if (s3_code == code) return true;
  }
  return false;
}

}  // namespace

RetryVerdict RetryPolicy::Classify(const TryOutcome& outcome) {
  if (!outcome.transport.ok()) {
    return absl::IsUnavailable(outcome.transport) || absl::IsDeadlineExceeded(outcome.transport)
               ? RetryVerdict::kYes
               : RetryVerdict::kNo;
  }
  if (outcome.s3_code == "RequestTimeTooSkewed") return RetryVerdict::kAfterClockFix;
  if (IsTransient(outcome.s3_code)) return RetryVerdict::kYes;
  switch (outcome.http_status) {
    case 408:
    case 429:
      return RetryVerdict::kYes;
    case 501:  // not implemented
    case 505:  // HTTP version not supported
    case 507:  // storage full
      return RetryVerdict::kNo;
    default:
      return outcome.http_status >= 500 ? RetryVerdict::kYes : RetryVerdict::kNo;
  }
}

std::optional<absl::Duration> RetryPolicy::NextDelay(int tries, absl::Duration retry_after,
                                                     uint64_t random) const {
  if (tries >= options_.max_tries) return std::nullopt;
  const double bound_s = std::min(
      absl::ToDoubleSeconds(options_.cap),
      std::ldexp(absl::ToDoubleSeconds(options_.base), std::clamp(tries - 1, 0, kMaxDoublings)));
  // 53 bits are what a double holds.
  const double fraction = std::ldexp(static_cast<double>(random >> 11), -53);
  return std::max(absl::Seconds(bound_s * fraction), retry_after);
}

absl::Duration ParseRetryAfter(std::string_view text, absl::Time now) {
  absl::Duration wait = absl::ZeroDuration();
  int64_t seconds = 0;
  if (absl::SimpleAtoi(ToAbsl(text), &seconds)) {
    wait = absl::Seconds(seconds);
  } else if (const std::optional<absl::Time> date = ParseHttpDate(text)) {
    wait = *date - now;
  }
  return std::clamp(wait, absl::ZeroDuration(), kMaxRetryAfter);
}

std::optional<absl::Time> ParseHttpDate(std::string_view text) {
  absl::Time time;
  std::string error;
  if (!absl::ParseTime("%a, %d %b %Y %H:%M:%S GMT", ToAbsl(text), &time, &error)) {
    return std::nullopt;
  }
  return time;
}

}  // namespace volstream
