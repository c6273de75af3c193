// Whole runs of the pipeline whose parts grow, and runs as long as limits allow, into a sink that
// only counts.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "engine/mutex.h"
#include "engine/pipeline.h"
#include "tests/support/fake_stages.h"

namespace volstream {
namespace {

// Keeps the size of every part by its index, and no bytes.
class CountingSink : public PartSink {
 public:
  std::string Describe() const override { return "counting"; }
  absl::Status Begin(const StreamShape& shape) override {
    shape_ = shape;
    return absl::OkStatus();
  }
  void Put(std::shared_ptr<const Part> part, Done done) override {
    {
      MutexLock lock(&mu_);
      if (sizes_.size() <= part->index) sizes_.resize(part->index + 1);
      sizes_[part->index] = part->bytes;
    }
    part.reset();
    done(absl::OkStatus());
  }
  void Cancel() override {}
  absl::StatusOr<std::string> Finish(const StreamSummary&) override { return std::string(); }
  absl::Status Abort() override { return absl::OkStatus(); }

  std::vector<size_t> sizes() const {
    MutexLock lock(&mu_);
    return sizes_;
  }
  StreamShape shape() const { return shape_; }

 private:
  StreamShape shape_;
  mutable Mutex mu_;
  std::vector<size_t> sizes_ ABSL_GUARDED_BY(mu_);
};

// Fabricates a stream of a known or unknown length; nothing is written to the blocks.
class NothingSource : public BlockSource {
 public:
  explicit NothingSource(uint64_t bytes) : left_(bytes) {}
  uint64_t MaxStreamBytes() const override { return 0; }
  absl::StatusOr<BlockTicket> Next(MutableByteSpan space) override {
    BlockTicket ticket;
    ticket.bytes = static_cast<size_t>(std::min<uint64_t>(space.size(), left_));
    ticket.filled = true;
    left_ -= ticket.bytes;
    return ticket;
  }
  absl::StatusOr<size_t> Fill(const BlockTicket& ticket, MutableByteSpan) override {
    return ticket.bytes;
  }

 private:
  uint64_t left_;
};

class NothingCodec : public BlockCodec {
 public:
  size_t Bound(size_t block_bytes) const override { return block_bytes; }
  absl::StatusOr<EncodedBlock> Encode(ByteSpan in, MutableByteSpan) override {
    return EncodedBlock{in.size(), true};
  }
};

class GrowingParts : public ::testing::Test {
 protected:
  GrowingParts() {
    options_.block_bytes = kKiB;
    options_.workers = 4;
    options_.parts = PartSizes{2'000, 700, 3, 20'000};
    options_.memory_bytes = 80'000;
  }

  RunReport Count(uint64_t bytes, CountingSink* sink) {
    NothingSource source(bytes);
    NothingCodec codec;
    return Pipeline(options_, PipelineJob{&source, &codec, &hasher_, {}, {sink}}).Run();
  }

  // Every part has its size, and the last one what is left.
  void ExpectPlanned(const std::vector<size_t>& sizes, uint64_t bytes) const {
    for (size_t i = 0; i + 1 < sizes.size(); ++i) {
      ASSERT_EQ(sizes[i], options_.parts.At(i)) << "part " << i;
    }
    ASSERT_FALSE(sizes.empty());
    EXPECT_EQ(sizes.back(), bytes - options_.parts.OffsetOf(sizes.size() - 1));
  }

