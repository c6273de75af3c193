// Sizes and offsets of parts: the closed form against a sum, and the ends of what it can hold.
#include "engine/part_sizes.h"

#include <gtest/gtest.h>

#include <vector>

namespace volstream {
namespace {

// By its definition, one part after another.
void ExpectOffsetsAreSums(const PartSizes& sizes, uint64_t count) {
  uint64_t offset = 0;
  for (uint64_t i = 0; i < count; ++i) {
    ASSERT_EQ(sizes.OffsetOf(i), offset) << "part " << i;
    offset += sizes.At(i);
  }
}

TEST(PartSizes, AreEqualByDefault) {
  const PartSizes sizes;
  EXPECT_FALSE(sizes.grows());
  EXPECT_EQ(sizes.At(0), 16 * kMiB);
  EXPECT_EQ(sizes.At(UINT64_MAX), 16 * kMiB);
  EXPECT_EQ(sizes.largest_bytes(), 16 * kMiB);
  EXPECT_EQ(sizes.OffsetOf(10'000), 160'000 * kMiB);
}

TEST(PartSizes, GrowByAStepAfterEveryRunOfParts) {
  const PartSizes sizes{10, 5, 3, 20};
  std::vector<size_t> bytes;
  for (uint64_t i = 0; i < 10; ++i) bytes.push_back(sizes.At(i));
  EXPECT_EQ(bytes, (std::vector<size_t>{10, 10, 10, 15, 15, 15, 20, 20, 20, 20}));
  EXPECT_EQ(sizes.largest_bytes(), 20u);
  EXPECT_EQ(sizes.At(UINT64_MAX), 20u);
}

TEST(PartSizes, EndTheLastStepAtTheLargest) {
  const PartSizes sizes{10, 7, 2, 20};
  EXPECT_EQ(sizes.At(2), 17u);
  EXPECT_EQ(sizes.At(4), 20u);
  EXPECT_EQ(sizes.At(6), 20u);
}

TEST(PartSizes, PutEveryPartWhereTheOnesBeforeItEnd) {
  for (const size_t step_bytes : {1, 3, 7, 40, 1000}) {
    for (const uint64_t parts_per_step : {1, 2, 9, 100}) {
      for (const size_t max_bytes : {100, 101, 140, 600}) {
        ExpectOffsetsAreSums(PartSizes{100, step_bytes, parts_per_step, max_bytes}, 700);
      }
    }
  }
  ExpectOffsetsAreSums(EqualParts(100), 10);
}

TEST(PartSizes, HoldWhatTenThousandOfTheLargestDo) {
  EXPECT_EQ(EqualParts(5 * kGiB).OffsetOf(10'000), 50'000 * kGiB);
  const PartSizes sizes{5 * kMiB, 5 * kMiB, 1, 5 * kGiB};
  EXPECT_EQ(sizes.At(1022), 5 * kGiB - 5 * kMiB);
  EXPECT_EQ(sizes.At(1023), 5 * kGiB);
  EXPECT_EQ(sizes.OffsetOf(10'000), 1023 * 512 * 5 * kMiB + (10'000 - 1023) * 5 * kGiB);
}

TEST(PartSizes, RefuseWhatIsNoPlan) {
  EXPECT_TRUE(EqualParts(1).Validate().ok());
  EXPECT_TRUE((PartSizes{10, 1, 1, 10}).Validate().ok());
  EXPECT_TRUE(absl::IsInvalidArgument(EqualParts(0).Validate()));
  EXPECT_TRUE(absl::IsInvalidArgument((PartSizes{10, 1, 0, 20}).Validate()));
  EXPECT_TRUE(absl::IsInvalidArgument((PartSizes{10, 1, 1, 9}).Validate()));
}

}  // namespace
}  // namespace volstream
