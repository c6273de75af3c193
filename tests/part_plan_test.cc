// The size of parts within S3's limits, the budget and the user's wish.
#include "stages/part_plan.h"

#include <gtest/gtest.h>

#include <string>

namespace volstream {
namespace {

constexpr uint64_t kMemory = 256 * kMiB;

size_t Chosen(uint64_t stream_bytes, uint64_t memory_bytes = kMemory, size_t wanted = 0) {
  const absl::StatusOr<size_t> bytes = ChoosePartBytes(stream_bytes, memory_bytes, wanted);
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  return bytes.value_or(0);
}

absl::Status Refusal(uint64_t stream_bytes, size_t wanted) {
  return ChoosePartBytes(stream_bytes, kMemory, wanted).status();
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

size_t ChosenForStream(uint64_t hint, uint64_t memory_bytes, size_t wanted = 0) {
  const absl::StatusOr<size_t> bytes = ChooseStreamPartBytes(hint, memory_bytes, wanted);
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  return bytes.value_or(0);
}

TEST(PartPlan, GivesAStreamOfUnknownLengthAllTheRoomThatMemoryAffords) {
  EXPECT_EQ(ChosenForStream(0, kMemory), 32 * kMiB);
  EXPECT_EQ(ChosenForStream(0, 8 * kGiB), 64 * kMiB);
  EXPECT_EQ(ChosenForStream(0, 16 * kMiB), kMinPartBytes);
}

TEST(PartPlan, GivesAStreamHalfAsMuchAgainAsItsHintSays) {
  EXPECT_EQ(ChosenForStream(kGiB, kMemory), 32 * kMiB);
  EXPECT_GE(ChosenForStream(kTiB, 8 * kGiB) * kMaxPartCount, kTiB + kTiB / 2);
}

TEST(PartPlan, LetsTheUserChooseForAStream) {
  EXPECT_EQ(ChosenForStream(kTiB, kMemory, 6 * kMiB), 6 * kMiB);
  EXPECT_FALSE(ChooseStreamPartBytes(0, kMemory, kMiB).ok());
}

}  // namespace
}  // namespace volstream
