// Tar streams of other programs, whole and damaged, cut at every place.
#include "stages/tar_watch.h"

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "stages/tar_header.h"
#include "tests/support/raw_tar.h"
#include "tests/support/tar_entries.h"

namespace volstream {
namespace {

ByteSpan Bytes(const std::string& text) {
  return ByteSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

// The outcome of the whole text, fed in pieces of this many bytes.
absl::Status Outcome(const std::string& tar, size_t piece, uint64_t* entries = nullptr) {
  TarWatch watch;
  for (size_t at = 0; at < tar.size(); at += piece) {
    if (absl::Status status = watch.Feed(Bytes(tar.substr(at, piece))); !status.ok()) return status;
  }
  if (entries != nullptr) *entries = watch.entries();
  return watch.Finish();
}

std::string Entry(const std::string& path, const std::string& data) {
  TarEntry entry;
  entry.path = path;
  entry.bytes = data.size();
  std::string tar = TarHeaderOf(entry) + data;
  tar.resize(TarPadded(tar.size()));
  return tar;
}

const std::string kEnd(kTarEndBytes, '\0');

// Files of many sizes under short and long names, as libarchive packs them.
std::string Packed(int (*set_format)(archive*), size_t* entries) {
  std::vector<char> buffer(16 * kMiB);
  size_t used = 0;
  archive* const writer = archive_write_new();
  EXPECT_EQ(set_format(writer), ARCHIVE_OK);
  archive_write_open_memory(writer, buffer.data(), buffer.size(), &used);
  *entries = 0;
  for (const size_t bytes : {0, 1, 511, 512, 513, 70'000}) {
    for (const size_t name_bytes : {10, 99, 101, 300}) {
      archive_entry* const entry = archive_entry_new();
      archive_entry_set_pathname(entry,
                                 (std::to_string(bytes) + std::string(name_bytes, 'n')).c_str());
      archive_entry_set_filetype(entry, AE_IFREG);
      archive_entry_set_size(entry, static_cast<int64_t>(bytes));
      archive_entry_set_mtime(entry, -5, 7);
      EXPECT_EQ(archive_write_header(writer, entry), ARCHIVE_OK) << archive_error_string(writer);
      const std::string data(bytes, '\0');
      archive_write_data(writer, data.data(), data.size());
      archive_entry_free(entry);
      ++*entries;
    }
  }
  archive_write_free(writer);
  return std::string(buffer.data(), used);
}

TEST(TarWatch, AcceptsWhatOtherProgramsWrite) {
  for (const auto format : {archive_write_set_format_gnutar, archive_write_set_format_pax}) {
    size_t written = 0;
    const std::string tar = Packed(format, &written);
    for (const size_t piece : {tar.size(), size_t{1000}, size_t{512}, size_t{7}}) {
      uint64_t entries = 0;
      EXPECT_TRUE(Outcome(tar, piece, &entries).ok()) << Outcome(tar, piece);
      EXPECT_EQ(entries, written);
    }
  }
}

TEST(TarWatch, RefusesAStreamThatEndsAnywhereBeforeItsEndMark) {
  const std::string tar = Entry("a", std::string(700, 'x')) + Entry("b", "");
  for (size_t bytes = 0; bytes < tar.size() + kTarEndBytes; ++bytes) {
    EXPECT_TRUE(absl::IsDataLoss(Outcome((tar + kEnd).substr(0, bytes), 4096))) << bytes;
  }
  EXPECT_TRUE(Outcome(tar + kEnd, 4096).ok());
}

// A file of zeros looks like an end mark to who does not read the headers.
TEST(TarWatch, IsNotDeceivedByZerosInAFile) {
  const std::string tar = Entry("zeros", std::string(8192, '\0'));
  EXPECT_TRUE(absl::IsDataLoss(Outcome(tar, 512)));
  EXPECT_TRUE(Outcome(tar + kEnd, 512).ok());
}

TEST(TarWatch, ObeysThePaxSizeOfLargeFiles) {
  // 8 GiB do not fit into ustar's field, so the header says it in a pax record.
  TarEntry entry;
  entry.path = "large";
  entry.bytes = 8 * kGiB;
  TarWatch watch;
  ASSERT_TRUE(watch.Feed(Bytes(TarHeaderOf(entry))).ok());
  const std::string zeros(64 * kMiB, '\0');
  for (uint64_t done = 0; done < entry.bytes; done += zeros.size()) {
    ASSERT_TRUE(watch.Feed(Bytes(zeros)).ok());
  }
  EXPECT_TRUE(absl::IsDataLoss(watch.Finish()));
  ASSERT_TRUE(watch.Feed(Bytes(kEnd)).ok());
  EXPECT_TRUE(watch.Finish().ok());
  EXPECT_EQ(watch.entries(), 1u);
}

// A GNU sparse entry whose map goes on in this many blocks, which look like nothing.
std::string SparseEntry(const std::string& data, int map_blocks) {
  std::string entry = Entry("sparse", data);
  entry[482] = map_blocks > 0 ? 1 : 0;
  entry = WithField(entry, 156, "S");
  std::string map;
  for (int i = 1; i <= map_blocks; ++i) {
    map +=
        std::string(504, '7') + std::string(1, i < map_blocks ? '\1' : '\0') + std::string(7, '\0');
  }
  return entry.insert(512, map);
}

TEST(TarWatch, FollowsTheMapsOfGnuSparseEntries) {
  for (const std::string& data : {std::string(), std::string(3000, 'x')}) {
    for (const int map_blocks : {0, 1, 3}) {
      const std::string tar = SparseEntry(data, map_blocks) + Entry("b", "data") + kEnd;
      for (const size_t piece : {tar.size(), size_t{512}, size_t{7}}) {
        uint64_t entries = 0;
        EXPECT_TRUE(Outcome(tar, piece, &entries).ok()) << Outcome(tar, piece);
        EXPECT_EQ(entries, 2u);
      }
    }
  }
}

TEST(TarWatch, RefusesASparseEntryCutShort) {
  const std::string tar = SparseEntry("", 3) + kEnd;
  for (size_t bytes = 0; bytes < tar.size(); bytes += 256) {
    EXPECT_TRUE(absl::IsDataLoss(Outcome(tar.substr(0, bytes), 512))) << bytes;
  }
}

// pax -o linkdata stores the data with each name; old tars give the size and no data.
TEST(TarWatch, AcceptsHardLinksWithDataAndWithout) {
  const std::string with = WithField(Entry("link", std::string(1500, 'x')), 156, "1");
  for (const std::string& link : {with, with.substr(0, 512)}) {
    for (const std::string& next : {std::string(), Entry("b", "data")}) {
      for (const size_t piece : {size_t{10'000}, size_t{7}}) {
        const absl::Status status = Outcome(link + next + kEnd, piece);
        EXPECT_TRUE(status.ok()) << status;
      }
    }
  }
  EXPECT_TRUE(absl::IsDataLoss(Outcome(with, 512)));
}

// An index must say the same of a stream that passed as a reader says of it at rest.
TEST(TarWatch, TellsOfEachEntryWhatAReaderFinds) {
  size_t written = 0;
  const std::string foreign = Packed(archive_write_set_format_gnutar, &written);
  const std::string link = WithField(Entry("link", std::string(1500, 'x')), 156, "1");
  const std::string own = Entry("a", "data") + link + link.substr(0, 512) + link.substr(0, 512) +
                          SparseEntry("data", 3) + Entry("dir/", "") + kEnd;
  for (const std::string& tar : {foreign, own}) {
    const std::vector<FoundEntry> expected = FindEntries(tar).entries;
    for (const size_t piece : {tar.size(), size_t{700}, size_t{512}, size_t{7}}) {
      TarWatch watch;
      size_t count = 0;
      watch.Visit([&](const EntryInfo& entry, const EntryPlace& place, bool sparse) {
        if (count < expected.size()) {
          EXPECT_EQ(entry, static_cast<const EntryInfo&>(expected[count].entry));
          EXPECT_EQ(place, expected[count].place);
          EXPECT_EQ(sparse, expected[count].entry.sparse);
        }
        ++count;
        return absl::OkStatus();
      });
      for (size_t at = 0; at < tar.size(); at += piece) {
        ASSERT_TRUE(watch.Feed(Bytes(tar.substr(at, piece))).ok());
      }
      EXPECT_TRUE(watch.Finish().ok());
      EXPECT_EQ(count, expected.size());
      EXPECT_EQ(watch.bytes(), tar.size());
    }
  }
}

TEST(TarWatch, EndsWithTheVisitorsError) {
  TarWatch watch;
  const absl::Status failure = absl::ResourceExhaustedError("no room for an index");
  watch.Visit([&](const EntryInfo&, const EntryPlace&, bool) { return failure; });
  EXPECT_EQ(watch.Feed(Bytes(Entry("a", "data") + kEnd)), failure);
}

TEST(TarWatch, CountsSqliteDatabases) {
  const std::string magic("SQLite format 3\0", 16);
  const std::string tar = Entry("a", magic + std::string(2000, 'x')) + Entry("b", magic) +
                          Entry("c", "x" + magic) + Entry("d", magic.substr(0, 15) + "x") +
                          Entry("e", magic.substr(0, 15)) + Entry("f", "") + SparseEntry(magic, 2) +
                          kEnd;
  for (const size_t piece : {tar.size(), size_t{512}, size_t{7}}) {
    TarWatch watch;
    for (size_t at = 0; at < tar.size(); at += piece) {
      ASSERT_TRUE(watch.Feed(Bytes(tar.substr(at, piece))).ok());
    }
    EXPECT_EQ(watch.sqlite_files(), 3u);
  }
}

TEST(TarWatch, RefusesADamagedHeader) {
  std::string tar = Entry("a", "data") + kEnd;
  tar[0] = 'b';
  const absl::Status status = Outcome(tar, 4096);
  EXPECT_TRUE(absl::IsDataLoss(status));
  EXPECT_NE(status.message().find("byte 0"), absl::string_view::npos) << status;
}

TEST(TarWatch, RefusesAnEntryAfterTheEndMark) {
  EXPECT_TRUE(absl::IsDataLoss(Outcome(Entry("a", "") + kEnd + Entry("b", "") + kEnd, 512)));
}

TEST(TarWatch, RefusesText) {
  EXPECT_TRUE(absl::IsDataLoss(Outcome(std::string(2000, 'x'), 4096)));
}

}  // namespace
}  // namespace volstream
