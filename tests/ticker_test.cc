#include "engine/ticker.h"
#include "engine/notification.h"

#include <gtest/gtest.h>

namespace volstream {
namespace {

TEST(Ticker, CallsAgainAndAgain) {
  Notification third;
  int ticks = 0;
  Ticker ticker(absl::Milliseconds(1), [&] {
    if (++ticks == 3) third.Notify();
  });
  third.WaitForNotification();
  ticker.Stop();
  EXPECT_GE(ticks, 3);
}

TEST(Ticker, StopDoesNotWaitForALongInterval) {
  Ticker ticker(absl::Hours(24), [] {});
  ticker.Stop();
}

TEST(Ticker, AnInfiniteIntervalNeverTicks) {
  bool ticked = false;
  {
    Ticker ticker(absl::InfiniteDuration(), [&ticked] { ticked = true; });
  }
  EXPECT_FALSE(ticked);
}

}  // namespace
}  // namespace volstream
