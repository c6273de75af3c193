// BufferPool where parts grow: what is granted, how buffers change, and that the budget holds.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "engine/buffer_pool.h"

namespace volstream {
namespace {

constexpr size_t kPage = 4096;

// Parts of 2, 3, 4, 5 and then 6 pages, each two times; room for 13 pages; blocks of up to a page.
constexpr PoolShape kGrowing{kPage, kPage, 4, {2 * kPage, kPage, 2, 6 * kPage}, 13 * kPage};

TEST(GrowingPool, NeedsMemoryForTwoOfTheLargestParts) {
  PoolShape shape = kGrowing;
  EXPECT_TRUE(shape.Validate().ok());
  shape.part_memory_bytes = 12 * kPage;
  EXPECT_TRUE(shape.Validate().ok());
  --shape.part_memory_bytes;
  EXPECT_TRUE(absl::IsInvalidArgument(shape.Validate()));
}

TEST(GrowingPool, GrantsThePartsToComeThatFitTogether) {
  BufferPool pool(kGrowing);
  // 2 + 2 + 3 + 3 pages; the 4 that follow do not fit.
  EXPECT_EQ(pool.usage().free_part_bytes, 10 * kPage);
  EXPECT_EQ(pool.usage().part_buffer_bytes, 12 * kPage);
}

TEST(GrowingPool, GivesPartsTheirSizesInOrder) {
  BufferPool pool(kGrowing);
  std::vector<size_t> pages;
  for (int i = 0; i < 12; ++i) {
    const absl::StatusOr<PartLease> part = pool.TakePart();
    ASSERT_TRUE(part.ok()) << part.status();
    pages.push_back(part->size() / kPage);
    std::memset(part->data(), i, part->size());
  }
  EXPECT_EQ(pages, (std::vector<size_t>{2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 6, 6}));
}

TEST(GrowingPool, AReturnedPartGrantsTheNextOnceThatFits) {
  BufferPool pool(kGrowing);
  std::deque<PartLease> parts;
  for (int i = 0; i < 4; ++i) parts.push_back(*pool.TakePart());
  // 10 of 13 pages are out, and the next part has 4.
  parts.pop_front();
  EXPECT_EQ(pool.usage().free_part_bytes, (10 + 4) * kPage);
  parts.pop_front();
  EXPECT_EQ(pool.usage().free_part_bytes, (10 + 4) * kPage);  // 6 + 4 are out or granted
  parts.pop_front();
  EXPECT_EQ(pool.usage().free_part_bytes, (10 + 4 + 4) * kPage);
}

// The next part has 5 pages where the first have 2, so the return of one of them wakes nobody.
TEST(GrowingPool, ASourceWaitsUntilEnoughSmallPartsAreBack) {
  const PoolShape shape{kPage, 2 * kPage, 4, {2 * kPage, 3 * kPage, 4, 5 * kPage}, 10 * kPage};
  BufferPool pool(shape);
  std::vector<PartLease> parts;
  for (int i = 0; i < 4; ++i) {
    absl::StatusOr<BlockLease> lease = pool.Admit();
    ASSERT_TRUE(lease.ok());
    lease->Settle(2 * kPage);
    parts.push_back(*pool.TakePart());
  }
  parts.pop_back();
  EXPECT_EQ(pool.usage().free_part_bytes, 0u);
  bool admitted = false;
  std::thread source([&] { admitted = pool.Admit().ok(); });
  for (PartLease& part : parts) part.Release();
  source.join();
  EXPECT_TRUE(admitted);
}

TEST(GrowingPool, KeepsBytesOfOthersWhileOneGrows) {
  BufferPool pool(kGrowing);
  std::vector<PartLease> held;
  held.push_back(*pool.TakePart());
  std::memset(held[0].data(), 'a', held[0].size());
  for (int i = 1; i < 30; ++i) {
    const absl::StatusOr<PartLease> part = pool.TakePart();
    ASSERT_TRUE(part.ok());
    std::memset(part->data(), 'b', part->size());
  }
  const std::vector<uint8_t> bytes(held[0].data(), held[0].data() + held[0].size());
  EXPECT_EQ(bytes, std::vector<uint8_t>(2 * kPage, 'a'));
}

TEST(GrowingPool, SaysThatTheSystemHasNoMemoryForAPart) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer needs address space of its own";
#endif
  BufferPool pool(kGrowing);
  for (int i = 0; i < 2; ++i) pool.TakePart()->Release();
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_AS, &before), 0);
  const rlimit nothing_more{1, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_AS, &nothing_more), 0);
  const absl::Status status = pool.TakePart().status();
  ASSERT_EQ(setrlimit(RLIMIT_AS, &before), 0);
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_NE(status.message().find("choose a smaller budget"), absl::string_view::npos) << status;
  EXPECT_EQ(pool.usage().parts_in_use, 0u);
  EXPECT_EQ(pool.usage().part_buffer_bytes, 10 * kPage);
}

// The life of a stream in any order of admission and return: promises stay within what is granted,
// buffers within the budget, and a source that waits always has a part to wait for.
TEST(GrowingPool, KeepsItsInvariantsInAnyOrder) {
  uint64_t taken_in_all = 0;
  for (uint32_t seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    const size_t bound = 1 + random() % kPage;
    const size_t first = bound + random() % (3 * kPage);
    const size_t largest = first + random() % (6 * kPage);
    const PartSizes sizes{first, 1 + random() % kPage, 1 + random() % 3, largest};
    const PoolShape shape{kPage, bound, 3, sizes, 2 * largest + random() % (8 * kPage)};
    BufferPool pool(shape);
    std::vector<BlockLease> leases;
    PartLease open;
    size_t open_used = 0;
    uint64_t taken = 0;
    std::vector<PartLease> stored;  // at the sinks
    const auto append = [&](size_t bytes) {
      while (bytes > 0) {
        if (open.empty()) {
          open = *pool.TakePart();
          ASSERT_EQ(open.size(), sizes.At(taken++));
          open_used = 0;
        }
        const size_t count = std::min(bytes, open.size() - open_used);
        std::memset(open.data() + open_used, 1, count);
        open_used += count;
        bytes -= count;
        if (open_used == open.size()) stored.push_back(std::move(open));
      }
    };
    for (int step = 0; step < 400; ++step) {
      const BufferPool::Usage usage = pool.usage();
      ASSERT_LE(usage.reserved_bytes, usage.free_part_bytes);
      ASSERT_LE(usage.part_buffer_bytes, shape.part_memory_bytes);
      const bool can_admit =
          usage.slabs_in_use < 3 && usage.reserved_bytes + bound <= usage.free_part_bytes;
      // No block is under way and none can be: some sink must have a part.
      ASSERT_TRUE(can_admit || !leases.empty() || !stored.empty());
      const uint32_t choice = random() % 3;
      if (can_admit && choice == 0) {
        leases.push_back(*pool.Admit());
      } else if (!leases.empty() && choice != 2) {
        const size_t bytes = random() % (bound + 1);
        leases.back().Settle(bytes);
        leases.pop_back();
        append(bytes);
      } else if (!stored.empty()) {
        std::swap(stored[random() % stored.size()], stored.back());
        stored.pop_back();
      }
    }
    taken_in_all += taken;
    EXPECT_LE(pool.usage().peak_part_buffer_bytes, shape.part_memory_bytes);
  }
  EXPECT_GT(taken_in_all, 2'000u);
}

}  // namespace
}  // namespace volstream
