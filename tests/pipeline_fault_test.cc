// Each fault of each stage: the run ends with that stage's error, every sink is aborted, nothing
// hangs and nothing leaks (the pool checks that at its end).
#include <gtest/gtest.h>

#include <atomic>
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include "engine/notification.h"
#include "engine/pipeline.h"
#include "tests/support/fake_stages.h"

namespace volstream {
namespace {

struct FailingObserver : public StreamObserver {
  absl::Status OnBlock(const BlockRecord& record, ByteSpan) override {
    return record.source_offset >= 30'000 ? absl::DataLossError("observer failed")
                                          : absl::OkStatus();
  }
};

class PipelineFaultTest : public testing::Test {
 protected:
  PipelineFaultTest() {
    options_.memory_bytes = 64 * kKiB;
    options_.block_bytes = kKiB;
    options_.parts = EqualParts(5000);
    options_.workers = 3;
  }

  RunReport Run(std::vector<PartSink*> sinks) {
    Pipeline pipeline(options_, PipelineJob{&source_, &codec_, &hasher_, observers_, sinks});
    return pipeline.Run();
  }

  PipelineOptions options_;
  FakeSource source_{1'000'000};
  CopyCodec codec_;
  FirstByteHasher hasher_;
  std::vector<StreamObserver*> observers_;
  FakeSink a_{"a"};
  FakeSink b_{"b"};
};

TEST_F(PipelineFaultTest, NextFails) {
  source_.fail_next_at = 100 * kKiB;
  EXPECT_EQ(Run({&a_}).status.message(), "source: Next failed");
  EXPECT_TRUE(a_.aborted());
  EXPECT_FALSE(a_.finished());
}

TEST_F(PipelineFaultTest, NextFailsAtOnce) {
  source_.fail_next_at = 0;
  EXPECT_EQ(Run({&a_}).status.message(), "source: Next failed");
  EXPECT_TRUE(a_.aborted());
}

TEST_F(PipelineFaultTest, FillFailsAtAnyBlock) {
  for (const uint64_t offset : {0, 1024, 333'333, 999'999}) {
    FakeSource source(1'000'000);
    source.fail_fill_at = offset;
    FakeSink sink("sink");
    Pipeline pipeline(options_, PipelineJob{&source, &codec_, &hasher_, {}, {&sink}});
    EXPECT_EQ(pipeline.Run().status.message(), "source: Fill failed") << offset;
    EXPECT_TRUE(sink.aborted());
  }
}

TEST_F(PipelineFaultTest, AnExceptionBecomesAnError) {
  source_.throw_in_fill_at = 500'000;
  const RunReport report = Run({&a_});
  EXPECT_TRUE(absl::IsInternal(report.status));
  EXPECT_NE(report.status.message().find("thrown in Fill"), absl::string_view::npos);
  EXPECT_TRUE(a_.aborted());
}

TEST_F(PipelineFaultTest, CodecFails) {
  codec_.fail_at_call = 200;
  const std::string message(Run({&a_}).status.message());
  EXPECT_TRUE(std::regex_match(message, std::regex("at offset [0-9]+: codec failed"))) << message;
  EXPECT_TRUE(a_.aborted());
}

TEST_F(PipelineFaultTest, ObserverFails) {
  FailingObserver observer;
  observers_ = {&observer};
  EXPECT_TRUE(absl::IsDataLoss(Run({&a_}).status));
  EXPECT_TRUE(a_.aborted());
}

TEST_F(PipelineFaultTest, TheOnlySinkFails) {
  a_.fail_part_index = 7;
  const RunReport report = Run({&a_});
  EXPECT_EQ(report.status.message(), "a: part failed");
  EXPECT_TRUE(a_.aborted());
  EXPECT_LT(source_.filled_bytes, source_.total_bytes);
}

TEST_F(PipelineFaultTest, OneOfTwoSinksFailsAndTheOtherGoesOn) {
  a_.fail_part_index = 7;
  const RunReport report = Run({&a_, &b_});
  EXPECT_TRUE(report.status.ok()) << report.status;
  EXPECT_EQ(report.sinks[0].status.message(), "a: part failed");
  EXPECT_TRUE(report.sinks[1].status.ok());
  EXPECT_TRUE(a_.aborted());
  EXPECT_EQ(b_.Contents(), PatternBytes(1'000'000));
}

TEST_F(PipelineFaultTest, OneOfTwoSinksFailsAndStopsTheRunWhenAsked) {
  options_.stop_on_sink_failure = true;
  a_.fail_part_index = 7;
  const RunReport report = Run({&a_, &b_});
  EXPECT_EQ(report.status.message(), "a: part failed");
  EXPECT_TRUE(a_.aborted() && b_.aborted());
}

TEST_F(PipelineFaultTest, BothSinksFail) {
  a_.fail_part_index = 3;
  b_.fail_part_index = 9;
  const RunReport report = Run({&a_, &b_});
  EXPECT_FALSE(report.status.ok());
  EXPECT_TRUE(a_.aborted() && b_.aborted());
}

TEST_F(PipelineFaultTest, ASinkThatCannotBeginEndsTheRunBeforeReading) {
  a_.begin_status = absl::PermissionDeniedError("no such bucket");
  EXPECT_TRUE(absl::IsPermissionDenied(Run({&a_}).status));
  EXPECT_EQ(source_.filled_bytes, 0u);
}

TEST_F(PipelineFaultTest, OneSinkThatCannotBeginIsDropped) {
  a_.begin_status = absl::PermissionDeniedError("no such bucket");
  EXPECT_TRUE(Run({&a_, &b_}).status.ok());
  EXPECT_EQ(b_.bytes(), 1'000'000u);
}

TEST_F(PipelineFaultTest, TheOnlySinkFailsToFinish) {
  a_.finish_status = absl::DataLossError("wrong ETag");
  EXPECT_TRUE(absl::IsDataLoss(Run({&a_}).status));
}

TEST_F(PipelineFaultTest, OneOfTwoSinksFailsToFinish) {
  a_.finish_status = absl::DataLossError("wrong ETag");
  const RunReport report = Run({&a_, &b_});
  EXPECT_TRUE(report.status.ok());
  EXPECT_TRUE(absl::IsDataLoss(report.sinks[0].status));
  EXPECT_TRUE(report.sinks[1].status.ok());
}

TEST_F(PipelineFaultTest, CancelEndsARunWithAStuckSink) {
  a_.CloseGate();
  Pipeline pipeline(options_, PipelineJob{&source_, &codec_, &hasher_, {}, {&a_}});
  RunReport report;
  std::thread run([&] { report = pipeline.Run(); });
  a_.WaitForHeld(1);
  pipeline.Cancel(absl::CancelledError("interrupted"));
  run.join();
  EXPECT_EQ(report.status.message(), "interrupted");
  EXPECT_TRUE(a_.aborted());
}

TEST_F(PipelineFaultTest, CancelBeforeTheRunEndsItAtOnce) {
  Pipeline pipeline(options_, PipelineJob{&source_, &codec_, &hasher_, {}, {&a_}});
  pipeline.Cancel(absl::CancelledError("interrupted"));
  EXPECT_EQ(pipeline.Run().status.message(), "interrupted");
  EXPECT_EQ(source_.filled_bytes, 0u);
  EXPECT_FALSE(a_.finished());
}

// A source that waits for others, as a pipe does.
struct WaitingSource : public BlockSource {
  uint64_t MaxStreamBytes() const override { return 0; }
  absl::StatusOr<BlockTicket> Next(MutableByteSpan) override {
    waiting.Notify();
    cancelled.WaitForNotification();
    return absl::CancelledError("source: cancelled");
  }
  absl::StatusOr<size_t> Fill(const BlockTicket&, MutableByteSpan) override { return 0; }
  void Cancel() override {
    if (!cancelled.HasBeenNotified()) cancelled.Notify();
  }
  Notification waiting;
  Notification cancelled;
};

TEST_F(PipelineFaultTest, CancelWakesASourceThatWaits) {
  WaitingSource source;
  Pipeline pipeline(options_, PipelineJob{&source, &codec_, &hasher_, {}, {&a_}});
  RunReport report;
  std::thread run([&] { report = pipeline.Run(); });
  source.waiting.WaitForNotification();
  pipeline.Cancel(absl::CancelledError("interrupted"));
  run.join();
  EXPECT_EQ(report.status.message(), "interrupted");
}

TEST_F(PipelineFaultTest, AFailedRunSaysOnceThatTheSourceIsLeftAlone) {
  for (int fault = 0; fault < 4; ++fault) {
    FakeSource source(1'000'000);
    CopyCodec codec;
    FakeSink sink("sink");
    if (fault == 0) source.fail_next_at = 100 * kKiB;
    if (fault == 1) source.fail_fill_at = 100 * kKiB;
    if (fault == 2) codec.fail_at_call = 50;
    if (fault == 3) sink.fail_part_index = 3;
    std::atomic<int> calls{0};
    options_.on_source_read = [&] { ++calls; };
    Pipeline pipeline(options_, PipelineJob{&source, &codec, &hasher_, {}, {&sink}});
    EXPECT_FALSE(pipeline.Run().status.ok());
    EXPECT_EQ(calls, 1) << "fault " << fault;
  }
}

// Many seeds: two faults anywhere; whatever comes first, the run ends, with one of them.
TEST_F(PipelineFaultTest, AnyTwoFaultsEndTheRun) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    FakeSource source(300'000);
    CopyCodec codec;
    FakeSink a("a");
    FakeSink b("b");
    source.fail_fill_at = seed * 7919 % 400'000;  // some runs have no such block
    codec.fail_at_call = seed * 104'729 % 400;
    if (seed % 3 == 0) a.fail_part_index = seed % 50;
    Pipeline pipeline(options_, PipelineJob{&source, &codec, &hasher_, {}, {&a, &b}});
    const RunReport report = pipeline.Run();
    const bool source_or_codec = source.fail_fill_at < 300'000 || codec.fail_at_call < 293;
    EXPECT_EQ(report.status.ok(), !source_or_codec) << "seed " << seed << ": " << report.status;
    EXPECT_EQ(b.finished(), !source_or_codec) << "seed " << seed;
    EXPECT_EQ(b.aborted(), source_or_codec) << "seed " << seed;
  }
}

}  // namespace
}  // namespace volstream
