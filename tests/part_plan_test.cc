// The size of parts within the limits of destinations, the budget and the user's wish.
#include "stages/part_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace volstream {
namespace {

constexpr uint64_t kMemory = 256 * kMiB;

PartRoom Room(uint64_t memory_bytes = kMemory, size_t wanted = 0, const PartLimits& limits = {}) {
  // Slabs of two workers take 12 MiB.
  return PartRoom{limits, memory_bytes, memory_bytes - std::min(memory_bytes / 2, 12 * kMiB),
                  wanted};
}

PartSizes SizesOf(const absl::StatusOr<PartSizes>& sizes) {
  EXPECT_TRUE(sizes.ok()) << sizes.status();
  return sizes.value_or(PartSizes());
}

// The one size of parts.
size_t Chosen(uint64_t stream_bytes, uint64_t memory_bytes = kMemory, size_t wanted = 0) {
  const PartSizes sizes = SizesOf(PlanParts(stream_bytes, Room(memory_bytes, wanted)));
  EXPECT_FALSE(sizes.grows());
  return sizes.first_bytes;
}

absl::Status Refusal(uint64_t stream_bytes, size_t wanted) {
  return PlanParts(stream_bytes, Room(kMemory, wanted)).status();
}

TEST(PartPlan, UsesTheDefaultForSmallStreams) {
  for (const uint64_t bytes : {uint64_t{1}, uint64_t{kMiB}, 100 * kGiB}) {
    EXPECT_EQ(Chosen(bytes), kDefaultPartBytes);
  }
}

TEST(PartPlan, UsesTheDefaultForAStreamOfUnknownSize) { EXPECT_EQ(Chosen(0), kDefaultPartBytes); }

TEST(PartPlan, TakesLessWhereTheBudgetHoldsFewerThanEight) {
  EXPECT_EQ(Chosen(kGiB, 128 * kMiB), 16 * kMiB);
  EXPECT_EQ(Chosen(kGiB, 127 * kMiB), 15 * kMiB);
  EXPECT_EQ(Chosen(kGiB, 64 * kMiB), 8 * kMiB);
}

TEST(PartPlan, NeverGoesBelowTheSmallestPart) {
  EXPECT_EQ(Chosen(kGiB, 16 * kMiB), kMinPartBytes);
  EXPECT_EQ(Chosen(kGiB, 0), kMinPartBytes);
}

TEST(PartPlan, KeepsTheDefaultUpToTenThousandParts) {
  // 156.25 GiB.
  EXPECT_EQ(Chosen(kDefaultPartBytes * kMaxPartCount), kDefaultPartBytes);
}

TEST(PartPlan, GrowsByAWholeMiBBeyondTenThousandParts) {
  EXPECT_EQ(Chosen(kDefaultPartBytes * kMaxPartCount + 1), 17 * kMiB);
}

TEST(PartPlan, GrowsForFiveTiB) {
  const size_t bytes = Chosen(5 * kTiB);
  EXPECT_EQ(bytes, 525 * kMiB);
  EXPECT_LE((5 * kTiB + bytes - 1) / bytes, kMaxPartCount);
}

TEST(PartPlan, GrowsWhateverTheBudget) { EXPECT_EQ(Chosen(5 * kTiB, 64 * kMiB), 525 * kMiB); }

TEST(PartPlan, AlwaysGivesWholeMiBThatAreEnough) {
  for (uint64_t bytes = kMiB; bytes < 20 * kTiB; bytes += bytes / 3 + 12'345) {
    const size_t part_bytes = Chosen(bytes);
    ASSERT_EQ(part_bytes % kMiB, 0u) << bytes;
    ASSERT_LE((bytes + part_bytes - 1) / part_bytes, kMaxPartCount) << bytes;
  }
}

TEST(PartPlan, TakesTheLargestStreamAndRefusesOneByteMore) {
  EXPECT_EQ(Chosen(kMaxPartBytes * kMaxPartCount), kMaxPartBytes);
  EXPECT_EQ(Refusal(kMaxPartBytes * kMaxPartCount + 1, 0).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(PartPlan, TakesTheWantedSize) {
  EXPECT_EQ(Chosen(kGiB, kMemory, 5 * kMiB), 5 * kMiB);
  EXPECT_EQ(Chosen(kGiB, kMemory, 64 * kMiB), 64 * kMiB);
  EXPECT_EQ(Chosen(0, kMemory, kMaxPartBytes), kMaxPartBytes);
}

TEST(PartPlan, RefusesWantedSizesBeyondTheLimits) {
  for (const size_t wanted : {size_t{1}, kMinPartBytes - 1, size_t{kMaxPartBytes + 1}}) {
    EXPECT_EQ(Refusal(kGiB, wanted).code(), absl::StatusCode::kInvalidArgument) << wanted;
  }
}

TEST(PartPlan, RefusesAWantedSizeThatIsTooSmallForTheStream) {
  EXPECT_EQ(Refusal(kDefaultPartBytes * kMaxPartCount + 1, kDefaultPartBytes).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(PartPlan, SaysWhatWouldDoInstead) {
  const std::string message(
      Refusal(kDefaultPartBytes * kMaxPartCount + 1, kDefaultPartBytes).message());
  EXPECT_NE(message.find("at least 17 MiB"), std::string::npos) << message;
}

TEST(PartPlan, TakesAWantedSizeThatIsJustEnough) {
  EXPECT_EQ(Chosen(kDefaultPartBytes * kMaxPartCount, kMemory, kDefaultPartBytes),
            kDefaultPartBytes);
}

TEST(PartPlan, TakesAWantedSizeThatIsEnoughAndNoWholeMiB) {
  const size_t wanted = 16 * kMiB + 512 * kKiB;
  EXPECT_EQ(Chosen(kDefaultPartBytes * kMaxPartCount + 1, kMemory, wanted), wanted);
}

TEST(PartPlan, KeepsToTheLimitsOfProviders) {
  const PartLimits scaleway{1'000, false};
  const auto chosen = [&](uint64_t bytes) {
    return SizesOf(PlanParts(bytes, Room(kMemory, 0, scaleway))).first_bytes;
  };
  EXPECT_EQ(chosen(1'000 * kDefaultPartBytes), kDefaultPartBytes);
  EXPECT_EQ(chosen(1'000 * kDefaultPartBytes + 1), 17 * kMiB);
  EXPECT_EQ(chosen(1'000 * kMaxPartBytes), kMaxPartBytes);
  const absl::Status refused =
      PlanParts(1'000 * kMaxPartBytes + 1, Room(kMemory, 0, scaleway)).status();
  EXPECT_NE(refused.message().find("1000 parts"), absl::string_view::npos) << refused;
}

TEST(PartPlan, LetsADirectoryHaveAnyNumberOfParts) {
  for (const uint64_t bytes : {uint64_t{1}, 5 * kTiB, 5'000 * kTiB, UINT64_MAX}) {
    EXPECT_EQ(SizesOf(PlanParts(bytes, Room(kMemory, 0, kNoPartLimits))).first_bytes,
              kDefaultPartBytes);
  }
  EXPECT_EQ(SizesOf(PlanParts(5 * kTiB, Room(kMemory, kMinPartBytes, kNoPartLimits))).first_bytes,
            kMinPartBytes);
}

TEST(PartLimits, OfSeveralDestinationsAreTheStrictest) {
  const PartLimits r2{10'000, true};
  const PartLimits scaleway{1'000, false};
  const PartLimits both = Strictest(Strictest(kNoPartLimits, r2), scaleway);
  EXPECT_EQ(both.max_parts, 1'000u);
  EXPECT_TRUE(both.equal_parts);
  EXPECT_FALSE(Strictest(kNoPartLimits, kNoPartLimits).limited());
}

}  // namespace
}  // namespace volstream
