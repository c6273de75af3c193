#include "stages/byte_ring.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace volstream {
namespace {

TEST(ByteRing, GivesBackWhatItGotInOrderAcrossItsEnd) {
  ByteRing ring(7);
  std::mt19937_64 random(1);
  uint8_t next_in = 0;
  uint8_t next_out = 0;
  size_t inside = 0;
  for (int i = 0; i < 10'000; ++i) {
    std::vector<uint8_t> in(random() % 10);
    for (size_t k = 0; k < in.size(); ++k) in[k] = static_cast<uint8_t>(next_in + k);
    const size_t pushed = ring.Push(in);
    EXPECT_EQ(pushed, std::min(in.size(), 7 - inside));
    next_in = static_cast<uint8_t>(next_in + pushed);
    inside += pushed;
    EXPECT_EQ(ring.size(), inside);
    EXPECT_EQ(ring.full(), inside == 7);
    EXPECT_EQ(ring.empty(), inside == 0);
    std::vector<uint8_t> out(random() % 10);
    const size_t popped = ring.Pop(out);
    EXPECT_EQ(popped, std::min(out.size(), inside));
    for (size_t k = 0; k < popped; ++k) EXPECT_EQ(out[k], next_out++);
    inside -= popped;
  }
}

}  // namespace
}  // namespace volstream
