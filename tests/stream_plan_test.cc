// Parts of streams of unknown length: how they grow, how far they reach, and where that ends.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "stages/part_plan.h"
#include "stages/stream_limit.h"

namespace volstream {
namespace {

constexpr uint64_t kMemory = 256 * kMiB;
constexpr PartLimits kScaleway{1'000, false};
constexpr PartLimits kR2{10'000, true};

PartRoom Room(uint64_t memory_bytes = kMemory, const PartLimits& limits = {}, size_t wanted = 0) {
  // Slabs of two workers take 12 MiB.
  return PartRoom{limits, memory_bytes, memory_bytes - std::min(memory_bytes / 2, 12 * kMiB),
                  wanted};
}

PartSizes Planned(uint64_t hint, const PartRoom& room) {
  const absl::StatusOr<PartSizes> sizes = PlanStreamParts(hint, room);
  EXPECT_TRUE(sizes.ok()) << sizes.status();
  EXPECT_TRUE(sizes->Validate().ok());
  return sizes.value_or(PartSizes());
}

uint64_t Reach(uint64_t memory_bytes, const PartLimits& limits = {}) {
  return StreamCapacity(Planned(0, Room(memory_bytes, limits)), limits);
}

TEST(StreamPlan, GrowsFromTheDefaultToHalfOfThePartMemory) {
  const PartSizes sizes = Planned(0, Room());
  EXPECT_EQ(sizes.first_bytes, kDefaultPartBytes);
  EXPECT_EQ(sizes.largest_bytes(), 122 * kMiB);
  EXPECT_EQ(sizes.At(kMaxPartCount - 1), 122 * kMiB);
  EXPECT_LT(sizes.At(kMaxPartCount * 9 / 10), 122 * kMiB) << "grew too early";
  EXPECT_GT(Reach(kMemory), 700 * uint64_t{1'000'000'000});
}

// Between equal parts of 32 MiB, an eighth of the memory, and these: never fewer than four at a
// time up to what the former could hold in all.
TEST(StreamPlan, KeepsSeveralPartsInMemoryForAsLongAsItCan) {
  const PartSizes sizes = Planned(0, Room());
  uint64_t index = 0;
  while (sizes.OffsetOf(index) < 100 * kGiB) ++index;
  EXPECT_GE(Room().part_memory_bytes / sizes.At(index), 4u);
}

TEST(StreamPlan, ReachesFiveTiBWhereMemoryAllows) {
  for (const uint64_t memory_bytes : {2'200 * kMiB, 4 * kGiB, 64 * kGiB}) {
    const PartSizes sizes = Planned(0, Room(memory_bytes));
    EXPECT_GE(StreamCapacity(sizes, {}), kStreamGoalBytes) << memory_bytes;
    EXPECT_LE(StreamCapacity(sizes, {}), kStreamGoalBytes + kStreamGoalBytes / 10) << memory_bytes;
    EXPECT_LE(sizes.largest_bytes(), 1'100 * kMiB);
  }
}

TEST(StreamPlan, ReachesFurtherWithMoreMemory) {
  uint64_t last = 0;
  for (const uint64_t mib : {24, 32, 64, 100, 128, 256, 512, 1'000, 1'024, 2'048}) {
    const uint64_t reach = Reach(mib * kMiB);
    EXPECT_GT(reach, last) << mib << " MiB";
    last = reach;
  }
}

// Whatever the memory and the limits: legal sizes, two of them in memory, all sizes used.
TEST(StreamPlan, KeepsToItsLimits) {
  for (const uint64_t max_parts : {2, 3, 10, 999, 1'000, 10'000}) {
    for (uint64_t mib = 12; mib < 100'000; mib += 1 + mib / 3) {
      const PartRoom room = Room(mib * kMiB, {max_parts, false});
      const PartSizes sizes = Planned(0, room);
      ASSERT_GE(sizes.first_bytes, kMinPartBytes) << mib;
      ASSERT_LE(sizes.largest_bytes(), kMaxPartBytes) << mib;
      ASSERT_LE(sizes.first_bytes, kDefaultPartBytes) << mib;
      if (!sizes.grows()) continue;
      ASSERT_LE(2 * sizes.largest_bytes(), room.part_memory_bytes) << mib;
      ASSERT_EQ(sizes.At(max_parts - 1), sizes.largest_bytes()) << mib;
    }
  }
}

TEST(StreamPlan, KeepsToAThousandParts) {
  EXPECT_LT(Reach(kMemory, kScaleway), Reach(kMemory) / 9);
  // 5 TiB in 1,000 parts would need more than 5 GiB in each at an even growth.
  const PartSizes sizes = Planned(0, Room(64 * kGiB, kScaleway));
  EXPECT_EQ(sizes.largest_bytes(), kMaxPartBytes);
  EXPECT_EQ(sizes.At(999), kMaxPartBytes);
}

TEST(StreamPlan, KeepsPartsEqualWhereTheyMustBe) {
  const PartSizes sizes = Planned(0, Room(kMemory, kR2));
  EXPECT_FALSE(sizes.grows());
  EXPECT_EQ(sizes.first_bytes, 32 * kMiB);
  EXPECT_EQ(Planned(0, Room(8 * kGiB, kR2)).first_bytes, 64 * kMiB);
  EXPECT_EQ(Planned(0, Room(16 * kMiB, kR2)).first_bytes, kMinPartBytes);
  EXPECT_GE(StreamCapacity(Planned(kTiB, Room(8 * kGiB, kR2)), kR2), kTiB + kTiB / 2);
}

TEST(StreamPlan, DoesNotGrowInADirectory) {
  const PartSizes sizes = Planned(kTiB, Room(kMemory, kNoPartLimits));
  EXPECT_FALSE(sizes.grows());
  EXPECT_EQ(sizes.first_bytes, kDefaultPartBytes);
  EXPECT_EQ(StreamCapacity(sizes, kNoPartLimits), UINT64_MAX);
}

TEST(StreamPlan, BeginsWithWhatTheHintAndHalfAsMuchAgainNeed) {
  EXPECT_EQ(Planned(kGiB, Room()).first_bytes, kDefaultPartBytes);
  const PartSizes sizes = Planned(400 * kGiB, Room());
  EXPECT_EQ(sizes.first_bytes, 62 * kMiB);  // 600 GiB / 10,000
  EXPECT_TRUE(sizes.grows());
  EXPECT_GE(StreamCapacity(Planned(8 * kTiB, Room(64 * kGiB)), {}), 12 * kTiB);
}

TEST(StreamPlan, TakesAHintThatFitsMemoryWithoutItsHalf) {
  const PartSizes sizes = Planned(kTiB, Room());
  EXPECT_EQ(sizes.first_bytes, 122 * kMiB);
  EXPECT_GE(StreamCapacity(sizes, {}), kTiB);
}

// The pool refuses parts that memory cannot hold two of, and names the memory that can.
TEST(StreamPlan, LeavesAHintBeyondMemoryToThePool) {
  EXPECT_EQ(Planned(2 * kTiB, Room()).first_bytes, 315 * kMiB);
}

TEST(StreamPlan, LetsTheUserChoose) {
  const PartSizes sizes = Planned(kTiB, Room(kMemory, {}, 6 * kMiB));
  EXPECT_FALSE(sizes.grows());
  EXPECT_EQ(sizes.first_bytes, 6 * kMiB);
  EXPECT_FALSE(PlanStreamParts(0, Room(kMemory, {}, kMiB)).ok());
}

TEST(StreamLimit, EndsTheStreamAtTheFirstByteBeyondTheLastPart) {
  const PartSizes sizes = Planned(0, Room());
  const uint64_t capacity = StreamCapacity(sizes, {});
  StreamLimit limit(sizes, {});
  const std::vector<uint8_t> block(100);
  BlockRecord record;
  record.encoded_offset = capacity - 100;
  EXPECT_TRUE(limit.OnBlock(record, block).ok());
  ++record.encoded_offset;
  const absl::Status status = limit.OnBlock(record, block);
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  for (const char* word :
       {"10000 parts", "122 MiB", "--expected-size", "--memory", "--part-size"}) {
    EXPECT_NE(status.message().find(word), absl::string_view::npos) << status;
  }
}

TEST(StreamLimit, LeavesADirectoryAlone) {
  StreamLimit limit(EqualParts(kMinPartBytes), kNoPartLimits);
  BlockRecord record;
  record.encoded_offset = 1'000 * kTiB;
  EXPECT_TRUE(limit.OnBlock(record, std::vector<uint8_t>(100)).ok());
}

}  // namespace
}  // namespace volstream
