#include "engine/fan_out.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "tests/support/fake_stages.h"

namespace volstream {
namespace {

class FanOutTest : public testing::Test {
 protected:
  std::shared_ptr<Part> NewPart(uint64_t index) {
    auto part = std::make_shared<Part>();
    part->index = index;
    part->bytes = 10;
    part->lease = *pool_.TakePart();
    return part;
  }
  size_t PartsInUse() { return pool_.usage().parts_in_use; }

  BufferPool pool_{PoolShape{10, 10, 1, EqualParts(10), 40}};
  FakeSink a_{"a"};
  FakeSink b_{"b"};
  std::vector<size_t> live_after_failure_;
  FanOut fan_out_{{&a_, &b_}, [this](const absl::Status&, size_t live) {
                    live_after_failure_.push_back(live);
                  }};
};

TEST_F(FanOutTest, GivesEveryPartToEverySink) {
  fan_out_.Begin(StreamShape{});
  fan_out_.Deliver(NewPart(0));
  fan_out_.Deliver(NewPart(1));
  fan_out_.WaitUntilIdle();
  EXPECT_EQ(a_.bytes(), 20u);
  EXPECT_EQ(b_.bytes(), 20u);
}

TEST_F(FanOutTest, HoldsAPartUntilTheLastSinkHasIt) {
  fan_out_.Begin(StreamShape{});
  b_.CloseGate();
  fan_out_.Deliver(NewPart(0));
  EXPECT_EQ(PartsInUse(), 1u);
  EXPECT_EQ(fan_out_.parts_in_flight(), 1u);
  b_.OpenGate();
  fan_out_.WaitUntilIdle();
  EXPECT_EQ(PartsInUse(), 0u);
}

TEST_F(FanOutTest, IsBusyWhileAPartIsInFlight) {
  fan_out_.Begin(StreamShape{});
  EXPECT_EQ(fan_out_.busy(), absl::ZeroDuration());
  b_.CloseGate();
  fan_out_.Deliver(NewPart(0));
  const absl::Duration begun = fan_out_.busy();
  b_.OpenGate();
  fan_out_.WaitUntilIdle();
  const absl::Duration ended = fan_out_.busy();
  EXPECT_GE(ended, begun);
  EXPECT_GT(ended, absl::ZeroDuration());
  EXPECT_EQ(fan_out_.busy(), ended);
}

TEST_F(FanOutTest, AFailedSinkHoldsNothingUp) {
  fan_out_.Begin(StreamShape{});
  a_.fail_part_index = 0;
  for (uint64_t i = 0; i < 3; ++i) fan_out_.Deliver(NewPart(i));
  fan_out_.WaitUntilIdle();
  EXPECT_EQ(PartsInUse(), 0u);
  EXPECT_EQ(a_.bytes(), 0u);
  EXPECT_EQ(b_.bytes(), 30u);
  EXPECT_EQ(live_after_failure_, (std::vector<size_t>{1}));
}

TEST_F(FanOutTest, ASinkThatCannotBeginGetsNoParts) {
  a_.begin_status = absl::PermissionDeniedError("no");
  fan_out_.Begin(StreamShape{});
  fan_out_.Deliver(NewPart(0));
  fan_out_.WaitUntilIdle();
  const std::vector<SinkOutcome> outcomes = fan_out_.End(absl::OkStatus(), StreamSummary{});
  EXPECT_TRUE(absl::IsPermissionDenied(outcomes[0].status));
  EXPECT_FALSE(a_.aborted());
  EXPECT_FALSE(a_.finished());
  EXPECT_TRUE(outcomes[1].status.ok());
}

TEST_F(FanOutTest, EndFinishesLiveSinksAndAbortsDeadOnes) {
  fan_out_.Begin(StreamShape{});
  a_.fail_part_index = 0;
  fan_out_.Deliver(NewPart(0));
  fan_out_.WaitUntilIdle();
  const std::vector<SinkOutcome> outcomes = fan_out_.End(absl::OkStatus(), StreamSummary{});
  EXPECT_TRUE(a_.aborted());
  EXPECT_FALSE(a_.finished());
  EXPECT_TRUE(b_.finished());
  EXPECT_EQ(outcomes[1].proof, "proof of b");
}

TEST_F(FanOutTest, EndAbortsAllWhenTheRunFailed) {
  fan_out_.Begin(StreamShape{});
  const std::vector<SinkOutcome> outcomes =
      fan_out_.End(absl::DataLossError("gap"), StreamSummary{});
  EXPECT_TRUE(a_.aborted() && b_.aborted());
  EXPECT_FALSE(a_.finished() || b_.finished());
  EXPECT_TRUE(absl::IsDataLoss(outcomes[0].status));
}

TEST_F(FanOutTest, ReportsTheRunsErrorAndNotItsCancellation) {
  fan_out_.Begin(StreamShape{});
  a_.CloseGate();
  fan_out_.Deliver(NewPart(0));
  fan_out_.Cancel();
  fan_out_.WaitUntilIdle();
  const std::vector<SinkOutcome> outcomes =
      fan_out_.End(absl::InternalError("codec"), StreamSummary{});
  EXPECT_TRUE(absl::IsInternal(outcomes[0].status));
}

TEST_F(FanOutTest, SaysWhatAnAbortLeftBehind) {
  fan_out_.Begin(StreamShape{});
  a_.abort_status = absl::UnavailableError("upload 42 is still there");
  const std::vector<SinkOutcome> outcomes =
      fan_out_.End(absl::InternalError("codec"), StreamSummary{});
  EXPECT_NE(outcomes[0].status.message().find("upload 42"), absl::string_view::npos);
  EXPECT_NE(outcomes[0].status.message().find("codec"), absl::string_view::npos);
}

TEST_F(FanOutTest, CountsTheLeastAdvancedSink) {
  fan_out_.Begin(StreamShape{});
  b_.CloseGate();
  fan_out_.Deliver(NewPart(0));
  EXPECT_EQ(fan_out_.stored_bytes(), 0u);
  b_.OpenGate();
  fan_out_.WaitUntilIdle();
  EXPECT_EQ(fan_out_.stored_bytes(), 10u);
}

}  // namespace
}  // namespace volstream
