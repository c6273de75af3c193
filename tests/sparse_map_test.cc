// SparseMap: which segments are stored, where, and what the map says of them.
#include "stages/sparse_map.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "engine/bytes.h"
#include "stages/beneath.h"
#include "stages/tar_header.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

using Ranges = std::vector<std::pair<uint64_t, uint64_t>>;  // offset and bytes

SparseMap From(const Ranges& ranges, uint64_t file_bytes,
               size_t max_segments = SparseMap::kMaxSegments) {
  std::vector<SparseMap::Segment> segments;
  for (const auto& [offset, bytes] : ranges) segments.push_back({offset, bytes, 0});
  return SparseMap::From(std::move(segments), file_bytes, max_segments);
}

Ranges RangesOf(const SparseMap& map) {
  Ranges ranges;
  for (const SparseMap::Segment& segment : map.segments) {
    ranges.emplace_back(segment.file_offset, segment.bytes);
  }
  return ranges;
}

// The map's text by GNU tar's grammar: decimal numbers, each ended by a newline: how many, then
// offset and size of each; NULs up to the tar block's end.
Ranges Parse(const std::string& text) {
  EXPECT_EQ(text.size() % kTarBlockBytes, 0u);
  std::istringstream in(text);
  std::string line;
  const auto number = [&] {
    std::getline(in, line);
    EXPECT_EQ(line.find_first_not_of("0123456789"), std::string::npos) << line;
    return line.empty() ? 0 : std::stoull(line);
  };
  Ranges ranges;
  const size_t count = number();
  for (size_t i = 0; i < count; ++i) {
    const uint64_t offset = number();
    ranges.emplace_back(offset, number());
  }
  const size_t end = static_cast<size_t>(in.tellg());
  EXPECT_LT(text.size() - end, kTarBlockBytes);
  EXPECT_EQ(text.find_first_not_of('\0', end), std::string::npos);
  return ranges;
}

// What holds of every map: the text says the segments, and they lie one after another behind it.
void ExpectSound(const SparseMap& map) {
  EXPECT_EQ(Parse(map.text), RangesOf(map));
  uint64_t stored = map.text.size();
  uint64_t end = 0;
  for (size_t i = 0; i < map.segments.size(); ++i) {
    const SparseMap::Segment& segment = map.segments[i];
    const bool is_last = i + 1 == map.segments.size();
    ASSERT_EQ(segment.stored_offset, stored);
    ASSERT_GE(segment.file_offset, end);
    if (!is_last || segment.bytes > 0) {
      ASSERT_EQ(segment.file_offset % kTarBlockBytes, 0u);
    }
    if (!is_last) {
      ASSERT_EQ(segment.bytes % kTarBlockBytes, 0u);
      ASSERT_GT(segment.bytes, 0u);
    }
    stored += segment.bytes;
    end = segment.file_offset + segment.bytes;
  }
  EXPECT_EQ(map.stored_bytes, stored);
  EXPECT_EQ(end, map.file_bytes);  // so that a reader knows the size
}

TEST(SparseMap, HoldsItsSegments) {
  const SparseMap map = From({{4096, 8192}, {1 * kMiB, 4096}}, kMiB + 4096);
  ExpectSound(map);
  EXPECT_EQ(RangesOf(map), (Ranges{{4096, 8192}, {kMiB, 4096}}));
  EXPECT_EQ(map.text.substr(0, 28), "2\n4096\n8192\n1048576\n4096\n" + std::string(3, '\0'));
  EXPECT_EQ(map.stored_bytes, 512u + 8192 + 4096);
}

TEST(SparseMap, OfNothingButAHoleIsAnEmptySegmentAtTheEnd) {
  for (const uint64_t bytes : {uint64_t{1}, uint64_t{512}, 10 * kGiB, uint64_t{INT64_MAX}}) {
    const SparseMap map = From({}, bytes);
    ExpectSound(map);
    EXPECT_EQ(RangesOf(map), (Ranges{{bytes, 0}}));
    EXPECT_EQ(map.stored_bytes, 512u);
  }
}

TEST(SparseMap, OfAnEmptyFileIsOneEmptySegment) {
  const SparseMap map = From({}, 0);
  ExpectSound(map);
  EXPECT_EQ(map.text.substr(0, 6), "1\n0\n0\n");
}

