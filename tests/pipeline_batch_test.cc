// Runs whose hasher takes several parts at once, so that parts are held back.
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "engine/pipeline.h"
#include "tests/support/fake_stages.h"

namespace volstream {
namespace {

class PipelineBatchTest : public testing::Test {
 protected:
  // 8 parts of 5000 bytes beside 10 slabs; a quarter of them is two parts.
  PipelineBatchTest() {
    options_.memory_bytes = 60 * kKiB;
    options_.block_bytes = kKiB;
    options_.parts = EqualParts(5000);
    options_.workers = 4;
    hasher_.batch_parts = 8;
  }

  PipelineJob Job(FakeSource* source) {
    return PipelineJob{source, &codec_, &hasher_, {}, {&sink_}};
  }
  void ExpectWhole(const RunReport& report, uint64_t bytes) {
    ASSERT_TRUE(report.status.ok()) << report.status;
    EXPECT_EQ(sink_.Contents(), PatternBytes(bytes));
    EXPECT_EQ(report.stats.parts, report.summary.parts.size());
    for (const PartRecord& part : report.summary.parts) {
      EXPECT_EQ(part.digest.md5[0], PatternByte(part.offset));
    }
  }

  PipelineOptions options_;
  CopyCodec codec_;
  FirstByteHasher hasher_;
  FakeSink sink_{"sink"};
};

TEST_F(PipelineBatchTest, HashesPartsTogether) {
  FakeSource source(100'000);
  const RunReport report = Pipeline(options_, Job(&source)).Run();
  ExpectWhole(report, 100'000);
  // Two that were held and the third, which has the worker hash all.
  EXPECT_EQ(hasher_.most_together, 3u);
  EXPECT_EQ(hasher_.calls, 7u);  // 6 times three of 20 parts, and two at the end
}

TEST_F(PipelineBatchTest, HashesWhatIsHeldTogetherWithTheLastPart) {
  FakeSource source(12'000);
  ExpectWhole(Pipeline(options_, Job(&source)).Run(), 12'000);
  EXPECT_EQ(hasher_.calls, 1u);
  EXPECT_EQ(hasher_.most_together, 3u);
}

TEST_F(PipelineBatchTest, HashesWhatIsHeldWhereTheStreamEndsOnAPartsEdge) {
  FakeSource source(10'000);
  ExpectWhole(Pipeline(options_, Job(&source)).Run(), 10'000);
  EXPECT_EQ(hasher_.calls, 1u);
}

TEST_F(PipelineBatchTest, AnEmptyStreamHasItsOnePart) {
  FakeSource source(0);
  const RunReport report = Pipeline(options_, Job(&source)).Run();
  ASSERT_TRUE(report.status.ok()) << report.status;
  EXPECT_EQ(report.summary.parts.size(), 1u);
}

TEST_F(PipelineBatchTest, GoesOnAfterTheSinkHadAllThatItGets) {
  // Of 8 parts two may be held and one open: a source that waits for memory has given the sink the
  // other five at least.
  for (const size_t together : {2, 3, 8, 100}) {
    SCOPED_TRACE(together);
    hasher_.batch_parts = together;
    FakeSource source(80'000);
    FakeSink sink("sink");
    sink.CloseGate();
    std::thread opener([&sink] {
      sink.WaitForHeld(5);
      sink.OpenGate();
    });
    const RunReport report =
        Pipeline(options_, PipelineJob{&source, &codec_, &hasher_, {}, {&sink}}).Run();
    opener.join();
    ASSERT_TRUE(report.status.ok()) << report.status;
    EXPECT_EQ(sink.Contents(), PatternBytes(80'000));
  }
}

TEST_F(PipelineBatchTest, ComesToItsEndInTheLeastMemory) {
  hasher_.batch_parts = 8;
  for (uint64_t memory_bytes = 12 * kKiB; memory_bytes < 60 * kKiB; memory_bytes += 6157) {
    SCOPED_TRACE(memory_bytes);
    options_.memory_bytes = memory_bytes;
    FakeSource source(40'000);
    FakeSink sink("sink");
    const RunReport report =
        Pipeline(options_, PipelineJob{&source, &codec_, &hasher_, {}, {&sink}}).Run();
    ASSERT_TRUE(report.status.ok()) << report.status;
    EXPECT_EQ(sink.Contents(), PatternBytes(40'000));
  }
}

TEST_F(PipelineBatchTest, HoldsGrowingPartsTooWhileTheyAreSmall) {
  options_.parts = PartSizes{2000, 500, 8, 16'000};
  FakeSource source(200'000);
  const RunReport report = Pipeline(options_, Job(&source)).Run();
  ExpectWhole(report, 200'000);
  EXPECT_GE(hasher_.most_together, 4u);
}

TEST_F(PipelineBatchTest, ACancelledRunDropsWhatItHolds) {
  FakeSource source(80'000);
  sink_.CloseGate();
  Pipeline pipeline(options_, Job(&source));
  std::thread canceller([this, &pipeline] {
    sink_.WaitForHeld(3);
    pipeline.Cancel(absl::CancelledError("enough"));
  });
  const RunReport report = pipeline.Run();
  canceller.join();
  EXPECT_EQ(report.status, absl::CancelledError("enough"));
  EXPECT_TRUE(sink_.aborted());
}

TEST_F(PipelineBatchTest, AFailedSourceDropsWhatItHolds) {
  FakeSource source(80'000);
  source.fail_next_at = 13'000;
  const RunReport report = Pipeline(options_, Job(&source)).Run();
  EXPECT_EQ(report.status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(hasher_.calls, 0u);
  EXPECT_TRUE(sink_.aborted());
}

TEST_F(PipelineBatchTest, AHasherThatThrowsEndsTheRun) {
  FakeSource source(80'000);
  hasher_.throw_at_call = 2;
  const RunReport report = Pipeline(options_, Job(&source)).Run();
  EXPECT_EQ(report.status.code(), absl::StatusCode::kInternal);
  EXPECT_TRUE(sink_.aborted());
}

}  // namespace
}  // namespace volstream
