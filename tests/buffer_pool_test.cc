#include "engine/buffer_pool.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>
#include <vector>

namespace volstream {
namespace {

// 2 slabs; 2 parts that hold two encoded blocks each.
constexpr PoolShape kSmall{100, 110, 2, EqualParts(220), 440};

TEST(PoolShape, RefusesMemoryForLessThanTwoParts) {
  PoolShape shape = kSmall;
  shape.part_memory_bytes = 439;
  EXPECT_TRUE(absl::IsInvalidArgument(shape.Validate()));
}

TEST(PoolShape, RefusesAPartSmallerThanAnEncodedBlock) {
  PoolShape shape = kSmall;
  shape.parts = EqualParts(shape.bound_bytes - 1);
  EXPECT_TRUE(absl::IsInvalidArgument(shape.Validate()));
}

TEST(PoolShape, TotalsSlabsAndParts) { EXPECT_EQ(kSmall.TotalBytes(), 2 * (100 + 110) + 2 * 220u); }

TEST(BufferPool, LeasesHaveTheAreasOfTheShape) {
  BufferPool pool(kSmall);
  absl::StatusOr<BlockLease> lease = pool.Admit();
  ASSERT_TRUE(lease.ok());
  EXPECT_EQ(lease->in().size(), 100u);
  EXPECT_EQ(lease->out().size(), 110u);
}

TEST(BufferPool, AdmissionReservesTheBound) {
  BufferPool pool(kSmall);
  absl::StatusOr<BlockLease> lease = pool.Admit();
  ASSERT_TRUE(lease.ok());
  EXPECT_EQ(pool.usage().reserved_bytes, 110u);
  EXPECT_EQ(pool.usage().slabs_in_use, 1u);
}

TEST(BufferPool, SettlingTurnsTheReservationIntoUse) {
  BufferPool pool(kSmall);
  absl::StatusOr<BlockLease> lease = pool.Admit();
  ASSERT_TRUE(lease.ok());
  lease->Settle(40);
  EXPECT_EQ(pool.usage().reserved_bytes, 0u);
  EXPECT_EQ(pool.usage().free_part_bytes, 440u - 40u);
}

TEST(BufferPool, AnUnsettledLeaseGivesItsReservationBack) {
  BufferPool pool(kSmall);
  {
    absl::StatusOr<BlockLease> lease = pool.Admit();
    ASSERT_TRUE(lease.ok());
  }
  EXPECT_EQ(pool.usage().reserved_bytes, 0u);
  EXPECT_EQ(pool.usage().free_part_bytes, 440u);
  EXPECT_EQ(pool.usage().slabs_in_use, 0u);
}

TEST(BufferPool, AMovedFromLeaseReleasesNothing) {
  BufferPool pool(kSmall);
  absl::StatusOr<BlockLease> first = pool.Admit();
  ASSERT_TRUE(first.ok());
  BlockLease second = *std::move(first);
  first->Release();
  EXPECT_EQ(pool.usage().slabs_in_use, 1u);
  second.Release();
  EXPECT_EQ(pool.usage().slabs_in_use, 0u);
}

TEST(BufferPool, AReturnedPartGivesItsWholeSpaceBack) {
  BufferPool pool(kSmall);
  absl::StatusOr<BlockLease> lease = pool.Admit();
  ASSERT_TRUE(lease.ok());
  PartLease part = *pool.TakePart();
  lease->Settle(10);
  pool.ForgoPartSpace(210);
  EXPECT_EQ(pool.usage().free_part_bytes, 220u);
  part.Release();
  EXPECT_EQ(pool.usage().free_part_bytes, 440u);
}

TEST(BufferPool, CloseRefusesAdmission) {
  BufferPool pool(kSmall);
  pool.Close();
  EXPECT_TRUE(absl::IsCancelled(pool.Admit().status()));
}

TEST(BufferPool, CloseWakesAWaitingSource) {
  BufferPool pool(kSmall);
  absl::StatusOr<BlockLease> first = pool.Admit();
  absl::StatusOr<BlockLease> second = pool.Admit();
  ASSERT_TRUE(first.ok() && second.ok());
  absl::Status status;
  std::thread source([&] { status = pool.Admit().status(); });
  pool.Close();
  source.join();
  EXPECT_TRUE(absl::IsCancelled(status));
}

TEST(BufferPool, AFreedSlabWakesAWaitingSource) {
  BufferPool pool(kSmall);
  absl::StatusOr<BlockLease> first = pool.Admit();
  absl::StatusOr<BlockLease> second = pool.Admit();
  ASSERT_TRUE(first.ok() && second.ok());
  bool admitted = false;
  std::thread source([&] { admitted = pool.Admit().ok(); });
  first->Release();
  source.join();
  EXPECT_TRUE(admitted);
}

TEST(BufferPool, WaitsForPartSpaceThoughSlabsAreFree) {
  BufferPool pool(kSmall);
  std::vector<PartLease> parts;
  for (int i = 0; i < 4; ++i) {  // four blocks of 110 fill both parts
    absl::StatusOr<BlockLease> lease = pool.Admit();
    ASSERT_TRUE(lease.ok());
    lease->Settle(110);
    if (i % 2 == 0) parts.push_back(*pool.TakePart());
  }
  bool admitted = false;
  std::thread source([&] { admitted = pool.Admit().ok(); });
  parts.clear();
  source.join();
  EXPECT_TRUE(admitted);
}

// Any order of admitting, settling and returning keeps what is promised within what is free, and
// ends with everything back.
TEST(BufferPool, KeepsItsInvariantInAnyOrder) {
  for (uint32_t seed = 0; seed < 50; ++seed) {
    std::mt19937 random(seed);
    BufferPool pool(PoolShape{100, 110, 5, EqualParts(300), 1200});
    std::vector<BlockLease> leases;
    std::vector<PartLease> parts;
    size_t open_bytes = 300;  // of the part being filled; 300 = none is open
    for (int step = 0; step < 500; ++step) {
      const BufferPool::Usage usage = pool.usage();
      ASSERT_LE(usage.reserved_bytes, usage.free_part_bytes);
      const bool can_admit =
          usage.slabs_in_use < 5 && usage.reserved_bytes + 110 <= usage.free_part_bytes;
      if (can_admit && random() % 2 == 0) {
        leases.push_back(*pool.Admit());
      } else if (!leases.empty()) {
        size_t bytes = random() % 111;
        leases.back().Settle(bytes);
        leases.pop_back();
        while (bytes > 0) {
          if (open_bytes == 300) {
            parts.push_back(*pool.TakePart());
            open_bytes = 0;
          }
          const size_t count = std::min(bytes, 300 - open_bytes);
          open_bytes += count;
          bytes -= count;
        }
      } else if (parts.size() > 1 || (parts.size() == 1 && open_bytes == 300)) {
        parts.erase(parts.begin());
      }
    }
    leases.clear();
    if (open_bytes < 300) pool.ForgoPartSpace(300 - open_bytes);
    parts.clear();
    EXPECT_EQ(pool.usage().free_part_bytes, 1200u);
  }
}

}  // namespace
}  // namespace volstream
