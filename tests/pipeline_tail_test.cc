// The bytes that follow the last block.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "engine/pipeline.h"
#include "tests/support/fake_stages.h"

namespace volstream {
namespace {

// Bytes that are a function of their place in the encoded stream.
struct FakeTail : public StreamTail {
  explicit FakeTail(uint64_t bytes) : total_bytes(bytes) {}
  uint64_t MaxBytes() const override { return total_bytes; }
  absl::StatusOr<size_t> Next(uint64_t encoded_offset, MutableByteSpan out) override {
    if (produced >= fail_at) return absl::InternalError("tail failed");
    if (throws) throw std::runtime_error("tail threw");
    const size_t count = std::min<uint64_t>(out.size(), total_bytes - produced);
    for (size_t i = 0; i < count; ++i) out[i] = PatternByte(encoded_offset + i);
    produced += count;
    return count;
  }
  const uint64_t total_bytes;
  uint64_t fail_at = kNever;
  bool throws = false;
  uint64_t produced = 0;
};

struct Recorder : public StreamObserver {
  absl::Status OnBlock(const BlockRecord& record, ByteSpan encoded) override {
    if (record.source_bytes == 0) tail_bytes += encoded.size();
    EXPECT_EQ(record.encoded_offset, bytes);
    bytes += encoded.size();
    return absl::OkStatus();
  }
  uint64_t bytes = 0;
  uint64_t tail_bytes = 0;
};

class PipelineTailTest : public testing::Test {
 protected:
  PipelineTailTest() {
    options_.memory_bytes = 64 * kKiB;
    options_.block_bytes = kKiB;
    options_.parts = EqualParts(5000);
    options_.workers = 2;
  }
  RunReport Run(uint64_t source_bytes, FakeTail* tail) {
    FakeSource source(source_bytes);
    PipelineJob job{&source, &codec_, &hasher_, {&recorder_}, {&sink_}};
    job.tail = tail;
    return Pipeline(options_, job).Run();
  }
  PipelineOptions options_;
  CopyCodec codec_;
  FirstByteHasher hasher_;
  Recorder recorder_;
  FakeSink sink_{"sink"};
};

TEST_F(PipelineTailTest, FollowsTheBlocks) {
  FakeTail tail(321);
  const RunReport report = Run(100'000, &tail);
  ASSERT_TRUE(report.status.ok()) << report.status;
  // The codec copies and the tail goes by its place, so both together are one pattern.
  EXPECT_EQ(sink_.Contents(), PatternBytes(100'321));
  EXPECT_EQ(report.summary.bytes, 100'321u);
  EXPECT_EQ(report.stats.source_bytes, 100'000u);
  EXPECT_EQ(recorder_.bytes, 100'321u);
  EXPECT_EQ(recorder_.tail_bytes, 321u);
  EXPECT_GE(sink_.shape().max_stream_bytes, 100'321u);
}

TEST_F(PipelineTailTest, MayBeLargerThanAllMemory) {
  FakeTail tail(1'000'000);
  ASSERT_TRUE(Run(10'000, &tail).status.ok());
  EXPECT_EQ(sink_.Contents(), PatternBytes(1'010'000));
}

TEST_F(PipelineTailTest, IsAllThereIsOfAnEmptySource) {
  FakeTail tail(100);
  ASSERT_TRUE(Run(0, &tail).status.ok());
  EXPECT_EQ(sink_.Contents(), PatternBytes(100));
}

TEST_F(PipelineTailTest, EndsTheRunWithItsFailure) {
  FakeTail tail(100'000);
  tail.fail_at = 50'000;
  const RunReport report = Run(10'000, &tail);
  EXPECT_EQ(report.status.message(), "tail failed");
  EXPECT_TRUE(sink_.aborted());
}

TEST_F(PipelineTailTest, LetsNoExceptionOut) {
  FakeTail tail(100);
  tail.throws = true;
  EXPECT_TRUE(absl::IsInternal(Run(10'000, &tail).status));
}

TEST_F(PipelineTailTest, EndsWhenTheLastSinkFails) {
  FakeTail tail(1'000'000);
  sink_.fail_part_index = 10;  // in the tail
  EXPECT_FALSE(Run(10'000, &tail).status.ok());
  EXPECT_LT(tail.produced, 1'000'000u);
}

TEST_F(PipelineTailTest, IsNotAskedForAfterAFailure) {
  FakeTail tail(100);
  codec_.fail_at_call = 3;
  EXPECT_FALSE(Run(10'000, &tail).status.ok());
  EXPECT_EQ(tail.produced, 0u);
}

}  // namespace
}  // namespace volstream