TEST(SparseMap, EndsWithAnEmptySegmentAfterAHoleAtTheTail) {
  const SparseMap map = From({{0, 4096}}, 10'000);
  ExpectSound(map);
  EXPECT_EQ(RangesOf(map), (Ranges{{0, 4096}, {10'000, 0}}));
}

TEST(SparseMap, HasNoEmptySegmentAfterDataAtTheTail) {
  const SparseMap map = From({{4096, 904}}, 5000);
  ExpectSound(map);
  EXPECT_EQ(RangesOf(map), (Ranges{{4096, 904}}));
}

TEST(SparseMap, RoundsSegmentsToTarBlocks) {
  const SparseMap map = From({{1000, 100}, {5000, 1}}, 100'000);
  ExpectSound(map);
  EXPECT_EQ(RangesOf(map), (Ranges{{512, 1024}, {4608, 512}, {100'000, 0}}));
}

TEST(SparseMap, RoundsNoFurtherThanTheFilesEnd) {
  const SparseMap map = From({{9'000, 50}}, 9'100);
  ExpectSound(map);
  EXPECT_EQ(RangesOf(map), (Ranges{{8704, 396}}));
}

TEST(SparseMap, MakesOneOfSegmentsThatTouch) {
  EXPECT_EQ(RangesOf(From({{0, 512}, {512, 512}, {1024, 512}, {4096, 1}}, 4608)),
            (Ranges{{0, 1536}, {4096, 512}}));
}

TEST(SparseMap, MakesOneOfSegmentsThatTouchOnceRounded) {
  const SparseMap map = From({{10, 10}, {100, 10}, {500, 20}, {1030, 1}}, 8192);
  ExpectSound(map);
  EXPECT_EQ(RangesOf(map), (Ranges{{0, 1536}, {8192, 0}}));
}

TEST(SparseMap, KeepsAsManySegmentsAsItMay) {
  const SparseMap map = From({{0, 512}, {4096, 512}, {8192, 512}}, 8704, 3);
  EXPECT_EQ(map.segments.size(), 3u);
}

TEST(SparseMap, MergesTheClosestOfTooMany) {
  const SparseMap map = From({{0, 512}, {4096, 512}, {kMiB, 512}}, kMiB + 512, 2);
  ExpectSound(map);
  EXPECT_EQ(RangesOf(map), (Ranges{{0, 4608}, {kMiB, 512}}));
}

TEST(SparseMap, MergesHoweverFarApartWhenItMust) {
  const SparseMap map = From({{0, 512}, {kTiB, 512}, {5 * kTiB, 512}}, 6 * kTiB, 1);
  ExpectSound(map);
  EXPECT_EQ(RangesOf(map), (Ranges{{0, 5 * kTiB + 512}, {6 * kTiB, 0}}));
}

TEST(SparseMap, TextOfExactlyABlockHasNoPadding) {
  // 512 bytes: "N\n" and pairs whose length is chosen so.
  for (size_t count = 1; count < 200; ++count) {
    Ranges ranges;
    for (size_t i = 0; i < count; ++i) ranges.emplace_back(i * 10'240, 512);
    const SparseMap map = From(ranges, count * 10'240);
    ExpectSound(map);
    ASSERT_EQ(map.segments.size(), count + 1);
  }
}

TEST(SparseMap, IsSoundForAnySegments) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 300; ++round) {
    Ranges ranges;
    uint64_t end = 0;
    std::vector<std::pair<uint64_t, uint64_t>> wanted;
    for (uint64_t i = random() % 40; i > 0; --i) {
      const uint64_t offset = end + 1 + random() % (uint64_t{1} << (random() % 30));
      const uint64_t bytes = 1 + random() % (uint64_t{1} << (random() % 20));
      ranges.emplace_back(offset, bytes);
      end = offset + bytes;
    }
    const size_t most = 1 + random() % 20;
    const SparseMap map = From(ranges, end + random() % 3 * (random() % 10'000), most);
    ExpectSound(map);
    ASSERT_LE(map.segments.size(), most + 1);
    // Nothing that was data is a hole.
    for (const auto& [offset, bytes] : ranges) {
      bool covered = false;
      for (const auto& [from, count] : RangesOf(map)) {
        covered = covered || (from <= offset && offset + bytes <= from + count);
      }
      ASSERT_TRUE(covered) << round << ": " << offset;
    }
  }
}

class SparseMapOf : public ::testing::Test {
 protected:
  // A file of these ranges of data, or skips.
  std::optional<SparseMap> Of(const Ranges& data, uint64_t file_bytes) {
    const std::string path = directory_ / "sparse";
    const UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    EXPECT_EQ(ftruncate(fd.get(), static_cast<off_t>(file_bytes)), 0);
    for (const auto& [offset, bytes] : data) {
      const std::string text(bytes, 'x');
      EXPECT_EQ(pwrite(fd.get(), text.data(), bytes, static_cast<off_t>(offset)),
                static_cast<ssize_t>(bytes));
    }
    return SparseMap::Of(fd.get(), file_bytes);
  }

  void SetUp() override {
    if (!Of({}, kMiB).has_value()) GTEST_SKIP() << "NOT TESTED: no holes in " << directory_.path();
  }

  TempDir directory_;
};

TEST_F(SparseMapOf, AFileWithHolesHoldsItsData) {
  const std::optional<SparseMap> map = Of({{kMiB, 64 * kKiB}, {3 * kMiB, 100}}, 4 * kMiB);
  ASSERT_TRUE(map.has_value());
  ExpectSound(*map);
  EXPECT_LT(map->stored_bytes, 200 * kKiB);  // a file system's blocks may be larger than the data
  ASSERT_GE(map->segments.size(), 3u);
  EXPECT_LE(map->segments[0].file_offset, kMiB);
  EXPECT_GE(map->segments[0].file_offset + map->segments[0].bytes, kMiB + 64 * kKiB);
}

TEST_F(SparseMapOf, AFileThatIsAHoleIsItsTextAlone) {
  const std::optional<SparseMap> map = Of({}, 9 * kGiB + 1);
  ASSERT_TRUE(map.has_value());
  ExpectSound(*map);
  EXPECT_EQ(map->stored_bytes, 512u);
}

TEST_F(SparseMapOf, AFileWithoutHolesIsNone) {
  EXPECT_FALSE(Of({{0, kMiB}}, kMiB).has_value());
  EXPECT_FALSE(Of({}, 0).has_value());
}

TEST_F(SparseMapOf, AHoleThatSavesNothingIsNone) {
  EXPECT_FALSE(Of({{0, 64 * kKiB}, {68 * kKiB, 60 * kKiB}}, 128 * kKiB).has_value());
}

TEST_F(SparseMapOf, AFileThatIsLongerByNowEndsAsItWas) {
  const std::string path = directory_ / "grown";
  WriteFile(path, std::string(1000, 'x'));
  ASSERT_EQ(truncate(path.c_str(), 8 * kMiB), 0);
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const std::optional<SparseMap> map = SparseMap::Of(fd.get(), 2 * kMiB);
  ASSERT_TRUE(map.has_value());
  ExpectSound(*map);
  EXPECT_EQ(map->file_bytes, 2 * kMiB);
}

TEST_F(SparseMapOf, AFileThatIsShorterByNowEndsWithAHole) {
  const std::string path = directory_ / "shrunk";
  WriteFile(path, std::string(1000, 'x'));
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const std::optional<SparseMap> map = SparseMap::Of(fd.get(), 2 * kMiB);
  ASSERT_TRUE(map.has_value());
  ExpectSound(*map);
}

TEST_F(SparseMapOf, AFileOfMoreHolesThanAMapHoldsIsMadeCoarser) {
  // More than are even collected, and further apart than what is merged first.
  constexpr uint64_t kSegments = 4 * SparseMap::kMaxSegments + 2000;
  constexpr uint64_t kStride = 256 * kKiB;
  const std::string path = directory_ / "many";
  const UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  ASSERT_EQ(ftruncate(fd.get(), static_cast<off_t>(2 * kSegments * kStride)), 0);
  for (uint64_t i = 0; i < kSegments; ++i) {
    if (pwrite(fd.get(), "x", 1, static_cast<off_t>(i * kStride)) != 1) {
      GTEST_SKIP() << "NOT TESTED: no room for " << kSegments << " segments";
    }
  }
  const std::optional<SparseMap> map = SparseMap::Of(fd.get(), 2 * kSegments * kStride);
  ASSERT_TRUE(map.has_value()) << "the file would be stored with all its holes";
  ExpectSound(*map);
  EXPECT_LE(map->segments.size(), SparseMap::kMaxSegments + 1);
  EXPECT_LE(map->stored_bytes, kSegments * kStride + map->text.size());  // the tail stays a hole
}

}  // namespace
}  // namespace volstream
