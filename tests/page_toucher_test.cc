// PageToucher: what it touches is in memory, and it lets go when it is told.
#include "engine/page_toucher.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "engine/bytes.h"

namespace volstream {
namespace {

class PageToucherTest : public ::testing::Test {
 protected:
  PageToucherTest()
      : memory_(static_cast<uint8_t*>(mmap(nullptr, kBytes, PROT_READ | PROT_WRITE,
                                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {}
  ~PageToucherTest() override { munmap(memory_, kBytes); }

  size_t PagesInMemory() const {
    const auto page_bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    std::vector<unsigned char> pages(kBytes / page_bytes);
    EXPECT_EQ(mincore(memory_, kBytes, pages.data()), 0);
    return static_cast<size_t>(
        std::count_if(pages.begin(), pages.end(), [](unsigned char page) { return page & 1; }));
  }
  static size_t AllPages() { return kBytes / static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

  // Not a whole number of its steps.
  static constexpr size_t kBytes = 11 * kMiB;
  uint8_t* const memory_;
};

TEST_F(PageToucherTest, TouchesAllPages) {
  ASSERT_EQ(PagesInMemory(), 0u);
  PageToucher toucher;
  toucher.Start(memory_, kBytes);
  toucher.Wait();
  EXPECT_EQ(PagesInMemory(), AllPages());
}

TEST_F(PageToucherTest, LeavesWhatIsInThePages) {
  std::fill_n(memory_, kBytes, uint8_t{7});
  PageToucher toucher;
  toucher.Start(memory_, kBytes);
  toucher.Wait();
  EXPECT_EQ(std::count(memory_, memory_ + kBytes, 7), static_cast<ptrdiff_t>(kBytes));
}

TEST_F(PageToucherTest, TouchesNothingAfterStop) {
  PageToucher toucher;
  toucher.Start(memory_, kBytes);
  toucher.Stop();
  ASSERT_EQ(madvise(memory_, kBytes, MADV_DONTNEED), 0);
  EXPECT_EQ(PagesInMemory(), 0u);
}

TEST_F(PageToucherTest, NeedsNoStart) {
  PageToucher toucher;
  toucher.Wait();
  toucher.Stop();
  EXPECT_EQ(PagesInMemory(), 0u);
}

}  // namespace
}  // namespace volstream
