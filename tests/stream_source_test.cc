// Streams as sources: blocks from whatever pieces come, errors, and an end to a wait.
#include "stages/stream_source.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/text_stream.h"

namespace volstream {
namespace {

TEST(StreamSource, FillsBlocksFromPiecesOfAnySize) {
  for (const size_t piece : {1, 3, 10, 1000}) {
    TextStream stream("0123456789abcdef", piece);
    StreamSource source(&stream);
    EXPECT_EQ(source.MaxStreamBytes(), 0u);
    std::vector<uint8_t> space(10);
    absl::StatusOr<BlockTicket> ticket = source.Next(MutableByteSpan(space));
    ASSERT_TRUE(ticket.ok());
    EXPECT_EQ(ticket->bytes, 10u);
    EXPECT_EQ(ticket->offset, 0u);
    EXPECT_TRUE(ticket->filled);
    EXPECT_EQ(std::string(space.begin(), space.end()), "0123456789");
    ticket = source.Next(MutableByteSpan(space));
    EXPECT_EQ(ticket->bytes, 6u);
    EXPECT_EQ(ticket->offset, 10u);
    ticket = source.Next(MutableByteSpan(space));
    EXPECT_EQ(ticket->bytes, 0u);
  }
}

TEST(StreamSource, AnErrorInMidBlockIsTheBlocksError) {
  TextStream stream("0123456789", 4);
  stream.fail_at = 8;
  StreamSource source(&stream);
  std::vector<uint8_t> space(100);
  EXPECT_TRUE(absl::IsDataLoss(source.Next(MutableByteSpan(space)).status()));
}

TEST(StreamSource, PassesACancelOn) {
  TextStream stream("0123456789", 4);
  StreamSource source(&stream);
  source.Cancel();
  std::vector<uint8_t> space(100);
  EXPECT_TRUE(absl::IsCancelled(source.Next(MutableByteSpan(space)).status()));
}

}  // namespace
}  // namespace volstream
