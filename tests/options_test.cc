#include "engine/options.h"

#include <gtest/gtest.h>

namespace volstream {
namespace {

constexpr size_t kBound = kMiB + 133;

TEST(DerivePoolShape, StaysWithinTheBudget) {
  for (const uint64_t memory_mib : {40, 64, 100, 256, 1000, 4096}) {
    for (const int workers : {1, 2, 16, 128}) {
      PipelineOptions options;
      options.memory_bytes = memory_mib * kMiB;
      options.workers = workers;
      const absl::StatusOr<PoolShape> shape = DerivePoolShape(options, kBound);
      ASSERT_TRUE(shape.ok()) << memory_mib << " MiB, " << workers << " workers";
      EXPECT_LE(shape->TotalBytes(), options.memory_bytes);
      EXPECT_TRUE(shape->Validate().ok());
    }
  }
}

TEST(DerivePoolShape, GivesTwoBlocksAWorkerAndTwoInHand) {
  PipelineOptions options;
  options.workers = 15;
  const absl::StatusOr<PoolShape> shape = DerivePoolShape(options, kBound);
  ASSERT_TRUE(shape.ok());
  EXPECT_EQ(shape->slab_count, 32u);
}

TEST(DerivePoolShape, GivesTwiceAsManyWhereAnEighthOfTheMemoryHoldsThem) {
  PipelineOptions options;
  options.workers = 2;
  absl::StatusOr<PoolShape> shape = DerivePoolShape(options, kBound);
  ASSERT_TRUE(shape.ok());
  EXPECT_EQ(shape->slab_count, 12u);
  options.workers = 4;
  shape = DerivePoolShape(options, kBound);
  ASSERT_TRUE(shape.ok());
  EXPECT_EQ(shape->slab_count, 15u);
}

TEST(DerivePoolShape, LeavesAtLeastHalfToPartsWhateverTheWorkers) {
  PipelineOptions options;
  options.workers = 1000;
  const absl::StatusOr<PoolShape> shape = DerivePoolShape(options, kBound);
  ASSERT_TRUE(shape.ok());
  EXPECT_GE(shape->part_memory_bytes, options.memory_bytes / 2 - shape->parts.first_bytes);
}

TEST(DerivePoolShape, NamesTheSmallestBudgetThatWouldDo) {
  PipelineOptions options;
  options.memory_bytes = 30 * kMiB;
  const absl::StatusOr<PoolShape> shape = DerivePoolShape(options, kBound);
  ASSERT_TRUE(absl::IsInvalidArgument(shape.status()));
  EXPECT_NE(shape.status().message().find("at least 35 MiB"), absl::string_view::npos);
  options.memory_bytes = 35 * kMiB;
  EXPECT_TRUE(DerivePoolShape(options, kBound).ok());
}

TEST(ResolveWorkers, TakesTheCallersNumber) { EXPECT_EQ(ResolveWorkers(7), 7); }

TEST(ResolveWorkers, FindsAtLeastOneCore) { EXPECT_GE(ResolveWorkers(0), 1); }

}  // namespace
}  // namespace volstream
