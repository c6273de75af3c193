// Tar headers: known bytes, and what libarchive reads out of them.
#include "stages/tar_header.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <ostream>
#include <string>
#include <string_view>

#include "engine/bytes.h"
#include "tests/support/tar_reader.h"

namespace volstream {
namespace {

using namespace std::literals;

constexpr size_t kPlain = kTarBlockBytes;  // a ustar header alone

TarEntry File(std::string_view path) {
  TarEntry entry;
  entry.path = path;
  entry.mode = 0644;
  entry.mtime_seconds = 1'500'000'000;
  return entry;
}

TarEntry Directory(std::string_view path) {
  TarEntry entry = File(path);
  entry.type = TarType::kDirectory;
  entry.mode = 0755;
  return entry;
}

TarItem RoundTrip(const TarEntry& entry) { return ReadTarHeader(TarHeaderOf(entry)); }

// `rest` up to `bytes`, filled with NULs.
std::string Field(std::string text, size_t bytes) {
  text.resize(bytes, '\0');
  return text;
}

// The pax records of an entry that has an extended header, read as POSIX describes them.
std::map<std::string, std::string> PaxRecords(const TarEntry& entry) {
  const std::string header = TarHeaderOf(entry);
  std::map<std::string, std::string> records;
  if (header.size() == kPlain) return records;
  EXPECT_EQ(header[156], 'x');
  const size_t size = std::strtoul(header.substr(124, 12).c_str(), nullptr, 8);
  EXPECT_EQ(header.size(), 2 * kTarBlockBytes + TarPadded(size));
  std::string_view rest = std::string_view(header).substr(kTarBlockBytes, size);
  while (!rest.empty()) {
    const size_t length = std::strtoul(std::string(rest).c_str(), nullptr, 10);
    const size_t blank = rest.find(' ');
    const size_t equals = rest.find('=');
    if (length == 0 || length > rest.size() || equals > length || rest[length - 1] != '\n') {
      ADD_FAILURE() << "bad record: " << rest;
      return records;
    }
    records[std::string(rest.substr(blank + 1, equals - blank - 1))] =
        rest.substr(equals + 1, length - equals - 2);
    rest.remove_prefix(length);
  }
  return records;
}

TEST(TarHeader, IsAppendedToWhatIsThere) {
  const TarEntry plain = File("./a");
  const std::string long_path = "./" + std::string(300, 'n');
  TarEntry with_records = File(long_path);
  with_records.mtime_nanoseconds = 5;
  std::string all = "before";
  AppendTarHeader(plain, &all);
  AppendTarHeader(with_records, &all);
  EXPECT_EQ(all, "before" + TarHeaderOf(plain) + TarHeaderOf(with_records));
}

TEST(TarHeader, OfASimpleFileIsTheseBytes) {
  TarEntry entry = File("./docs/hello.txt");
  entry.uid = 1000;
  entry.gid = 100;
  entry.bytes = 5;
  entry.user_name = "ann";
  entry.group_name = "users";
  EXPECT_EQ(TarHeaderOf(entry), Field("./docs/hello.txt", 100) + "0000644\0"s + "0001750\0"s +
                                    "0000144\0"s + "00000000005\0"s + "13132027400\0"s +
                                    "013765\0 "s + "0" + Field("", 100) + "ustar\0"s + "00" +
                                    Field("ann", 32) + Field("users", 32) + "0000000\0"s +
                                    "0000000\0"s + Field("", 155) + Field("", 12));
}

TEST(TarHeader, ChecksumSumsTheHeaderWithItsOwnFieldBlank) {
  std::string header = TarHeaderOf(File("./\xc3\xbc\xff"));  // bytes over 127 count as unsigned
  const std::string stored = header.substr(148, 8);
  header.replace(148, 8, 8, ' ');
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  char wanted[9];
  std::snprintf(wanted, sizeof(wanted), "%06o", sum);
  EXPECT_EQ(stored, wanted + "\0 "s);
}

TEST(TarHeader, GivesBackEveryFieldOfAFile) {
  TarEntry entry = File("./a/b");
  entry.mode = 06751;
  entry.uid = 1234;
  entry.gid = 4321;
  entry.bytes = 987'654;
  entry.user_name = "ann";
  entry.group_name = "staff";
  const TarItem item = RoundTrip(entry);
  EXPECT_EQ(item.path, "./a/b");
  EXPECT_EQ(item.type, '-');
  EXPECT_EQ(item.mode, 06751u);
  EXPECT_EQ(item.uid, 1234);
  EXPECT_EQ(item.gid, 4321);
  EXPECT_EQ(item.bytes, 987'654);
  EXPECT_EQ(item.user_name, "ann");
  EXPECT_EQ(item.group_name, "staff");
  EXPECT_EQ(item.mtime_seconds, 1'500'000'000);
  EXPECT_EQ(item.mtime_nanoseconds, 0);
}

TEST(TarHeader, GivesBackEveryType) {
  const std::pair<TarType, char> kTypes[] = {
      {TarType::kFile, '-'},       {TarType::kHardLink, 'h'},    {TarType::kSymlink, 'l'},
      {TarType::kCharDevice, 'c'}, {TarType::kBlockDevice, 'b'}, {TarType::kFifo, 'p'}};
  for (const auto& [type, letter] : kTypes) {
    TarEntry entry = File("./x");
    entry.type = type;
    if (letter == 'h' || letter == 'l') entry.link_target = "./there";
    EXPECT_EQ(RoundTrip(entry).type, letter);
  }
  EXPECT_EQ(RoundTrip(Directory("./x/")).type, 'd');
}

TEST(TarHeader, GivesBackDeviceNumbers) {
  TarEntry entry = File("./null");
  entry.type = TarType::kCharDevice;
  entry.device_major = 259;
  entry.device_minor = 1'048'575;  // the largest that Linux has
  const TarItem item = RoundTrip(entry);
  EXPECT_EQ(item.device_major, 259u);
  EXPECT_EQ(item.device_minor, 1'048'575u);
}

TEST(TarHeader, GivesBackOwnerNamesTooLongForUstar) {
  TarEntry entry = File("./x");
  const std::string name(40, 'n');
  entry.user_name = name;
  entry.group_name = name;
  EXPECT_EQ(RoundTrip(entry).user_name, name);
  EXPECT_EQ(RoundTrip(entry).group_name, name);
}

// A path, and whether ustar's fields hold it.
struct PathCase {
  const char* name;
  std::string path;
  bool fits;
};

std::string Many(size_t count, char c) { return std::string(count, c); }

const PathCase kPaths[] = {
    {"OneByte", "a", true},
    {"Bytes99", Many(99, 'a'), true},
    {"Bytes100", Many(100, 'a'), true},
    {"Bytes101WithoutSlash", Many(101, 'a'), false},
    {"Prefix1", "p/" + Many(100, 'n'), true},
    {"Prefix155Name100", Many(155, 'p') + "/" + Many(100, 'n'), true},
    {"Prefix155Name101", Many(155, 'p') + "/" + Many(101, 'n'), false},
    {"Prefix156Name100", Many(156, 'p') + "/" + Many(100, 'n'), false},
    {"Prefix156Name1", Many(156, 'p') + "/n", false},
    {"SplitAmongMany", Many(60, 'p') + "/" + Many(60, 'q') + "/" + Many(60, 'r') + "/s", true},
    {"Bytes256InOne", Many(256, 'a'), false},
    {"Bytes300", Many(150, 'p') + "/" + Many(149, 'n'), false},
    {"Bytes5000",
     [] {
       std::string path = ".";
       while (path.size() < 5000) path += "/" + Many(49, 'd');
       return path;
     }(),
     false},
    {"Directory100", Many(99, 'a') + "/", true},
    {"Directory101", Many(100, 'a') + "/", false},
    {"DirectoryPrefix1Name100", "p/" + Many(99, 'n') + "/", true},
    {"DirectoryPrefix1Name101", "p/" + Many(100, 'n') + "/", false},
    {"DirectoryPrefix155Name100", Many(155, 'p') + "/" + Many(99, 'n') + "/", true},
    {"DirectoryPrefix155Name101", Many(155, 'p') + "/" + Many(100, 'n') + "/", false},
    {"DirectoryPrefix156", Many(156, 'p') + "/" + Many(9, 'n') + "/", false},
    {"Directory155Alone", Many(155, 'p') + "/", false},
};

void PrintTo(const PathCase& path, std::ostream* out) { *out << path.name; }

class TarHeaderPaths : public ::testing::TestWithParam<PathCase> {};

TEST_P(TarHeaderPaths, ComeBack) {
  const std::string& path = GetParam().path;
  const TarEntry entry = path.back() == '/' ? Directory(path) : File(path);
  EXPECT_EQ(RoundTrip(entry).path, path);
}

TEST_P(TarHeaderPaths, TakeAPaxRecordOnlyWhereUstarIsTooShort) {
  const std::string& path = GetParam().path;
  const TarEntry entry = path.back() == '/' ? Directory(path) : File(path);
  EXPECT_EQ(TarHeaderOf(entry).size() == kPlain, GetParam().fits);
  if (!GetParam().fits) {
    EXPECT_EQ(PaxRecords(entry)["path"], path);
  }
}

INSTANTIATE_TEST_SUITE_P(Of, TarHeaderPaths, ::testing::ValuesIn(kPaths),
                         [](const auto& info) { return info.param.name; });

TEST(TarHeader, PaxRecordLengthsCountThemselves) {
  // Record lengths around 99/100 and 999/1000, where the length gains a digit.
  for (size_t bytes = 101; bytes < 1100; ++bytes) {
    const std::string path(bytes, 'a');
    ASSERT_EQ(PaxRecords(File(path))["path"], path) << bytes;
  }
  TarEntry entry = File("a");
  entry.type = TarType::kSymlink;
  for (size_t bytes = 80; bytes < 120; ++bytes) {
    const std::string target(bytes, 't');
    entry.link_target = target;
    ASSERT_EQ(RoundTrip(entry).link_target, target) << bytes;
  }
}

TEST(TarHeader, PutsALongLinkTargetIntoAPaxRecord) {
  for (const TarType type : {TarType::kSymlink, TarType::kHardLink}) {
    for (const size_t bytes : {100, 101, 3000}) {
      TarEntry entry = File("a");
      entry.type = type;
      const std::string target = "./" + Many(bytes - 2, 't');
      entry.link_target = target;
      EXPECT_EQ(RoundTrip(entry).link_target, target);
      EXPECT_EQ(TarHeaderOf(entry).size() == kPlain, bytes <= 100);
    }
  }
}

TEST(TarHeader, GivesBackSizesAround8GiB) {
  for (const uint64_t bytes : {8 * kGiB - 1, 8 * kGiB, 8 * kGiB + 1, 6 * kTiB}) {
    TarEntry entry = File("./large");
    entry.bytes = bytes;
    EXPECT_EQ(RoundTrip(entry).bytes, static_cast<int64_t>(bytes));
    EXPECT_EQ(TarHeaderOf(entry).size() == kPlain, bytes < 8 * kGiB);
  }
}

TEST(TarHeader, GivesBackOwnersAround2097151) {
  for (const uint32_t id : {0u, 2'097'151u, 2'097'152u, 4'294'967'294u}) {
    TarEntry entry = File("./x");
    entry.uid = id;
    entry.gid = id;
    EXPECT_EQ(RoundTrip(entry).uid, id);
    EXPECT_EQ(RoundTrip(entry).gid, id);
    EXPECT_EQ(TarHeaderOf(entry).size() == kPlain, id <= 2'097'151);
  }
}

TEST(TarHeader, GivesBackTimesOfWholeSeconds) {
  // 1969, the epoch, the last second of ustar's octal digits (2242), and later ones.
  for (const int64_t seconds : {int64_t{-86'400}, int64_t{-1}, int64_t{0}, int64_t{8'589'934'591},
                                int64_t{8'589'934'592}, int64_t{253'402'300'800}}) {
    TarEntry entry = File("./x");
    entry.mtime_seconds = seconds;
    EXPECT_EQ(RoundTrip(entry).mtime_seconds, seconds);
    EXPECT_EQ(TarHeaderOf(entry).size() == kPlain, seconds >= 0 && seconds <= 8'589'934'591);
  }
}

TEST(TarHeader, GivesBackFractionsOfASecond) {
  for (const uint32_t nanoseconds : {1u, 5000u, 123'456'789u, 500'000'000u, 999'999'999u}) {
    TarEntry entry = File("./x");
    entry.mtime_nanoseconds = nanoseconds;
    EXPECT_EQ(RoundTrip(entry).mtime_seconds, entry.mtime_seconds);
    EXPECT_EQ(RoundTrip(entry).mtime_nanoseconds, static_cast<long>(nanoseconds));
  }
}

TEST(TarHeader, WritesTimesAsOneSignedDecimalNumber) {
  const struct {
    int64_t seconds;
    uint32_t nanoseconds;
    const char* text;
  } kTimes[] = {{0, 1, "0.000000001"},
                {1, 500'000'000, "1.5"},
                {9, 999'999'999, "9.999999999"},
                {-1, 0, "-1"},
                {-1, 500'000'000, "-0.5"},  // half a second before 1970
                {-1, 999'999'999, "-0.000000001"},
                {-2, 750'000'000, "-1.25"},
                {-100, 1, "-99.999999999"},
                {8'589'934'592, 100'000'000, "8589934592.1"}};
  for (const auto& time : kTimes) {
    TarEntry entry = File("./x");
    entry.mtime_seconds = time.seconds;
    entry.mtime_nanoseconds = time.nanoseconds;
    EXPECT_EQ(PaxRecords(entry)["mtime"], time.text);
  }
}

TEST(TarHeader, KeepsNamesThatAreNotUtf8) {
  EXPECT_EQ(RoundTrip(File("./latin1-\xe9\xff\xfe")).path, "./latin1-\xe9\xff\xfe");
}

TEST(TarHeader, KeepsLongNamesThatAreNotUtf8) {
  const std::string path = "./" + Many(120, '\xe9') + "\n=\xff";
  EXPECT_EQ(PaxRecords(File(path))["path"], path);
  EXPECT_EQ(RoundTrip(File(path)).path, path);
}

TEST(TarHeader, KeepsLongNamesInUtf8) {
  std::string path = "./";
  while (path.size() < 200) path += "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x92\xbe";
  EXPECT_EQ(RoundTrip(File(path)).path, path);
}

TEST(TarHeader, IsAFunctionOfTheEntryAlone) {
  TarEntry entry = File("./x");
  entry.mtime_nanoseconds = 7;
  EXPECT_EQ(TarHeaderOf(entry), TarHeaderOf(entry));
}

TEST(TarHeader, PaddingRoundsUpToBlocks) {
  EXPECT_EQ(TarPadded(0), 0u);
  EXPECT_EQ(TarPadded(1), 512u);
  EXPECT_EQ(TarPadded(512), 512u);
  EXPECT_EQ(TarPadded(513), 1024u);
}

}  // namespace
}  // namespace volstream
