// IndexWriter and the directory that it writes: the bounds that a reader keeps, and a writer knows.
#include "stages/index_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "stages/digest.h"
#include "stages/index_blob.h"
#include "stages/index_directory.h"

namespace volstream {
namespace {

IndexedEntry FileOf(std::string path) {
  IndexedEntry entry;
  entry.path = std::move(path);
  entry.place.header_bytes = 512;
  return entry;
}

// Everything that the writer has to write.
std::string WriteAll(IndexWriter* writer) {
  std::string all;
  std::vector<uint8_t> piece(1000);
  while (true) {
    const absl::StatusOr<size_t> bytes = writer->Next(all.size(), piece);
    EXPECT_TRUE(bytes.ok()) << bytes.status();
    if (!bytes.ok() || *bytes == 0) return all;
    all.append(reinterpret_cast<const char*>(piece.data()), *bytes);
  }
}

TEST(IndexWriter, WritesInPiecesOfAnySize) {
  IndexWriter writer(IndexedStream::kOwnTar, ArchiveFormat::kGzip, 0, nullptr);
  for (int i = 0; i < 5000; ++i) {
    IndexedEntry entry = FileOf(std::to_string(100'000 + i));
    entry.place.tar_offset = 512u * static_cast<uint64_t>(i);
    ASSERT_TRUE(writer.Add(entry).ok());
  }
  const std::string all = WriteAll(&writer);
  EXPECT_EQ(writer.bytes(), all.size());
  EXPECT_EQ(writer.entries(), 5000u);
  const auto footer =
      DecodeIndexFooter(AsBytes(all).last(kMaxFooterBytes), /*archive_bytes=*/all.size());
  ASSERT_TRUE(footer.ok()) << footer.status();
  EXPECT_EQ(footer->entry_count, 5000u);
  EXPECT_EQ(footer->index_bytes + kMaxFooterBytes, all.size());
}

TEST(IndexWriter, CountsWhatLiesBetweenEntriesAsHeader) {
  IndexWriter writer(IndexedStream::kForeignTar, ArchiveFormat::kGzip, 0, nullptr);
  IndexedEntry entry = FileOf("a");
  entry.place.tar_offset = 1024;
  EXPECT_TRUE(writer.Add(entry).ok());
  entry.place.tar_offset = 1024;
  EXPECT_TRUE(absl::IsInternal(writer.Add(entry))) << "within the first";
}

TEST(IndexWriter, LeavesTheIndexOutForANameThatNoReaderTakes) {
  IndexWriter writer(IndexedStream::kForeignTar, ArchiveFormat::kGzip, 0, nullptr);
  ASSERT_TRUE(writer.Add(FileOf("a")).ok());
  IndexedEntry entry = FileOf(std::string(kMaxIndexedPathBytes + 1, 'x'));
  entry.place.tar_offset = 512;
  EXPECT_TRUE(writer.Add(entry).ok());
  EXPECT_TRUE(WriteAll(&writer).empty());
  EXPECT_EQ(writer.bytes(), 0u);
  EXPECT_NE(writer.left_out(), "");
}

TEST(IndexWriter, WritesNoFooterForNamesThatAreTooLongTogether) {
  uint64_t next = 0;
  IndexWriter writer(IndexedStream::kOwnTar, ArchiveFormat::kGzip, 0,
                     [&next](IndexedEntry* entry) -> absl::StatusOr<bool> {
                       *entry = FileOf(std::to_string(1000 + next) + std::string(900'000, 'x'));
                       entry->place.tar_offset = 512 * next;
                       return next++ < 40;
                     });
  const std::string all = WriteAll(&writer);
  EXPECT_NE(writer.left_out(), "");
  EXPECT_EQ(writer.bytes(), 0u);
  // Pages went out before that was known.
  ASSERT_GT(all.size(), kMaxFooterBytes);
  EXPECT_TRUE(
      absl::IsNotFound(DecodeIndexFooter(AsBytes(all).last(kMaxFooterBytes), all.size()).status()));
}

class IndexDirectoryTest : public ::testing::Test {
 protected:
  // Adds a page of one entry, and the footer that fits it.
  void Add(std::string first_path, uint64_t bytes = 100) {
    IndexDirectory::EntryPage page;
    page.bytes = bytes;
    page.count = 1;
    page.first_path = std::move(first_path);
    directory_.entry_pages.push_back(std::move(page));
    footer_.directory_offset += bytes;
    ++footer_.entry_count;
  }
  absl::StatusOr<IndexDirectory> Decode() const {
    return IndexDirectory::Decode(AsBytes(directory_.Encode()), footer_);
  }
  IndexDirectory directory_;
  IndexFooter footer_;
};

TEST_F(IndexDirectoryTest, GivesBackWhatWasEncoded) {
  Add("");
  Add("a/b");
  Add("a/c");
  const auto decoded = Decode();
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  ASSERT_EQ(decoded->entry_pages.size(), 3u);
  EXPECT_EQ(decoded->entry_pages[2].first_path, "a/c");
  EXPECT_EQ(decoded->entry_pages[2].offset, 200u);
}

TEST_F(IndexDirectoryTest, RefusesMorePagesThanItsBound) {
  for (uint64_t i = 0; i <= IndexDirectory::kMaxPages; ++i) Add("");
  EXPECT_TRUE(absl::IsDataLoss(Decode().status()));
}

// A few bytes a page make it long again and again.
TEST_F(IndexDirectoryTest, RefusesPathsThatTakeTooMuchTogether) {
  const std::string path(100'000, 'x');
  for (int i = 0; i < 1000; ++i) Add(path);
  EXPECT_LT(directory_.Encode().size(), 200'000u);
  EXPECT_TRUE(absl::IsDataLoss(Decode().status()));
}

TEST_F(IndexDirectoryTest, RefusesAPageThatIsLargerThanAny) {
  Add("a", kMaxBlobMemberBytes + 1);
  EXPECT_TRUE(absl::IsDataLoss(Decode().status()));
}

TEST_F(IndexDirectoryTest, RefusesEveryCutAndWhatDoesNotFitTheFooter) {
  Add("a");
  Add("b");
  const std::string raw = directory_.Encode();
  for (size_t bytes = 0; bytes < raw.size(); ++bytes) {
    EXPECT_TRUE(
        absl::IsDataLoss(IndexDirectory::Decode(AsBytes(raw).first(bytes), footer_).status()));
  }
  ++footer_.entry_count;
  EXPECT_TRUE(absl::IsDataLoss(Decode().status()));
}

TEST(MemberPageBound, IsKeptByTheReader) {
  // As many as a page's bytes could hold, in a page that compresses to nothing.
  std::string page;
  const uint64_t count = kMaxPageMembers + 1;
  AppendVarint(count, &page);
  page.append(count, '\1');
  AppendVarint(count, &page);
  page.append(count, '\1');
  EXPECT_TRUE(absl::IsDataLoss(ParseMemberPage(AsBytes(page), count, 0, 0, count, count).status()));
}

}  // namespace
}  // namespace volstream
