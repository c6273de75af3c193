#include "stages/retry_policy.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "absl/strings/numbers.h"
#include "stages/absl_text.h"

namespace volstream {
namespace {

// Beyond 2^30 every real base is over every real cap.
constexpr int kMaxDoublings = 30;

// A server that asks for more is asked again sooner.
constexpr absl::Duration kMaxRetryAfter = absl::Minutes(5);

template <size_t kCount>
bool IsOneOf(std::string_view code, const std::string_view (&codes)[kCount]) {
  return std::find(std::begin(codes), std::end(codes), code) != std::end(codes);
}

constexpr std::string_view kThrottleCodes[] = {"SlowDown",
                                               "ServiceUnavailable",
                                               "Throttling",
                                               "ThrottlingException",
                                               "RequestLimitExceeded",
                                               "BandwidthLimitExceeded"};
constexpr std::string_view kOutageCodes[] = {"RequestTimeout", "InternalError", "OperationAborted"};
// The body was damaged on its way, and ours is still whole; or a try before it is still at work.
constexpr std::string_view kPassingCodes[] = {"BadDigest", "XAmzContentSHA256Mismatch",
                                              "IncompleteBody", "ConditionalRequestConflict"};

}  // namespace

RetryVerdict RetryPolicy::Classify(const TryOutcome& outcome) {
  if (!outcome.transport.ok()) {
    return absl::IsUnavailable(outcome.transport) || absl::IsDeadlineExceeded(outcome.transport)
               ? RetryVerdict::kOutage
               : RetryVerdict::kNo;
  }
  if (outcome.s3_code == "RequestTimeTooSkewed") return RetryVerdict::kAfterClockFix;
  if (IsOneOf(outcome.s3_code, kPassingCodes)) return RetryVerdict::kYes;
  if (IsThrottle(outcome) || IsOneOf(outcome.s3_code, kOutageCodes)) return RetryVerdict::kOutage;
  switch (outcome.http_status) {
    case 408:
      return RetryVerdict::kOutage;
    case 501:  // not implemented
    case 505:  // HTTP version not supported
    case 507:  // storage full
      return RetryVerdict::kNo;
    default:
      return outcome.http_status >= 500 ? RetryVerdict::kOutage : RetryVerdict::kNo;
  }
}

bool RetryPolicy::IsThrottle(const TryOutcome& outcome) {
  return outcome.transport.ok() && (outcome.http_status == 429 || outcome.http_status == 503 ||
                                    IsOneOf(outcome.s3_code, kThrottleCodes));
}

std::optional<absl::Duration> RetryPolicy::NextDelay(RetryVerdict verdict, int tries,
                                                     absl::Duration failing_for,
                                                     absl::Duration retry_after,
                                                     uint64_t random) const {
  const bool patient = verdict == RetryVerdict::kOutage && failing_for < options_.outage_patience;
  if (tries >= options_.max_tries && !patient) return std::nullopt;
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
