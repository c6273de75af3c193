// Tar headers over a random sweep of entries: their size is what TarHeaderBytes says, and
// libarchive reads the fields out of them. Headers of files with holes are here as well.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/bytes.h"
#include "stages/sparse_map.h"
#include "stages/tar_header.h"
#include "tests/support/tar_reader.h"
#include "tests/support/tar_sweep.h"

namespace volstream {
namespace {

TEST(TarHeaderSweep, SizeIsWhatTarHeaderBytesSays) {
  TarSweep sweep(1);
  OwnedEntry owned;
  for (int i = 0; i < 50'000; ++i) {
    sweep.Next(&owned);
    const std::string header = TarHeaderOf(owned.entry);
    ASSERT_EQ(header.size(), TarHeaderBytes(owned.entry)) << i << ": " << owned.path;
    ASSERT_EQ(header.size() % kTarBlockBytes, 0u);
  }
}

TEST(TarHeaderSweep, SizeIsRightForEveryLengthOfRecord) {
  for (size_t bytes = 0; bytes < 11'000; bytes += bytes < 1200 ? 1 : 97) {
    TarEntry entry;
    const std::string target(bytes, 't');
    entry.type = TarType::kSymlink;
    entry.path = "./a";
    entry.link_target = target;
    ASSERT_EQ(TarHeaderOf(entry).size(), TarHeaderBytes(entry)) << bytes;
  }
}

TEST(TarHeaderSweep, ReadersGetTheFieldsBack) {
  TarSweep sweep(2);
  OwnedEntry owned;
  for (int i = 0; i < 3000; ++i) {
    sweep.Next(&owned);
    const TarEntry& entry = owned.entry;
    if (entry.sparse) continue;  // read back below: their map belongs to the data
    const TarItem item = ReadTarHeader(TarHeaderOf(entry));
    ASSERT_EQ(item.path, owned.path);
    ASSERT_EQ(item.link_target, owned.link_target);
    ASSERT_EQ(item.mode, entry.mode);
    ASSERT_EQ(item.uid, entry.uid);
    ASSERT_EQ(item.gid, entry.gid);
    ASSERT_EQ(item.user_name, owned.user_name);
    ASSERT_EQ(item.group_name, owned.group_name);
    // libarchive 3.6 takes the fraction of a time before 1970 for one towards the future.
    if (entry.mtime_seconds >= 0 || entry.mtime_nanoseconds == 0) {
      ASSERT_EQ(item.mtime_seconds, entry.mtime_seconds);
      ASSERT_EQ(item.mtime_nanoseconds, static_cast<long>(entry.mtime_nanoseconds));
    }
    ASSERT_EQ(item.device_major, entry.device_major);
    ASSERT_EQ(item.device_minor, entry.device_minor);
    if (entry.type == TarType::kFile) {
      ASSERT_EQ(item.bytes, static_cast<int64_t>(entry.bytes));
    }
  }
}

// A whole tar of one file with holes, whose segments are full of 'x'.
std::string SparseTar(const std::string& path, const SparseMap& map) {
  TarEntry entry;
  entry.path = path;
  entry.mode = 0644;
  entry.bytes = map.stored_bytes;
  entry.sparse = true;
  entry.sparse_file_bytes = map.file_bytes;
  std::string tar = TarHeaderOf(entry) + map.text;
  const uint64_t data = map.stored_bytes - map.text.size();
  tar += std::string(data, 'x') + std::string(TarPadded(data) - data, '\0');
  return tar + std::string(kTarEndBytes, '\0');
}

TEST(TarHeaderSparse, FilesWithHolesComeBack) {
  struct Case {
    std::vector<SparseMap::Segment> segments;
    uint64_t bytes;
  };
  const Case kCases[] = {{{}, 100'000},
                         {{{0, 512, 0}}, 100'000},
                         {{{51'200, 1024, 0}}, 100'000},
                         {{{99'840, 160, 0}}, 100'000},
                         {{{0, 1024, 0}, {10'240, 512, 0}, {99'840, 160, 0}}, 100'000}};
  for (const size_t name_bytes : {5, 80, 81, 100, 101, 255}) {
    for (const Case& sparse : kCases) {
      const SparseMap map = SparseMap::From(sparse.segments, sparse.bytes);
      const std::string path = "./dir/" + std::string(name_bytes, 'n');
      const std::vector<TarItem> items = ReadTar(SparseTar(path, map));
      ASSERT_EQ(items.size(), 1u);
      EXPECT_EQ(items[0].path, path);
      EXPECT_EQ(items[0].type, '-');
      EXPECT_EQ(items[0].bytes, static_cast<int64_t>(sparse.bytes));
      std::string expected(sparse.bytes, '\0');
      for (const SparseMap::Segment& segment : sparse.segments) {
        expected.replace(segment.file_offset, segment.bytes, segment.bytes, 'x');
      }
      EXPECT_TRUE(items[0].data == expected) << path;
    }
  }
}

TEST(TarHeaderSparse, SaysASizeOver8GiB) {
  const SparseMap map = SparseMap::From({{9 * kGiB, 512, 0}}, 10 * kGiB + 1);
  EXPECT_EQ(ReadTarHeader(SparseTar("./large", map)).bytes, static_cast<int64_t>(10 * kGiB + 1));
}

TEST(TarHeaderSparse, ReadersThatKnowNoHolesPutThemElsewhere) {
  const std::string tar = SparseTar("./d/name", SparseMap::From({{0, 512, 0}}, 100'000));
  // The last header before the data: what ustar alone sees.
  EXPECT_NE(tar.find(std::string("./d/GNUSparseFile.0/name") + '\0'), std::string::npos);
}

}  // namespace
}  // namespace volstream
