#include "engine/pipeline.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "engine/mutex.h"
#include "engine/notification.h"
#include "tests/support/fake_stages.h"

namespace volstream {
namespace {

struct Recorder : public StreamObserver {
  absl::Status OnBlock(const BlockRecord& record, ByteSpan encoded) override {
    records.push_back(record);
    bytes.insert(bytes.end(), encoded.begin(), encoded.end());
    return records.size() == fail_at ? absl::InternalError("observer failed") : absl::OkStatus();
  }
  std::vector<BlockRecord> records;
  std::vector<uint8_t> bytes;
  size_t fail_at = 0;
};

class PipelineTest : public testing::Test {
 protected:
  PipelineTest() {
    options_.memory_bytes = 64 * kKiB;
    options_.block_bytes = kKiB;
    options_.parts = EqualParts(5000);
    options_.workers = 4;
  }

  RunReport Run(FakeSource* source, std::vector<PartSink*> sinks) {
    Pipeline pipeline(options_, PipelineJob{source, &codec_, &hasher_, {&recorder_}, sinks});
    return pipeline.Run();
  }

  PipelineOptions options_;
  CopyCodec codec_;
  FirstByteHasher hasher_;
  Recorder recorder_;
  FakeSink sink_{"sink"};
};

TEST_F(PipelineTest, DeliversTheStreamInOrder) {
  FakeSource source(1'000'000);
  const RunReport report = Run(&source, {&sink_});
  ASSERT_TRUE(report.status.ok()) << report.status;
  EXPECT_EQ(sink_.Contents(), PatternBytes(1'000'000));
  EXPECT_TRUE(sink_.finished());
}

TEST_F(PipelineTest, KeepsOrderOverManyRuns) {
  for (int i = 0; i < 100; ++i) {
    FakeSource source(60'000 + i);
    FakeSink sink("sink");
    const RunReport report = Run(&source, {&sink});
    ASSERT_TRUE(report.status.ok()) << report.status;
    ASSERT_EQ(sink.Contents(), PatternBytes(60'000 + i));
  }
}

TEST_F(PipelineTest, FeedsSeveralSinksAtOnce) {
  FakeSource source(300'000);
  FakeSink second("second");
  const RunReport report = Run(&source, {&sink_, &second});
  ASSERT_TRUE(report.status.ok());
  EXPECT_EQ(sink_.Contents(), second.Contents());
  EXPECT_EQ(sink_.bytes(), 300'000u);
}

TEST_F(PipelineTest, RunsOnOneWorker) {
  options_.workers = 1;
  FakeSource source(200'000);
  EXPECT_TRUE(Run(&source, {&sink_}).status.ok());
  EXPECT_EQ(sink_.Contents(), PatternBytes(200'000));
}

TEST_F(PipelineTest, RunsInTheSmallestMemory) {
  options_.memory_bytes = 2 * kKiB + 2 * options_.parts.first_bytes;
  FakeSource source(200'000);
  EXPECT_TRUE(Run(&source, {&sink_}).status.ok());
  EXPECT_EQ(sink_.Contents(), PatternBytes(200'000));
}

TEST_F(PipelineTest, RefusesTooLittleMemoryBeforeAnythingBegins) {
  options_.memory_bytes = 2 * options_.parts.first_bytes;
  FakeSource source(200'000);
  EXPECT_TRUE(absl::IsInvalidArgument(Run(&source, {&sink_}).status));
  EXPECT_FALSE(sink_.begun());
}

TEST_F(PipelineTest, TakesBlocksFilledBySerialSources) {
  FakeSource source(100'000);
  source.fill_in_next = true;
  source.size_known = false;
  EXPECT_TRUE(Run(&source, {&sink_}).status.ok());
  EXPECT_EQ(sink_.Contents(), PatternBytes(100'000));
  EXPECT_EQ(sink_.shape().max_stream_bytes, 0u);
}

TEST_F(PipelineTest, CountsBlocksThatWereStoredOrEncodedTwice) {
  struct SecondAttempts : public CopyCodec {
    absl::StatusOr<EncodedBlock> Encode(ByteSpan in, MutableByteSpan out) override {
      absl::StatusOr<EncodedBlock> block = CopyCodec::Encode(in, out);
      block->stored = in.size() < kKiB;
      block->redone = !block->stored;
      return block;
    }
  } codec;
  FakeSource source(10 * kKiB + 1);
  Pipeline pipeline(options_, PipelineJob{&source, &codec, &hasher_, {}, {&sink_}});
  const RunReport report = pipeline.Run();
  ASSERT_TRUE(report.status.ok()) << report.status;
  EXPECT_EQ(report.stats.blocks, 11u);
  EXPECT_EQ(report.stats.blocks_stored, 1u);
  EXPECT_EQ(report.stats.blocks_redone, 10u);
}

TEST_F(PipelineTest, TellsSinksABoundThatHolds) {
  codec_.extra_bytes = 100;
  FakeSource source(100'000);
  EXPECT_TRUE(Run(&source, {&sink_}).status.ok());
  EXPECT_GE(sink_.shape().max_stream_bytes, sink_.bytes());
  EXPECT_EQ(sink_.shape().part_bytes, 5000u);
}

TEST_F(PipelineTest, PassesOverBlocksThatTheSourceLeavesOut) {
  FakeSource source(100 * kKiB);
  source.leave_out_from = 10 * kKiB;
  source.leave_out_to = 20 * kKiB;
  const RunReport report = Run(&source, {&sink_});
  ASSERT_TRUE(report.status.ok());
  EXPECT_EQ(report.stats.source_bytes, 90 * kKiB);
  std::vector<uint8_t> expected = PatternBytes(100 * kKiB);
  expected.erase(expected.begin() + 10 * kKiB, expected.begin() + 20 * kKiB);
  EXPECT_EQ(sink_.Contents(), expected);
}

TEST_F(PipelineTest, AnEmptySourceGivesOneEmptyPart) {
  FakeSource source(0);
  const RunReport report = Run(&source, {&sink_});
  ASSERT_TRUE(report.status.ok());
  ASSERT_EQ(report.summary.parts.size(), 1u);
  EXPECT_EQ(report.summary.parts[0].bytes, 0u);
  EXPECT_TRUE(sink_.finished());
}

TEST_F(PipelineTest, NeedsNoSink) {
  FakeSource source(100'000);
  const RunReport report = Run(&source, {});
  EXPECT_TRUE(report.status.ok());
  EXPECT_EQ(report.summary.bytes, 100'000u);
}

TEST_F(PipelineTest, ObserversSeeEveryBlockOnceInOrder) {
  FakeSource source(50'000);
  ASSERT_TRUE(Run(&source, {&sink_}).status.ok());
  EXPECT_EQ(recorder_.bytes, PatternBytes(50'000));
  uint64_t offset = 0;
  for (const BlockRecord& record : recorder_.records) {
    EXPECT_EQ(record.source_offset, offset);
    EXPECT_EQ(record.encoded_offset, offset);
    offset += record.source_bytes;
  }
}

TEST_F(PipelineTest, TheSummaryHasEveryPart) {
  FakeSource source(23'456);
  const RunReport report = Run(&source, {&sink_});
  ASSERT_TRUE(report.status.ok());
  ASSERT_EQ(report.summary.parts.size(), 5u);
  uint64_t offset = 0;
  for (const PartRecord& part : report.summary.parts) {
    EXPECT_EQ(part.offset, offset);
    EXPECT_EQ(part.digest.md5[0], PatternByte(offset));
    offset += part.bytes;
  }
  EXPECT_EQ(offset, report.summary.bytes);
  EXPECT_EQ(sink_.summary().parts.size(), 5u);
}

TEST_F(PipelineTest, HashesSha256OnlyForSinksThatWantIt) {
  FakeSource source(10'000);
  EXPECT_EQ(Run(&source, {&sink_}).summary.parts[0].digest.sha256[0], 0);
  FakeSource again(10'000);
  FakeSink wanting("wanting");
  wanting.wants_sha256 = true;
  EXPECT_EQ(Run(&again, {&wanting}).summary.parts[0].digest.sha256[0], 1);
}

TEST_F(PipelineTest, CountsWhatEachStageDid) {
  FakeSource source(100'000);
  const RunReport report = Run(&source, {&sink_});
  EXPECT_EQ(report.stats.blocks, 98u);
  EXPECT_EQ(report.stats.source_bytes, 100'000u);
  EXPECT_EQ(report.stats.encoded_bytes, 100'000u);
  EXPECT_EQ(report.stats.parts, 20u);
  EXPECT_EQ(report.stats.stage(Stage::kEncode).bytes_in, 100'000u);
  EXPECT_EQ(report.stats.stage(Stage::kPartHash).bytes_in, 100'000u);
  EXPECT_LE(report.stats.memory_bytes, options_.memory_bytes);
}

TEST_F(PipelineTest, ReportsProgressToTheEnd) {
  std::vector<Progress> seen;
  Mutex mu;
  options_.progress_interval = absl::Milliseconds(1);
  options_.on_progress = [&](const Progress& progress) {
    MutexLock lock(&mu);
    seen.push_back(progress);
  };
  FakeSource source(100'000);
  ASSERT_TRUE(Run(&source, {&sink_}).status.ok());
  ASSERT_FALSE(seen.empty());
  EXPECT_TRUE(seen.back().finished);
  EXPECT_EQ(seen.back().source_bytes, 100'000u);
  EXPECT_EQ(seen.back().max_source_bytes, 100'000u);
  EXPECT_EQ(seen.back().parts_in_flight, 0u);
}

TEST_F(PipelineTest, SaysOnceThatTheSourceHasBeenRead) {
  for (const bool in_next : {false, true}) {
    FakeSource source(20'000);
    source.fill_in_next = in_next;
    std::atomic<int> calls{0};
    std::atomic<uint64_t> filled{0};
    options_.on_source_read = [&] {
      ++calls;
      filled = source.filled_bytes.load();
    };
    FakeSink sink("sink");
    ASSERT_TRUE(Run(&source, {&sink}).status.ok());
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(filled, 20'000u);
  }
}

TEST_F(PipelineTest, SaysThatAnEmptySourceHasBeenRead) {
  FakeSource source(0);
  std::atomic<int> calls{0};
  options_.on_source_read = [&] { ++calls; };
  ASSERT_TRUE(Run(&source, {&sink_}).status.ok());
  EXPECT_EQ(calls, 1);
}

// The source may change again although nothing has been stored yet.
TEST_F(PipelineTest, SaysThatTheSourceHasBeenReadWhileSinksAreAtWork) {
  sink_.CloseGate();
  FakeSource source(20'000);
  Notification read;
  options_.on_source_read = [&] { read.Notify(); };
  Pipeline pipeline(options_, PipelineJob{&source, &codec_, &hasher_, {}, {&sink_}});
  RunReport report;
  std::thread run([&] { report = pipeline.Run(); });
  read.WaitForNotification();
  EXPECT_EQ(source.filled_bytes, 20'000u);
  EXPECT_EQ(sink_.bytes(), 0u);
  sink_.OpenGate();
  run.join();
  EXPECT_TRUE(report.status.ok());
}

// A slow sink must hold the source back: with the gate closed, no more can be read than memory has
// room for.
TEST_F(PipelineTest, AStuckSinkStopsTheSource) {
  sink_.CloseGate();
  FakeSource source(10'000'000);
  Pipeline pipeline(options_, PipelineJob{&source, &codec_, &hasher_, {}, {&sink_}});
  RunReport report;
  std::thread run([&] { report = pipeline.Run(); });
  const absl::StatusOr<PoolShape> shape = DerivePoolShape(options_, codec_.Bound(kKiB));
  ASSERT_TRUE(shape.ok());
  // All parts but the one that is being filled are held.
  sink_.WaitForHeld(shape->MaxPartCount() - 1);
  EXPECT_LE(source.filled_bytes, options_.memory_bytes);
  sink_.OpenGate();
  run.join();
  EXPECT_TRUE(report.status.ok());
  EXPECT_EQ(sink_.bytes(), 10'000'000u);
}

}  // namespace
}  // namespace volstream
