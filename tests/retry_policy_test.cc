#include "stages/retry_policy.h"

#include <limits>
#include <optional>
#include <string>

#include <gtest/gtest.h>

namespace volstream {
namespace {

constexpr uint64_t kLargest = std::numeric_limits<uint64_t>::max();

RetryVerdict Http(int status, const std::string& code = "") {
  return RetryPolicy::Classify({absl::OkStatus(), status, code});
}

TEST(RetryPolicy, TakesWhatMayPassByItselfForAnOutage) {
  for (const int status : {408, 429, 500, 502, 503, 504}) {
    EXPECT_EQ(Http(status), RetryVerdict::kOutage) << status;
  }
  EXPECT_EQ(Http(400, "RequestTimeout"), RetryVerdict::kOutage);
  EXPECT_EQ(Http(503, "SlowDown"), RetryVerdict::kOutage);
  EXPECT_EQ(Http(200, "InternalError"), RetryVerdict::kOutage);
}

TEST(RetryPolicy, RetriesABodyThatWasDamaged) {
  EXPECT_EQ(Http(400, "BadDigest"), RetryVerdict::kYes);
}

TEST(RetryPolicy, DoesNotRetryWhatStaysWrong) {
  for (const int status : {301, 400, 403, 404, 409, 412, 501, 505, 507}) {
    EXPECT_EQ(Http(status), RetryVerdict::kNo) << status;
  }
  EXPECT_EQ(Http(403, "AccessDenied"), RetryVerdict::kNo);
}

TEST(RetryPolicy, RetriesTransportErrorsThatMayPass) {
  const auto transport = [](const absl::Status& status) {
    return RetryPolicy::Classify({status, 0, ""});
  };
  EXPECT_EQ(transport(absl::UnavailableError("reset")), RetryVerdict::kOutage);
  EXPECT_EQ(transport(absl::DeadlineExceededError("stalled")), RetryVerdict::kOutage);
  EXPECT_EQ(transport(absl::CancelledError("stop")), RetryVerdict::kNo);
  EXPECT_EQ(transport(absl::FailedPreconditionError("tls")), RetryVerdict::kNo);
}

TEST(RetryPolicy, KnowsAServerThatAsksForLess) {
  EXPECT_TRUE(RetryPolicy::IsThrottle({absl::OkStatus(), 503, ""}));
  EXPECT_TRUE(RetryPolicy::IsThrottle({absl::OkStatus(), 429, ""}));
  EXPECT_TRUE(RetryPolicy::IsThrottle({absl::OkStatus(), 200, "SlowDown"}));
  EXPECT_FALSE(RetryPolicy::IsThrottle({absl::OkStatus(), 500, "InternalError"}));
  EXPECT_FALSE(RetryPolicy::IsThrottle({absl::UnavailableError("reset"), 0, ""}));
}

TEST(RetryPolicy, AsksForAClockFixOnSkew) {
  EXPECT_EQ(Http(403, "RequestTimeTooSkewed"), RetryVerdict::kAfterClockFix);
}

std::optional<absl::Duration> Delay(const RetryPolicy& policy, int tries, uint64_t random,
                                    absl::Duration retry_after = absl::ZeroDuration()) {
  return policy.NextDelay(RetryVerdict::kOutage, tries, absl::ZeroDuration(), retry_after, random);
}

TEST(RetryPolicy, DoublesTheBoundUpToTheCap) {
  const RetryPolicy policy({.max_tries = 100});
  const auto bound = [&](int tries) {
    return absl::ToDoubleSeconds(*Delay(policy, tries, kLargest));
  };
  EXPECT_NEAR(bound(1), 0.2, 1e-6);
  EXPECT_NEAR(bound(2), 0.4, 1e-6);
  EXPECT_NEAR(bound(7), 12.8, 1e-6);
  EXPECT_NEAR(bound(8), 20, 1e-6);
  EXPECT_NEAR(bound(99), 20, 1e-6);
}

TEST(RetryPolicy, SpreadsOverTheWholeInterval) {
  const RetryPolicy policy({});
  EXPECT_EQ(*Delay(policy, 1, 0), absl::ZeroDuration());
  EXPECT_NEAR(absl::ToDoubleSeconds(*Delay(policy, 1, kLargest / 2)), 0.1, 1e-6);
}

TEST(RetryPolicy, EndsAfterTheLastTry) {
  const RetryPolicy policy({.max_tries = 3});
  EXPECT_TRUE(Delay(policy, 2, 0).has_value());
  EXPECT_FALSE(Delay(policy, 3, 0).has_value());
}

TEST(RetryPolicy, WaitsOutAnOutageBeyondTheLastTry) {
  const RetryPolicy policy({.max_tries = 3, .outage_patience = absl::Minutes(5)});
  const auto delay = [&](RetryVerdict verdict, absl::Duration failing_for) {
    return policy.NextDelay(verdict, 3, failing_for, absl::ZeroDuration(), 0);
  };
  EXPECT_TRUE(delay(RetryVerdict::kOutage, absl::Seconds(299)).has_value());
  EXPECT_FALSE(delay(RetryVerdict::kOutage, absl::Seconds(300)).has_value());
  EXPECT_FALSE(delay(RetryVerdict::kYes, absl::Seconds(1)).has_value());
}

TEST(RetryPolicy, WaitsAtLeastAsLongAsTheServerAsks) {
  EXPECT_EQ(*Delay(RetryPolicy({}), 1, kLargest, absl::Seconds(7)), absl::Seconds(7));
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