  PipelineOptions options_;
  FirstByteHasher hasher_;
};

TEST_F(GrowingParts, CarryTheStreamWhole) {
  FakeSource source(1'000'000);
  source.size_known = false;
  CopyCodec codec;
  FakeSink sink("sink");
  const RunReport report =
      Pipeline(options_, PipelineJob{&source, &codec, &hasher_, {}, {&sink}}).Run();
  ASSERT_TRUE(report.status.ok()) << report.status;
  EXPECT_TRUE(sink.Contents() == PatternBytes(1'000'000));
  ASSERT_GT(report.summary.parts.size(), 60u);
  for (size_t i = 0; i < report.summary.parts.size(); ++i) {
    ASSERT_EQ(report.summary.parts[i].offset, options_.parts.OffsetOf(i));
    ASSERT_EQ(report.summary.parts[i].digest.md5[0], PatternByte(options_.parts.OffsetOf(i)));
  }
}

TEST_F(GrowingParts, StayWithinTheMemory) {
  for (const int workers : {1, 2, 8}) {
    options_.workers = workers;
    // The least that two of the largest parts and a slab need, and more.
    for (const uint64_t memory_bytes : {42'048, 50'000, 80'000, 300'000}) {
      options_.memory_bytes = memory_bytes;
      CountingSink sink;
      const RunReport report = Count(2'000'000, &sink);
      ASSERT_TRUE(report.status.ok()) << report.status;
      EXPECT_LE(report.stats.memory_bytes, memory_bytes);
      EXPECT_LE(report.stats.peak_part_buffer_bytes, report.stats.memory_bytes);
      EXPECT_GE(report.stats.peak_part_buffer_bytes, options_.parts.largest_bytes());
      ExpectPlanned(sink.sizes(), 2'000'000);
    }
  }
}

TEST_F(GrowingParts, NeedMemoryForTwoOfTheLargest) {
  options_.memory_bytes = 42'047;
  CountingSink sink;
  EXPECT_TRUE(absl::IsInvalidArgument(Count(1, &sink).status));
}

TEST_F(GrowingParts, TellSinksTheSmallestAndTheLargest) {
  CountingSink sink;
  ASSERT_TRUE(Count(1, &sink).status.ok());
  EXPECT_EQ(sink.shape().part_bytes, 2'000u);
  EXPECT_EQ(sink.shape().max_part_bytes, 20'000u);
  EXPECT_EQ(sink.shape().max_stream_bytes, 0u);
}

TEST_F(GrowingParts, HoldASlowSinkToTheMemoryToo) {
  FakeSource source(5'000'000);
  CopyCodec codec;
  FakeSink sink("sink");
  sink.discard = true;
  sink.CloseGate();
  Pipeline pipeline(options_, PipelineJob{&source, &codec, &hasher_, {}, {&sink}});
  RunReport report;
  std::thread run([&] { report = pipeline.Run(); });
  sink.WaitForHeld(10);
  EXPECT_LE(source.filled_bytes, options_.memory_bytes);
  sink.OpenGate();
  run.join();
  ASSERT_TRUE(report.status.ok()) << report.status;
  EXPECT_EQ(sink.bytes(), 5'000'000u);
}

TEST_F(GrowingParts, DrainAfterAFailureWhereverTheyHaveGrownTo) {
  for (const uint64_t failing : {0, 1, 5, 30, 70}) {
    FakeSource source(3'000'000);
    CopyCodec codec;
    FakeSink sink("sink");
    sink.fail_part_index = failing;
    const RunReport report =
        Pipeline(options_, PipelineJob{&source, &codec, &hasher_, {}, {&sink}}).Run();
    EXPECT_TRUE(absl::IsUnavailable(report.status)) << report.status;
    EXPECT_TRUE(sink.aborted());
  }
}

// Growth as a stream of 5 TiB needs it, in as many parts, at an eight-thousandth of its sizes.
TEST_F(GrowingParts, TenThousandOfThemEndOnTheByte) {
  options_.block_bytes = 8 * kKiB;
  options_.parts = PartSizes{8 * kKiB, 128, 9, 140 * kKiB};
  options_.memory_bytes = kMiB;
  const uint64_t capacity = options_.parts.OffsetOf(10'000);
  EXPECT_GT(capacity, 5 * kTiB / 8'000);
  for (const int64_t more : {0, 1}) {
    CountingSink sink;
    const RunReport report = Count(capacity + more, &sink);
    ASSERT_TRUE(report.status.ok()) << report.status;
    EXPECT_EQ(report.stats.encoded_bytes, capacity + more);
    EXPECT_EQ(sink.sizes().size(), more > 0 ? 10'001u : 10'000u);
    ExpectPlanned(sink.sizes(), capacity + more);
  }
}

}  // namespace
}  // namespace volstream
