// DeflateCheck: tells what inflates to the wanted bytes from all that does not.
#include "stages/deflate_check.h"

#include <gtest/gtest.h>

#include <string>

#include "stages/digest.h"
#include "stages/isal_deflate.h"
#include "tests/support/block_codec.h"
#include "tests/support/raw_deflate.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

std::string Deflated(const std::string& in) {
  IsalDeflate deflate(2, 4096);
  return DeflateInto(&deflate, in, in.size() + in.size() / 100 + 100);
}

TEST(DeflateCheck, HoldsForWhatInflatesToTheBytes) {
  DeflateCheck check;
  for (const size_t bytes : {0, 1, 70'000, 1'000'003, 100}) {
    const std::string in = LogText(bytes);
    const std::string deflated = Deflated(in);
    const absl::StatusOr<bool> holds = check.Holds(AsBytes(deflated), AsBytes(in));
    ASSERT_TRUE(holds.ok());
    EXPECT_TRUE(*holds) << bytes;
  }
}

TEST(DeflateCheck, DoesNotHoldWithAnyBitFlipped) {
  DeflateCheck check;
  const std::string in = LogText(2'000);
  const std::string deflated = Deflated(in);
  for (size_t bit = 0; bit < deflated.size() * 8; ++bit) {
    std::string damaged = deflated;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    const absl::StatusOr<bool> holds = check.Holds(AsBytes(damaged), AsBytes(in));
    ASSERT_TRUE(holds.ok());
    // The bits that fill up the last byte mean nothing.
    if (bit / 8 + 1 == deflated.size()) continue;
    EXPECT_FALSE(*holds) << bit;
  }
}

TEST(DeflateCheck, DoesNotHoldForFewerOrMoreBytes) {
  DeflateCheck check;
  const std::string in = LogText(2'000);
  const std::string deflated = Deflated(in);
  for (const std::string& wanted : {in.substr(1), in.substr(0, in.size() - 1), in + "x"}) {
    EXPECT_FALSE(*check.Holds(AsBytes(deflated), AsBytes(wanted)));
  }
  EXPECT_FALSE(*check.Holds(AsBytes(deflated.substr(0, deflated.size() - 1)), AsBytes(in)));
  EXPECT_FALSE(*check.Holds(AsBytes(deflated + "x"), AsBytes(in)));
}

}  // namespace
}  // namespace volstream
