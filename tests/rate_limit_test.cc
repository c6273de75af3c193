#include "stages/rate_limit.h"

#include <gtest/gtest.h>

#include "engine/bytes.h"

namespace volstream {
namespace {

using std::chrono::milliseconds;
using TimePoint = RateLimit::TimePoint;

const TimePoint kStart = TimePoint(std::chrono::hours(1));

// What is granted to one who always wants `wanted` and asks again when told to, over `seconds`.
uint64_t GrantedIn(RateLimit& limit, size_t wanted, int seconds) {
  uint64_t total = 0;
  TimePoint now = kStart;
  const TimePoint end = kStart + std::chrono::seconds(seconds);
  while (now < end) {
    const RateLimit::Grant grant = limit.Take(wanted, now);
    total += grant.bytes;
    if (grant.bytes == 0)
      now += absl::ToChronoNanoseconds(grant.wait) + std::chrono::nanoseconds(1);
  }
  return total;
}

TEST(RateLimit, GivesItsRateWhateverTheSizesAskedFor) {
  for (const uint64_t rate : {uint64_t{100}, 64 * kKiB, 20 * kMiB, 200 * kMiB}) {
    for (const size_t wanted : {size_t{1000}, size_t{64 * kKiB}, size_t{2 * kMiB}}) {
      RateLimit limit(rate);
      const uint64_t granted = GrantedIn(limit, wanted, 10);
      EXPECT_LE(granted, rate * 10 + rate / 8 + 1) << rate << " " << wanted;
      EXPECT_GE(granted, rate * 10 - rate / 2) << rate << " " << wanted;
    }
  }
}

TEST(RateLimit, AllowsNoBurstAfterAPause) {
  RateLimit limit(8 * kMiB);
  limit.Take(kMiB, kStart);
  // An hour later there is an eighth of a second's worth, and no more.
  EXPECT_EQ(limit.Take(100 * kMiB, kStart + std::chrono::hours(1)).bytes, kMiB);
  EXPECT_EQ(limit.Take(100 * kMiB, kStart + std::chrono::hours(1)).bytes, 0u);
}

TEST(RateLimit, IsSharedByAllWhoSend) {
  RateLimit limit(kMiB);
  limit.Take(0, kStart);
  uint64_t total = 0;
  for (int step = 0; step < 1000; ++step) {
    for (int sender = 0; sender < 5; ++sender) {
      total += limit.Take(kMiB, kStart + milliseconds(10 * step)).bytes;
    }
  }
  EXPECT_LE(total, 10 * kMiB + kMiB / 8);
  EXPECT_GE(total, 9 * kMiB);
}

TEST(RateLimit, NamesTheWaitAfterWhichThereIsSomething) {
  RateLimit limit(kMiB);
  limit.Take(kMiB, kStart);
  const RateLimit::Grant refused = limit.Take(64 * kKiB, kStart);
  ASSERT_EQ(refused.bytes, 0u);
  ASSERT_GT(refused.wait, absl::ZeroDuration());
  const TimePoint later = kStart + absl::ToChronoNanoseconds(refused.wait) + milliseconds(1);
  EXPECT_GT(limit.Take(64 * kKiB, later).bytes, 0u);
}

TEST(RateLimit, AClockThatGoesBackGivesNothing) {
  RateLimit limit(kMiB);
  limit.Take(kMiB, kStart);
  EXPECT_EQ(limit.Take(kKiB, kStart - std::chrono::hours(1)).bytes, 0u);
}

}  // namespace
}  // namespace volstream
