// Chunked and NameArena: storage that grows without moving.
#include "stages/chunked.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace volstream {
namespace {

TEST(Chunked, IsEmptyAtFirst) {
  const Chunked<int> chunked;
  EXPECT_TRUE(chunked.empty());
  EXPECT_EQ(chunked.size(), 0u);
}

TEST(Chunked, HoldsWhatWasPutInAcrossChunks) {
  Chunked<size_t> chunked;
  constexpr size_t kCount = 2 * Chunked<size_t>::kPerChunk + 1;
  for (size_t i = 0; i < kCount; ++i) {
    chunked.push_back(i);
    ASSERT_EQ(chunked.back(), i);
    ASSERT_EQ(chunked.size(), i + 1);
  }
  for (size_t i = 0; i < kCount; ++i) ASSERT_EQ(chunked[i], i);
}

TEST(Chunked, MovesNothingAsItGrows) {
  Chunked<int> chunked;
  chunked.push_back(7);
  const int* const first = &chunked[0];
  for (size_t i = 0; i < 3 * Chunked<int>::kPerChunk; ++i) chunked.push_back(0);
  EXPECT_EQ(first, &chunked[0]);
  EXPECT_EQ(*first, 7);
}

TEST(Chunked, TakesWhatCanOnlyBeMoved) {
  Chunked<std::unique_ptr<int>> chunked;
  chunked.push_back(std::make_unique<int>(1));
  *chunked[0] = 2;
  EXPECT_EQ(*std::as_const(chunked)[0], 2);
}

TEST(NameArena, GivesNamesBack) {
  NameArena arena;
  const uint64_t first = arena.Append("name", "target");
  const uint64_t second = arena.Append("other", "");
  EXPECT_EQ(arena.View(first, 4), "name");
  EXPECT_EQ(arena.View(first + 4, 6), "target");
  EXPECT_EQ(arena.View(second, 5), "other");
}

TEST(NameArena, TakesEmptyNames) {
  NameArena arena;
  const uint64_t before = arena.Append("", "");
  EXPECT_EQ(arena.View(before, 0), "");
  EXPECT_EQ(arena.View(arena.Append("a", ""), 1), "a");
}

TEST(NameArena, TakesNamesAsLongAsAChunk) {
  NameArena arena;
  const std::string longest(NameArena::kChunkBytes, 'x');
  const uint64_t small = arena.Append("a", "");
  const uint64_t large = arena.Append(longest, "");
  const uint64_t next = arena.Append("b", "");
  EXPECT_EQ(arena.View(small, 1), "a");
  EXPECT_TRUE(arena.View(large, longest.size()) == longest);
  EXPECT_EQ(arena.View(next, 1), "b");
}

TEST(NameArena, KeepsBothPartsOfANameTogetherAtAChunksEnd) {
  NameArena arena;
  arena.Append(std::string(NameArena::kChunkBytes - 5, 'x'), "");
  const uint64_t position = arena.Append("name", "target");
  EXPECT_EQ(arena.View(position, 4), "name");
  EXPECT_EQ(arena.View(position + 4, 6), "target");
}

TEST(NameArena, FillsAChunkToItsLastByte) {
  NameArena arena;
  arena.Append(std::string(NameArena::kChunkBytes - 10, 'x'), "");
  const uint64_t position = arena.Append("name", "target");
  EXPECT_EQ(position, NameArena::kChunkBytes - 10);
  EXPECT_EQ(arena.View(position + 4, 6), "target");
  EXPECT_EQ(arena.Append("z", ""), NameArena::kChunkBytes);
}

TEST(NameArena, FindsEachOfMany) {
  NameArena arena;
  std::vector<std::pair<uint64_t, std::string>> all;
  for (int i = 0; i < 50'000; ++i) {
    std::string name = "name-" + std::to_string(i);
    all.emplace_back(arena.Append(name, ""), name);
  }
  for (const auto& [position, name] : all) ASSERT_EQ(arena.View(position, name.size()), name);
}

}  // namespace
}  // namespace volstream
