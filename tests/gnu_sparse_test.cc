// GnuSparseMap: maps as SparseMap writes them, cut anywhere, and maps that lie.
#include "stages/gnu_sparse.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "stages/digest.h"
#include "stages/sparse_map.h"
#include "stages/tar_header.h"

namespace volstream {
namespace {

// Feeds the text in pieces; the map's length, or what is wrong.
absl::StatusOr<uint64_t> FeedAll(GnuSparseMap* map, const std::string& text, size_t piece) {
  uint64_t used = 0;
  while (!map->done() && used < text.size()) {
    const ByteSpan bytes = AsBytes(text).subspan(used, std::min(piece, text.size() - used));
    const absl::StatusOr<size_t> taken = map->Feed(bytes);
    if (!taken.ok()) return taken.status();
    used += *taken;
  }
  return used;
}

TEST(GnuSparseMap, ReadsWhatSparseMapWrites) {
  std::mt19937_64 random(1);
  GnuSparseMap map;
  for (int round = 0; round < 200; ++round) {
    std::vector<SparseMap::Segment> segments;
    uint64_t end = 0;
    for (uint64_t count = random() % 100; count > 0; --count) {
      segments.push_back({end + 512 * (1 + random() % 1000), 512 * (1 + random() % 10), 0});
      end = segments.back().file_offset + segments.back().bytes;
    }
    const SparseMap written = SparseMap::From(segments, end + random() % 2000);
    for (const size_t piece : {1, 7, 512, 100'000}) {
      map.Begin(written.stored_bytes, written.file_bytes);
      const absl::StatusOr<uint64_t> used = FeedAll(&map, written.text + "data", piece);
      ASSERT_TRUE(used.ok()) << used.status();
      EXPECT_TRUE(map.done());
      EXPECT_EQ(*used, written.text.size());
      ASSERT_EQ(map.segments().size(), written.segments.size());
      for (size_t i = 0; i < written.segments.size(); ++i) {
        EXPECT_EQ(map.segments()[i].file_offset, written.segments[i].file_offset);
        EXPECT_EQ(map.segments()[i].bytes, written.segments[i].bytes);
      }
    }
  }
}

// Of a file of 10,000 bytes, with these bytes of data behind the map.
absl::Status Outcome(const std::string& text, uint64_t data_bytes) {
  GnuSparseMap map;
  const std::string padded = text + std::string(TarPadded(text.size()) - text.size(), '\0');
  map.Begin(padded.size() + data_bytes, 10'000);
  const absl::Status status = FeedAll(&map, padded, 100).status();
  EXPECT_TRUE(!status.ok() || map.done());
  return status;
}

TEST(GnuSparseMap, AcceptsMapsThatFit) {
  EXPECT_TRUE(Outcome("0\n", 0).ok());
  EXPECT_TRUE(Outcome("1\n10000\n0\n", 0).ok());
  EXPECT_TRUE(Outcome("2\n0\n512\n512\n9488\n", 10'000).ok());
}

TEST(GnuSparseMap, RefusesMapsThatLie) {
  for (const char* text : {"\n", "x\n", "1\n\n5\n", "-1\n", "1\n0\n", "2\n0\n5\n", "1 0 5\n",
                           "1\n0\n10001\n",                   // beyond the file
                           "1\n10001\n0\n",                   //
                           "1\n5\n18446744073709551615\n",    // too many digits
                           "1\n9999999999999999999\n5\n",     //
                           "2\n512\n5\n0\n5\n",               // falling
                           "2\n0\n8\n7\n2\n",                 // overlapping
                           "1\n0\n11\n", "1\n0\n9\n", "0\n",  // of more or less data
                           "9999999\n0\n5\n"}) {
    EXPECT_TRUE(absl::IsDataLoss(Outcome(text, 10))) << text;
  }
}

TEST(GnuSparseMap, RefusesMoreSegmentsThanItKeeps) {
  GnuSparseMap map;
  map.Begin(uint64_t{1} << 40, uint64_t{1} << 50);
  const std::string text = std::to_string(GnuSparseMap::kMaxSegments + 1) + "\n";
  EXPECT_TRUE(absl::IsResourceExhausted(map.Feed(AsBytes(text)).status()));
}

}  // namespace
}  // namespace volstream
