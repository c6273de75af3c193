#include "stages/concurrency_limit.h"

#include <gtest/gtest.h>

namespace volstream {
namespace {

TEST(ConcurrencyLimit, StartsAtTheMost) { EXPECT_EQ(ConcurrencyLimit(8).current(), 8); }

TEST(ConcurrencyLimit, HalvesWhenTheServerAsksForLess) {
  ConcurrencyLimit limit(8);
  for (const int expected : {4, 2, 1}) {
    EXPECT_TRUE(limit.OnThrottled(limit.epoch()));
    EXPECT_EQ(limit.current(), expected);
  }
  EXPECT_FALSE(limit.OnThrottled(limit.epoch()));
  EXPECT_EQ(limit.current(), 1);
}

TEST(ConcurrencyLimit, CountsOneBurstOfRefusalsOnce) {
  ConcurrencyLimit limit(8);
  const uint64_t sent = limit.epoch();
  EXPECT_TRUE(limit.OnThrottled(sent));
  for (int i = 0; i < 7; ++i) EXPECT_FALSE(limit.OnThrottled(sent));
  EXPECT_EQ(limit.current(), 4);
}

TEST(ConcurrencyLimit, GrowsByOneAfterEachFullRound) {
  ConcurrencyLimit limit(4);
  limit.OnThrottled(limit.epoch());
  EXPECT_FALSE(limit.OnSuccess());
  EXPECT_TRUE(limit.OnSuccess());
  EXPECT_EQ(limit.current(), 3);
  for (int i = 0; i < 2; ++i) EXPECT_FALSE(limit.OnSuccess());
  EXPECT_TRUE(limit.OnSuccess());
  EXPECT_EQ(limit.current(), 4);
}

TEST(ConcurrencyLimit, NeverGrowsBeyondTheMost) {
  ConcurrencyLimit limit(2);
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(limit.OnSuccess());
  EXPECT_EQ(limit.current(), 2);
}

TEST(ConcurrencyLimit, ARefusalBeginsTheRoundAnew) {
  ConcurrencyLimit limit(4);
  const uint64_t before = limit.epoch();
  limit.OnThrottled(before);
  limit.OnSuccess();
  limit.OnThrottled(before);
  EXPECT_FALSE(limit.OnSuccess());
  EXPECT_EQ(limit.current(), 2);
}

}  // namespace
}  // namespace volstream
