#include "engine/part_batcher.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <vector>

#include "engine/buffer_pool.h"
#include "engine/check.h"

namespace volstream {
namespace {

class PartBatcherTest : public testing::Test {
 protected:
  void Make(const PartSizes& sizes, uint64_t memory_bytes, size_t together) {
    const PoolShape shape{10, 10, 1, sizes, memory_bytes};
    pool_.emplace(shape);
    batcher_.emplace(shape, together);
  }
  ~PartBatcherTest() override { batcher_.reset(); }

  // The indices of the parts that come out when the next one goes in. They are dropped.
  std::vector<uint64_t> AddNext() {
    absl::StatusOr<PartLease> lease = pool_->TakePart();
    VS_CHECK(lease.ok());
    auto part = std::make_shared<Part>();
    part->index = next_index_++;
    part->lease = *std::move(lease);
    return Indices(batcher_->Add(std::move(part)));
  }
  static std::vector<uint64_t> Indices(const PartBatch& parts) {
    std::vector<uint64_t> indices;
    for (const std::shared_ptr<Part>& part : parts) indices.push_back(part->index);
    return indices;
  }

  std::optional<BufferPool> pool_;
  std::optional<PartBatcher> batcher_;
  uint64_t next_index_ = 0;
};

using Batch = std::vector<uint64_t>;

TEST_F(PartBatcherTest, HoldsNothingWhereOnePartIsABatch) {
  Make(EqualParts(100), 1600, 1);
  EXPECT_EQ(AddNext(), Batch({0}));
  EXPECT_EQ(AddNext(), Batch({1}));
}

TEST_F(PartBatcherTest, HoldsPartsUntilTheBatchIsFull) {
  Make(EqualParts(100), 1600, 4);
  for (uint64_t first = 0; first < 12; first += 4) {
    for (int i = 0; i < 3; ++i) EXPECT_EQ(AddNext(), Batch());
    EXPECT_EQ(AddNext(), Batch({first, first + 1, first + 2, first + 3}));
  }
}

TEST_F(PartBatcherTest, HoldsAtMostAQuarterOfTheMemory) {
  Make(EqualParts(100), 800, 8);
  EXPECT_EQ(AddNext(), Batch());
  EXPECT_EQ(AddNext(), Batch());
  EXPECT_EQ(AddNext(), Batch({0, 1, 2}));
}

TEST_F(PartBatcherTest, HoldsNothingWhereMemoryIsShort) {
  Make(EqualParts(100), 300, 8);
  EXPECT_EQ(AddNext(), Batch({0}));
  EXPECT_EQ(AddNext(), Batch({1}));
}

TEST_F(PartBatcherTest, LeavesRoomForTheNextTwoParts) {
  // Parts 0 to 3 have 100 bytes, and from part 4 on two take all of the memory.
  Make(PartSizes{100, 300, 4, 400}, 800, 8);
  EXPECT_EQ(AddNext(), Batch());
  EXPECT_EQ(AddNext(), Batch());
  EXPECT_EQ(AddNext(), Batch({0, 1, 2}));
  EXPECT_EQ(AddNext(), Batch({3}));
  EXPECT_EQ(AddNext(), Batch({4}));
}

TEST_F(PartBatcherTest, GivesAllThatItHoldsWhenAsked) {
  Make(EqualParts(100), 1600, 4);
  EXPECT_EQ(AddNext(), Batch());
  EXPECT_EQ(AddNext(), Batch());
  EXPECT_EQ(Indices(batcher_->TakeAll()), Batch({0, 1}));
  EXPECT_TRUE(batcher_->TakeAll().empty());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(AddNext(), Batch());
  EXPECT_EQ(AddNext(), Batch({2, 3, 4, 5}));
}

}  // namespace
}  // namespace volstream
