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
  RateLimit::Ticket ticket;
  uint64_t total = 0;
  TimePoint now = kStart;
  const TimePoint end = kStart + std::chrono::seconds(seconds);
  while (now < end) {
    const RateLimit::Grant grant = limit.Take(wanted, now, &ticket);
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
      EXPECT_LE(granted, rate * 10 + rate / 8 + rate / 50 + 16) << rate << " " << wanted;
      EXPECT_GE(granted, rate * 10 - rate / 2) << rate << " " << wanted;
    }
  }
}

TEST(RateLimit, AllowsNoBurstAfterAPause) {
  RateLimit limit(8 * kMiB);
  RateLimit::Ticket ticket;
  limit.Take(kMiB, kStart, &ticket);
  // An hour later there is an eighth of a second's worth, and a piece for which the link is free.
  const TimePoint later = kStart + std::chrono::hours(1);
  uint64_t total = 0;
  for (;;) {
    const size_t bytes = limit.Take(100 * kMiB, later, &ticket).bytes;
    if (bytes == 0) break;
    total += bytes;
  }
  EXPECT_GE(total, kMiB);
  EXPECT_LE(total, kMiB + 100 * kKiB);
}

TEST(RateLimit, GivesEachOfManySendersItsShare) {
  constexpr int kSenders = 5;
  RateLimit limit(kMiB);
  RateLimit::Ticket tickets[kSenders];
  uint64_t totals[kSenders] = {};
  // The first sender always asks first.
  for (int step = 0; step < 1000; ++step) {
    for (int sender = 0; sender < kSenders; ++sender) {
      totals[sender] += limit.Take(kMiB, kStart + milliseconds(10 * step), &tickets[sender]).bytes;
    }
  }
  uint64_t all = 0;
  for (const uint64_t total : totals) {
    EXPECT_GE(total, 10 * kMiB / kSenders * 9 / 10);
    all += total;
  }
  EXPECT_LE(all, 10 * kMiB + kMiB / 8 + kSenders * 16 * kKiB);
}

TEST(RateLimit, NamesTheWaitAfterWhichThereIsSomething) {
  RateLimit limit(kMiB);
  RateLimit::Ticket ticket;
  RateLimit::Grant grant = limit.Take(64 * kKiB, kStart, &ticket);
  while (grant.bytes > 0) grant = limit.Take(64 * kKiB, kStart, &ticket);
  ASSERT_GT(grant.wait, absl::ZeroDuration());
  const TimePoint later = kStart + absl::ToChronoNanoseconds(grant.wait);
  EXPECT_GT(limit.Take(64 * kKiB, later, &ticket).bytes, 0u);
}

TEST(RateLimit, AClockThatGoesBackGivesNothing) {
  RateLimit limit(kMiB);
  RateLimit::Ticket ticket;
  limit.Take(kMiB, kStart, &ticket);
  EXPECT_EQ(limit.Take(kKiB, kStart - std::chrono::hours(1), &ticket).bytes, 0u);
}

}  // namespace
}  // namespace volstream
