#include "stages/block_sample.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "tests/support/fake_stages.h"

namespace volstream {
namespace {

std::vector<uint8_t> BlockOf(uint64_t number) {
  std::vector<uint8_t> block(sizeof number);
  std::memcpy(block.data(), &number, sizeof number);
  return block;
}

uint64_t NumberOf(const std::vector<uint8_t>& block) {
  uint64_t number = 0;
  std::memcpy(&number, block.data(), sizeof number);
  return number;
}

TEST(BlockSample, KeepsAllOfAShortStream) {
  BlockSample sample(4);
  for (uint64_t i = 0; i < 4; ++i) sample.Offer(BlockOf(i));
  const auto blocks = sample.Take();
  ASSERT_EQ(blocks.size(), 4u);
  for (uint64_t i = 0; i < 4; ++i) EXPECT_EQ(NumberOf(blocks[i]), i);
  EXPECT_TRUE(sample.Take().empty());
}

TEST(BlockSample, SpreadsEvenlyOverAnyStream) {
  for (const size_t max : {1u, 2u, 3u, 7u, 16u}) {
    for (const uint64_t length : {5u, 16u, 17u, 100u, 1000u, 4096u}) {
      BlockSample sample(max);
      for (uint64_t i = 0; i < length; ++i) sample.Offer(BlockOf(i));
      const auto blocks = sample.Take();
      ASSERT_LE(blocks.size(), max);
      ASSERT_GE(blocks.size(), std::min<size_t>(length, max / 2)) << max << " of " << length;
      ASSERT_GE(blocks.size(), 1u);
      EXPECT_EQ(NumberOf(blocks[0]), 0u);
      for (size_t i = 2; i < blocks.size(); ++i) {
        EXPECT_EQ(NumberOf(blocks[i]) - NumberOf(blocks[i - 1]), NumberOf(blocks[1]));
      }
    }
  }
}

TEST(SampledSource, GivesWhatItsSourceGivesAndShowsItToTheSample) {
  for (const bool fill_in_next : {false, true}) {
    FakeSource fake(1000);
    fake.fill_in_next = fill_in_next;
    BlockSample sample(100);
    SampledSource source(&fake, &sample);
    EXPECT_EQ(source.MaxStreamBytes(), 1000u);
    std::vector<uint8_t> space(64);
    std::vector<uint8_t> given;
    while (true) {
      const auto ticket = source.Next(space);
      ASSERT_TRUE(ticket.ok()) << ticket.status();
      if (ticket->bytes == 0) break;
      if (!ticket->filled) {
        ASSERT_TRUE(source.Fill(*ticket, space).ok());
      }
      given.insert(given.end(), space.begin(), space.begin() + ticket->bytes);
    }
    EXPECT_EQ(given, PatternBytes(1000));
    std::vector<uint8_t> seen;
    for (const auto& block : sample.Take()) seen.insert(seen.end(), block.begin(), block.end());
    EXPECT_EQ(seen, given);
  }
}

TEST(SampleSource, RepeatsItsBlocksUpToItsLength) {
  const std::vector<uint8_t> a = {1, 2, 3};
  const std::vector<uint8_t> b = {4, 5};
  SampleSource source({a, b}, /*max_bytes=*/9);
  std::vector<uint8_t> given;
  std::vector<uint8_t> space(3);
  while (true) {
    const BlockTicket ticket = *source.Next(space);
    if (ticket.bytes == 0) break;
    ASSERT_TRUE(source.Fill(ticket, space).ok());
    given.insert(given.end(), space.begin(), space.begin() + ticket.bytes);
  }
  EXPECT_EQ(given, (std::vector<uint8_t>{1, 2, 3, 4, 5, 1, 2, 3, 4}));
  EXPECT_EQ(source.Tickets().size(), 2u);
}

}  // namespace
}  // namespace volstream
