#include "stages/request_queue.h"

#include <memory>
#include <string>

#include <gtest/gtest.h>

namespace volstream {
namespace {

class RequestQueueTest : public ::testing::Test {
 protected:
  void Push(const std::string& name, absl::Duration delay = absl::ZeroDuration(),
            std::shared_ptr<const CancelFlag> cancelled = nullptr) {
    HttpRequest request;
    request.url = name;
    request.delay = delay;
    request.cancelled = std::move(cancelled);
    queue_.Push(std::move(request), nullptr, now_);
  }

  // The names of all requests that are due, in order.
  std::string Due() {
    queue_.Collect();
    std::string names;
    while (const auto queued = queue_.TakeDue(now_)) names += queued->request.url;
    return names;
  }

  std::string Cancelled() {
    std::string names;
    for (const QueuedRequest& queued : queue_.TakeCancelled()) names += queued.request.url;
    return names;
  }

  RequestQueue queue_;
  RequestQueue::Clock::time_point now_{std::chrono::hours(1)};
};

TEST_F(RequestQueueTest, GivesRequestsInTheirOrder) {
  Push("a");
  Push("b");
  Push("c");
  EXPECT_EQ(Due(), "abc");
  EXPECT_TRUE(queue_.empty());
}

TEST_F(RequestQueueTest, HoldsARequestUntilItsTime) {
  Push("late", absl::Seconds(2));
  Push("soon", absl::Seconds(1));
  Push("now");
  EXPECT_EQ(Due(), "now");
  EXPECT_EQ(queue_.UntilDue(now_), absl::Seconds(1));
  now_ += std::chrono::seconds(1);
  EXPECT_EQ(queue_.UntilDue(now_), absl::ZeroDuration());
  EXPECT_EQ(Due(), "soon");
  now_ += std::chrono::seconds(5);
  EXPECT_EQ(Due(), "late");
  EXPECT_EQ(queue_.UntilDue(now_), absl::InfiniteDuration());
}

TEST_F(RequestQueueTest, SweepTakesOutWhatIsFlagged) {
  const auto flag = std::make_shared<CancelFlag>(false);
  Push("a", absl::ZeroDuration(), flag);
  Push("b");
  Push("c", absl::Seconds(1), flag);
  Push("d", absl::Seconds(1));
  queue_.Collect();
  flag->store(true);
  EXPECT_EQ(Cancelled(), "");
  queue_.Sweep();
  EXPECT_TRUE(queue_.Collect().look_for_cancelled);
  EXPECT_EQ(Cancelled(), "ac");
  EXPECT_FALSE(queue_.Collect().look_for_cancelled);
  now_ += std::chrono::seconds(1);
  EXPECT_EQ(Due(), "bd");
}

TEST_F(RequestQueueTest, AFlaggedRequestNeedsNoSweep) {
  Push("a", absl::Hours(1), std::make_shared<CancelFlag>(true));
  queue_.Collect();
  EXPECT_EQ(Cancelled(), "a");
}

TEST_F(RequestQueueTest, CancelAllTakesOutWhatComesLaterToo) {
  Push("a", absl::Seconds(1));
  queue_.CancelAll();
  Push("b");
  EXPECT_FALSE(queue_.Collect().stop);
  Push("c");
  queue_.Collect();
  EXPECT_EQ(Cancelled(), "abc");
  EXPECT_TRUE(queue_.IsCancelled(HttpRequest()));
}

TEST_F(RequestQueueTest, StopIsSignalled) {
  Push("a");
  queue_.Stop();
  EXPECT_TRUE(queue_.Collect().stop);
  EXPECT_FALSE(queue_.empty());
  EXPECT_EQ(Cancelled(), "a");
  EXPECT_TRUE(queue_.empty());
}

}  // namespace
}  // namespace volstream
