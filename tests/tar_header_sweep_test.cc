// Tar headers over a random sweep of entries: their size is what TarHeaderBytes says, and
// libarchive reads the fields out of them. Headers of files with holes are here as well.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "engine/bytes.h"
#include "stages/sparse_map.h"
#include "stages/tar_header.h"
#include "tests/support/tar_reader.h"

namespace volstream {
namespace {

// An entry and the bytes that its views show.
struct OwnedEntry {
  std::string path;
  std::string link_target;
  std::string user_name;
  std::string group_name;
  std::string pax_records;
  TarEntry entry;
};

class Sweep {
 public:
  explicit Sweep(uint64_t seed) : random_(seed) {}

  void Next(OwnedEntry* out) {
    constexpr TarType kTypes[] = {TarType::kFile,       TarType::kHardLink,    TarType::kSymlink,
                                  TarType::kCharDevice, TarType::kBlockDevice, TarType::kDirectory,
                                  TarType::kFifo};
    TarEntry& entry = out->entry;
    entry = TarEntry();
    entry.type = Pick(kTypes);
    out->path = "./" + Path(Length());
    if (entry.type == TarType::kDirectory) out->path += '/';
    const bool is_link = entry.type == TarType::kHardLink || entry.type == TarType::kSymlink;
    out->link_target = is_link ? "./" + Path(Length()) : "";
    entry.mode = static_cast<uint32_t>(random_() & 07777);
    constexpr uint32_t kIds[] = {0, 1, 1000, 2'097'151, 2'097'152, 4'294'967'294};
    entry.uid = Pick(kIds);
    entry.gid = Pick(kIds);
    out->user_name = std::string(Pick(kNameBytes), 'u');
    out->group_name = std::string(Pick(kNameBytes), 'g');
    constexpr uint64_t kSizes[] = {0, 1, 512, 8 * kGiB - 1, 8 * kGiB, uint64_t{INT64_MAX} - 512};
    if (entry.type == TarType::kFile) entry.bytes = Pick(kSizes);
    constexpr int64_t kTimes[] = {
        -9'000'000'000, -1, 0, 1, 1'700'000'000, 8'589'934'591, 8'589'934'592, 99'999'999'999};
    constexpr uint32_t kNanoseconds[] = {0, 0, 1, 500'000'000, 999'999'999, 123'456'000};
    entry.mtime_seconds = Pick(kTimes);
    entry.mtime_nanoseconds = Pick(kNanoseconds);
    if (entry.type == TarType::kCharDevice || entry.type == TarType::kBlockDevice) {
      entry.device_major = static_cast<uint32_t>(random_() % 4096);
      entry.device_minor = static_cast<uint32_t>(random_() % 1'048'576);
    }
    out->pax_records.clear();
    for (uint64_t i = random_() % 3; i > 0; --i) {
      AppendPaxRecord("SCHILY.xattr.user.x" + std::to_string(i), std::string(Length(), '\n'),
                      &out->pax_records);
    }
    if (entry.type == TarType::kFile && random_() % 3 == 0) {
      entry.sparse = true;
      entry.sparse_file_bytes = Pick(kSizes);
    }
    entry.path = out->path;
    entry.link_target = out->link_target;
    entry.user_name = out->user_name;
    entry.group_name = out->group_name;
    entry.pax_records = out->pax_records;
  }

 private:
  static constexpr size_t kNameBytes[] = {0, 1, 8, 30, 31, 32, 33, 100};

  template <typename T, size_t N>
  T Pick(const T (&values)[N]) {
    return values[random_() % N];
  }

  // Mostly around where a field or the length of a record's length ends.
  size_t Length() {
    constexpr size_t kAround[] = {1, 10, 80, 95, 100, 155, 256, 512, 990, 4000};
    return Pick(kAround) + random_() % 12;
  }

  std::string Path(size_t bytes) {
    std::string path;
    while (path.size() < bytes) {
      path += std::string(1 + random_() % 120, static_cast<char>('a' + random_() % 26)) + "/";
    }
    path.resize(bytes);
    if (path.back() == '/') path.back() = 'x';
    return path;
  }

  std::mt19937_64 random_;
};

TEST(TarHeaderSweep, SizeIsWhatTarHeaderBytesSays) {
  Sweep sweep(1);
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
  Sweep sweep(2);
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
