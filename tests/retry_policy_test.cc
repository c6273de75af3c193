#include "stages/retry_policy.h"

#include <limits>

#include <gtest/gtest.h>

namespace volstream {
namespace {

constexpr uint64_t kLargest = std::numeric_limits<uint64_t>::max();

RetryVerdict Http(int status, const std::string& code = "") {
  return RetryPolicy::Classify({absl::OkStatus(), status, code});
}

TEST(RetryPolicy, RetriesWhatMayPassByItself) {
  for (const int status : {408, 429, 500, 502, 503, 504}) {
    EXPECT_EQ(Http(status), RetryVerdict::kYes) << status;
  }
  EXPECT_EQ(Http(400, "RequestTimeout"), RetryVerdict::kYes);
  EXPECT_EQ(Http(503, "SlowDown"), RetryVerdict::kYes);
  EXPECT_EQ(Http(200, "InternalError"), RetryVerdict::kYes);
  EXPECT_EQ(Http(400, "BadDigest"), RetryVerdict::kYes);
}

TEST(RetryPolicy, DoesNotRetryWhatStaysWrong) {
  for (const int status : {301, 400, 403, 404, 409, 412, 501, 505, 507}) {
    EXPECT_EQ(Http(status), RetryVerdict::kNo) << status;
  }
  EXPECT_EQ(Http(403, "AccessDenied"), RetryVerdict::kNo);
}

TEST(RetryPolicy, RetriesTransportErrorsThatMayPass) {
  EXPECT_EQ(RetryPolicy::Classify({absl::UnavailableError("reset"), 0, ""}), RetryVerdict::kYes);
  EXPECT_EQ(RetryPolicy::Classify({absl::DeadlineExceededError("stalled"), 0, ""}),
            RetryVerdict::kYes);
  EXPECT_EQ(RetryPolicy::Classify({absl::CancelledError("stop"), 0, ""}), RetryVerdict::kNo);
  EXPECT_EQ(RetryPolicy::Classify({absl::FailedPreconditionError("tls"), 0, ""}),
            RetryVerdict::kNo);
}

TEST(RetryPolicy, AsksForAClockFixOnSkew) {
  EXPECT_EQ(Http(403, "RequestTimeTooSkewed"), RetryVerdict::kAfterClockFix);
}

TEST(RetryPolicy, DoublesTheBoundUpToTheCap) {
  const RetryPolicy policy({.max_tries = 100});
  const auto bound = [&](int tries) {
    return *policy.NextDelay(tries, absl::ZeroDuration(), kLargest);
  };
  EXPECT_NEAR(absl::ToDoubleSeconds(bound(1)), 0.2, 1e-6);
  EXPECT_NEAR(absl::ToDoubleSeconds(bound(2)), 0.4, 1e-6);
  EXPECT_NEAR(absl::ToDoubleSeconds(bound(7)), 12.8, 1e-6);
  EXPECT_NEAR(absl::ToDoubleSeconds(bound(8)), 20, 1e-6);
  EXPECT_NEAR(absl::ToDoubleSeconds(bound(99)), 20, 1e-6);
}

TEST(RetryPolicy, SpreadsOverTheWholeInterval) {
  const RetryPolicy policy({});
  EXPECT_EQ(*policy.NextDelay(1, absl::ZeroDuration(), 0), absl::ZeroDuration());
  EXPECT_NEAR(absl::ToDoubleSeconds(*policy.NextDelay(1, absl::ZeroDuration(), kLargest / 2)), 0.1,
              1e-6);
}

TEST(RetryPolicy, EndsAfterTheLastTry) {
  const RetryPolicy policy({.max_tries = 3});
  EXPECT_TRUE(policy.NextDelay(2, absl::ZeroDuration(), 0).has_value());
  EXPECT_FALSE(policy.NextDelay(3, absl::ZeroDuration(), 0).has_value());
}

TEST(RetryPolicy, WaitsAtLeastAsLongAsTheServerAsks) {
  const RetryPolicy policy({});
  EXPECT_EQ(*policy.NextDelay(1, absl::Seconds(7), kLargest), absl::Seconds(7));
}

TEST(RetryPolicy, ReadsRetryAfterInBothForms) {
  const absl::Time now = *ParseHttpDate("Fri, 24 May 2013 00:00:00 GMT");
  EXPECT_EQ(ParseRetryAfter("120", now), absl::Minutes(2));
  EXPECT_EQ(ParseRetryAfter("Fri, 24 May 2013 00:00:30 GMT", now), absl::Seconds(30));
  EXPECT_EQ(ParseRetryAfter("Fri, 24 May 2013 00:00:30 GMT", now + absl::Hours(1)),
            absl::ZeroDuration());
  EXPECT_EQ(ParseRetryAfter("", now), absl::ZeroDuration());
  EXPECT_EQ(ParseRetryAfter("soon", now), absl::ZeroDuration());
  EXPECT_EQ(ParseRetryAfter("99999999999", now), absl::Minutes(5));
}

}  // namespace
}  // namespace volstream
