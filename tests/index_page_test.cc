#include "stages/index_page.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "stages/digest.h"

namespace volstream {
namespace {

IndexedEntry FileAt(uint64_t tar_offset, std::string path, uint64_t bytes) {
  IndexedEntry entry;
  entry.path = std::move(path);
  entry.bytes = bytes;
  entry.mode = 0644;
  entry.uid = 1000;
  entry.gid = 100;
  entry.mtime_seconds = 1'700'000'000;
  entry.mtime_nanoseconds = 123'456'789;
  entry.place = {tar_offset, 1024, bytes};
  return entry;
}

// All entries of a page, or the error that ended the reading.
absl::StatusOr<std::vector<IndexedEntry>> ReadAll(std::string page, uint64_t tar_offset,
                                                  uint64_t count) {
  absl::StatusOr<EntryPageReader> reader =
      EntryPageReader::Make(std::move(page), tar_offset, count);
  if (!reader.ok()) return reader.status();
  std::vector<IndexedEntry> entries;
  while (reader->left() > 0) {
    const absl::StatusOr<const IndexedEntry*> entry = reader->Next();
    if (!entry.ok()) return entry.status();
    entries.push_back(**entry);
  }
  const absl::Status end = reader->Finish();
  if (!end.ok()) return end;
  return entries;
}

void ExpectSame(const IndexedEntry& a, const IndexedEntry& b) {
  EXPECT_EQ(static_cast<const EntryInfo&>(a), static_cast<const EntryInfo&>(b)) << a.path;
  EXPECT_EQ(a.place, b.place) << a.path;
  EXPECT_EQ(a.sparse, b.sparse) << a.path;
}

std::vector<IndexedEntry> OddEntries() {
  std::vector<IndexedEntry> entries;
  uint64_t offset = 512;
  const auto add = [&](IndexedEntry entry) {
    entry.place.tar_offset = offset;
    offset = entry.place.end_offset();
    entries.push_back(std::move(entry));
  };
  IndexedEntry root = FileAt(0, "", 0);
  root.type = TarType::kDirectory;
  root.mode = 01777;
  add(root);
  add(FileAt(0, "a", 0));
  add(FileAt(0, std::string("a\n\xff\x01"), 513));
  add(FileAt(0, std::string(3000, 'x') + "/" + std::string(255, 'y'), 1));
  IndexedEntry link = FileAt(0, "link", 0);
  link.type = TarType::kSymlink;
  link.link_target = "../somewhere else/\xfe";
  add(link);
  link.path = "link-empty";
  link.link_target = "";
  add(link);
  IndexedEntry hard = FileAt(0, "links-too", 0);
  hard.type = TarType::kHardLink;
  hard.link_target = "a";
  hard.place.stored_bytes = 700;  // pax -o linkdata
  add(hard);
  IndexedEntry sparse = FileAt(0, "sparse", uint64_t{1} << 40);
  sparse.sparse = true;
  sparse.place.stored_bytes = 1536;
  add(sparse);
  for (const int64_t seconds :
       {int64_t{-1}, int64_t{0}, int64_t{-9'000'000'000}, int64_t{9'000'000'000},
        int64_t{9'000'000'001}, int64_t{-9'000'000'001}, std::numeric_limits<int64_t>::max(),
        std::numeric_limits<int64_t>::min(), int64_t{1'700'000'000}}) {
    for (const uint32_t nanoseconds : {0u, 1u, 999'999'999u}) {
      IndexedEntry entry = FileAt(0, "times", 5);
      entry.mtime_seconds = seconds;
      entry.mtime_nanoseconds = nanoseconds;
      add(entry);
    }
  }
  IndexedEntry owner = FileAt(0, "zz", 7);
  owner.uid = UINT32_MAX;
  owner.gid = UINT32_MAX;
  owner.mode = 07777;
  owner.type = TarType::kBlockDevice;
  owner.bytes = 0;
  owner.place.stored_bytes = 0;
  add(owner);
  return entries;
}

std::string PageOf(const std::vector<IndexedEntry>& entries) {
  EntryPageBuilder builder;
  for (const IndexedEntry& entry : entries) builder.Add(entry);
  return builder.Take();
}

TEST(EntryPage, GivesBackWhatWasAdded) {
  const std::vector<IndexedEntry> entries = OddEntries();
  const auto read = ReadAll(PageOf(entries), 512, entries.size());
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->size(), entries.size());
  for (size_t i = 0; i < entries.size(); ++i) ExpectSame((*read)[i], entries[i]);
}

TEST(EntryPage, IsFullByCountOrByBytes) {
  EntryPageBuilder by_count;
  uint64_t offset = 0;
  while (!by_count.full()) {
    by_count.Add(FileAt(offset, "f", 0));
    offset += 1024;
  }
  EXPECT_EQ(by_count.count(), EntryPageBuilder::kMaxEntries);
  EntryPageBuilder by_bytes;
  for (char c = 'a'; !by_bytes.full(); ++c) {
    by_bytes.Add(FileAt(0, std::string(EntryPageBuilder::kFullBytes / 2, c), 0));
  }
  EXPECT_EQ(by_bytes.count(), 2u);
}

TEST(EntryPage, StartsAnewAfterTake) {
  EntryPageBuilder builder;
  builder.Add(FileAt(0, "some/path", 10));
  builder.Take();
  builder.Add(FileAt(5 * 512, "some/other", 10));
  EXPECT_EQ(builder.first_path(), "some/other");
  EXPECT_EQ(builder.first_tar_offset(), 5u * 512);
  const auto read = ReadAll(builder.Take(), 5 * 512, 1);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->front().path, "some/other");
}

TEST(EntryPage, RefusesAnotherCount) {
  const std::vector<IndexedEntry> entries = OddEntries();
  EXPECT_TRUE(absl::IsDataLoss(ReadAll(PageOf(entries), 512, entries.size() + 1).status()));
  EXPECT_TRUE(absl::IsDataLoss(ReadAll(PageOf(entries), 512, entries.size() - 1).status()));
  EXPECT_TRUE(absl::IsDataLoss(ReadAll("", 512, 0).status()));
}

TEST(EntryPage, RefusesEveryCut) {
  const std::vector<IndexedEntry> entries = OddEntries();
  const std::string page = PageOf(entries);
  for (size_t bytes = 0; bytes < page.size(); ++bytes) {
    EXPECT_TRUE(absl::IsDataLoss(ReadAll(page.substr(0, bytes), 512, entries.size()).status()));
  }
}

TEST(EntryPage, SurvivesEveryChangedByte) {
  const std::vector<IndexedEntry> entries = OddEntries();
  const std::string page = PageOf(entries);
  std::mt19937_64 random(1);
  for (size_t at = 0; at < page.size(); ++at) {
    std::string changed = page;
    changed[at] = static_cast<char>(changed[at] ^ (1 + random() % 255));
    const auto read = ReadAll(changed, 512, entries.size());
    EXPECT_TRUE(read.ok() || absl::IsDataLoss(read.status())) << read.status();
  }
}

TEST(MemberPage, GivesBackWhatWasAdded) {
  MemberPageBuilder builder;
  uint64_t archive = 7;
  uint64_t tar = 9;
  for (uint32_t i = 1; !builder.full(); ++i) builder.Add(i, 2 * i);
  const uint64_t archive_end = archive + builder.archive_bytes();
  const uint64_t tar_end = tar + builder.tar_bytes();
  const std::string page = builder.Take();
  const auto members = ParseMemberPage(AsBytes(page), MemberPageBuilder::kMaxMembers, archive, tar,
                                       archive_end, tar_end);
  ASSERT_TRUE(members.ok()) << members.status();
  for (uint32_t i = 1; i <= MemberPageBuilder::kMaxMembers; ++i) {
    EXPECT_EQ((*members)[i - 1], (MemberExtent{archive, i, tar, 2 * i}));
    archive += i;
    tar += 2 * i;
  }
}

TEST(MemberPage, RefusesWhatDoesNotAddUp) {
  MemberPageBuilder builder;
  builder.Add(10, 20);
  builder.Add(30, 40);
  const std::string page = builder.Take();
  const ByteSpan bytes = AsBytes(page);
  EXPECT_TRUE(ParseMemberPage(bytes, 2, 0, 0, 40, 60).ok());
  EXPECT_TRUE(absl::IsDataLoss(ParseMemberPage(bytes, 2, 0, 0, 41, 60).status()));
  EXPECT_TRUE(absl::IsDataLoss(ParseMemberPage(bytes, 2, 0, 0, 40, 59).status()));
  EXPECT_TRUE(absl::IsDataLoss(ParseMemberPage(bytes, 1, 0, 0, 10, 20).status()));
  EXPECT_TRUE(absl::IsDataLoss(ParseMemberPage(bytes, 3, 0, 0, 40, 60).status()));
  EXPECT_TRUE(absl::IsDataLoss(ParseMemberPage(bytes.first(3), 2, 0, 0, 40, 60).status()));
}

TEST(Paths, CompareComponentByComponent) {
  const std::vector<std::string> sorted = {"",    "a",   "a/b", "a/b/c", "a/c", "a b",
                                           "a-b", "a.b", "aa",  "b",     "\xff"};
  for (size_t i = 0; i < sorted.size(); ++i) {
    for (size_t k = 0; k < sorted.size(); ++k) {
      const int order = ComparePaths(sorted[i], sorted[k]);
      EXPECT_EQ(order < 0, i < k) << sorted[i] << " " << sorted[k];
      EXPECT_EQ(order == 0, i == k) << sorted[i] << " " << sorted[k];
    }
  }
}

TEST(Paths, LieUnderDirectoriesOnly) {
  EXPECT_TRUE(IsUnder("a/b", "a"));
  EXPECT_TRUE(IsUnder("a", "a"));
  EXPECT_TRUE(IsUnder("a", ""));
  EXPECT_FALSE(IsUnder("ab", "a"));
  EXPECT_FALSE(IsUnder("a", "a/b"));
  EXPECT_FALSE(IsUnder("", "a"));
}

}  // namespace
}  // namespace volstream
