// TarReader over tars that other programs made of one tree: GNU tar, bsdtar, busybox and Python, in
// each of their formats, with long names and holes; and over some that Go made.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "tests/support/cli.h"
#include "tests/support/tar_entries.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kSecond = 1'000'000'000;
constexpr char kHoles[] = "holes";
constexpr uint64_t kHolesBytes = 3'000'000;

// What a format can say.
enum class Can { kShortNames, kUstarNames, kAnyName };

struct Writer {
  std::string name;
  std::vector<std::string> command;  // with the archive's path as OUT, run in the tree
  Can names = Can::kAnyName;
  bool fractions = false;  // of times
  bool holes = false;      // written as holes, of a kind that is read
  bool odd_holes = false;  // of a kind that is not
  bool user_names = true;
  bool fifos = true;
};

void PrintTo(const Writer& writer, std::ostream* out) { *out << writer.name; }

std::vector<std::string> Python(const std::string& format) {
  return {"python3", "-c",
          "import sys, tarfile\n"
          "with tarfile.open(sys.argv[1], 'w', format=tarfile." +
              format + ") as t: t.add('.')\n",
          "OUT"};
}

std::vector<Writer> Writers() {
  std::vector<Writer> writers;
  const auto gnu = [&](const std::string& name, std::vector<std::string> options) {
    std::vector<std::string> command = {"tar", "-cf", "OUT"};
    command.insert(command.end(), options.begin(), options.end());
    command.push_back(".");
    writers.push_back(Writer{.name = name, .command = command});
    return &writers.back();
  };
  gnu("GnuTarGnu", {"--format=gnu"});
  gnu("GnuTarPax", {"--format=pax", "--xattrs"})->fractions = true;
  gnu("GnuTarUstar", {"--format=ustar"})->names = Can::kUstarNames;
  Writer* v7 = gnu("GnuTarV7", {"--format=v7"});
  v7->names = Can::kShortNames;
  v7->user_names = v7->fifos = false;
  gnu("GnuTarOldSparse", {"--format=gnu", "-S"})->odd_holes = true;
  for (const std::string version : {"0.0", "0.1", "1.0"}) {
    Writer* sparse = gnu("GnuTarSparse" + version.substr(0, 1) + version.substr(2),
                         {"--format=pax", "-S", "--sparse-version=" + version});
    sparse->fractions = true;
    (version == "1.0" ? sparse->holes : sparse->odd_holes) = true;
  }
  writers.push_back(
      {.name = "BsdtarGnu", .command = {"bsdtar", "--format=gnutar", "-cf", "OUT", "."}});
  writers.push_back({.name = "BsdtarPax",
                     .command = {"bsdtar", "--format=pax", "-cf", "OUT", "."},
                     .fractions = true,
                     .holes = true});
  writers.push_back({.name = "BsdtarUstar",
                     .command = {"bsdtar", "--format=ustar", "-cf", "OUT", "."},
                     .names = Can::kUstarNames});
  writers.push_back({.name = "BsdtarV7",
                     .command = {"bsdtar", "--format=v7", "-cf", "OUT", "."},
                     .names = Can::kShortNames,
                     .user_names = false,
                     .fifos = false});
  writers.push_back({.name = "Busybox", .command = {"busybox", "tar", "cf", "OUT", "."}});
  // Python's times are floats, good to about a microsecond.
  writers.push_back({.name = "PythonPax", .command = Python("PAX_FORMAT"), .fractions = true});
  writers.push_back({.name = "PythonGnu", .command = Python("GNU_FORMAT")});
  writers.push_back(
      {.name = "PythonUstar", .command = Python("USTAR_FORMAT"), .names = Can::kUstarNames});
  return writers;
}

class TarReaderForeignTree : public ::testing::TestWithParam<Writer> {
 protected:
  // All that the format can say.
  void MakeSource() {
    const Writer& writer = GetParam();
    fs::create_directories(Source("dir/empty"));
    for (const size_t bytes : {0, 1, 511, 512, 513, 70'000}) {
      WriteFile(Source("dir/file" + std::to_string(bytes)), RandomBytes(bytes, bytes), 0640);
    }
    WriteFile(Source("name with ' and \n and \xc3\xa9"), "x", 04755);
    fs::create_symlink("dir/file1", Source("symlink"));
    fs::create_hard_link(Source("dir/file513"), Source("hard"));
    if (writer.fifos) {
      ASSERT_EQ(mkfifo(Source("fifo").c_str(), 0600), 0);
    }
    WriteSparseFile(Source(kHoles), kHolesBytes, {{0, 4096}, {1'048'576, 8192}, {2'998'272, 1728}});
    WriteFile(Source("zz"), "behind the holes");
    if (writer.names != Can::kShortNames) {
      // Splits into prefix and name.
      fs::create_directories(Source(std::string(90, 'p')));
      WriteFile(Source(std::string(90, 'p') + "/" + std::string(90, 'n')), "y");
    }
    if (writer.names == Can::kAnyName) {
      const std::string deep = std::string(200, 'd') + "/" + std::string(200, 'e');
      fs::create_directories(Source(deep));
      WriteFile(Source(deep + "/" + std::string(200, 'f')), "z");
      fs::create_symlink(std::string(900, 't'), Source("to"));
      fs::create_hard_link(Source(deep + "/" + std::string(200, 'f')), Source("hard2"));
    }
    if (writer.names == Can::kAnyName && geteuid() == 0) {
      ASSERT_EQ(chown(Source("zz").c_str(), 3'000'000, 2'097'152), 0);
    }
    const timespec times[2] = {{0, UTIME_OMIT}, {1'600'000'000, 123'456'789}};
    ASSERT_EQ(utimensat(AT_FDCWD, Source("zz").c_str(), times, 0), 0);
  }

  std::string Source(const std::string& path) const { return directory_ / "tree/" + path; }

  std::string Archive() const {
    std::vector<std::string> command = GetParam().command;
    std::replace(command.begin(), command.end(), std::string("OUT"), directory_ / "out.tar");
    const CommandResult result = Command(command).Cwd(Source("")).Env("LC_ALL", "C.UTF-8").Run();
    EXPECT_EQ(result.exit_code, 0) << result;
    return ReadFile(directory_ / "out.tar");
  }

  void ExpectContent(const FoundEntry& found) const {
    std::string content(found.entry.bytes, '\0');
    for (const auto& [offset, data] : found.content) content.replace(offset, data.size(), data);
    EXPECT_TRUE(content == ReadFile(Source(found.entry.path))) << found.entry.path;
  }

  void ExpectNode(const FoundEntry& found, const TreeNode& node) const {
    const RestoreEntry& entry = found.entry;
    EXPECT_EQ(entry.mode, node.mode);
    EXPECT_EQ(entry.uid, node.uid);
    EXPECT_EQ(entry.gid, node.gid);
    if (GetParam().user_names && node.uid == 0) {
      EXPECT_EQ(entry.user_name, "root");
    }
    const int64_t mtime_ns = entry.mtime_seconds * kSecond + entry.mtime_nanoseconds;
    EXPECT_NEAR(static_cast<double>(mtime_ns), static_cast<double>(node.mtime_ns),
                GetParam().fractions ? 2000.0 : 1e9);
    switch (entry.type) {
      case TarType::kFile:
        EXPECT_EQ(node.type, '-');
        EXPECT_EQ(entry.bytes, node.size);
        break;
      case TarType::kHardLink:
        EXPECT_EQ(node.type, '-');
        EXPECT_TRUE(fs::equivalent(Source(entry.link_target), Source(entry.path)));
        break;
      case TarType::kSymlink:
        EXPECT_EQ(node.type, 'l');
        EXPECT_EQ(entry.link_target, node.link_target);
        break;
      default:
        EXPECT_EQ(node.type, entry.type == TarType::kDirectory ? 'd' : 'p');
    }
  }

  TempDir directory_;
};

TEST_P(TarReaderForeignTree, FindsTheTreeThatWentIn) {
  const Writer& writer = GetParam();
  MakeSource();
  const std::string tar = Archive();
  const FoundTar found = FindEntries(tar, {.chunk_bytes = 10'000});
  ASSERT_TRUE(found.status.ok()) << found.status;
  for (const size_t chunk_bytes : {513, 1'048'576}) {
    EXPECT_EQ(TextsOf(FindEntries(tar, {.chunk_bytes = chunk_bytes}).entries),
              TextsOf(found.entries));
  }
  Tree tree = SnapshotTree(directory_ / "tree");
  uint64_t end = 0;
  for (const FoundEntry& one : found.entries) {
    SCOPED_TRACE(TextOf(one));
    EXPECT_EQ(one.place.tar_offset, end);
    end = one.place.end_offset();
    const std::string path = one.entry.path.empty() ? "." : one.entry.path;
    ASSERT_EQ(tree.count(path), 1u);
    ExpectNode(one, tree[path]);
    tree.erase(path);
    const bool holes = path == kHoles;
    EXPECT_EQ(one.entry.sparse, holes && (writer.holes || writer.odd_holes));
    EXPECT_EQ(!one.odd.empty(), holes && writer.odd_holes) << one.odd;
    if (one.entry.type == TarType::kFile && one.odd.empty()) ExpectContent(one);
    if (one.entry.sparse) {
      EXPECT_LT(one.place.stored_bytes, 100'000u);
    }
  }
  EXPECT_TRUE(tree.empty()) << tree.begin()->first;
  EXPECT_LE(end + kTarEndBytes, tar.size());
}

TEST_P(TarReaderForeignTree, RefusesTheTarCutAtEveryBlock) {
  MakeSource();
  const std::string tar = Archive();
  const FoundTar whole = FindEntries(tar);
  ASSERT_FALSE(whole.entries.empty());
  const uint64_t end = whole.entries.back().place.end_offset() + kTarEndBytes;
  // Of the file with holes every block is alike, and of some formats there are many.
  for (uint64_t bytes = 0; bytes<end; bytes += bytes> 200'000 ? 51'200 : 512) {
    const FoundTar found =
        FindEntries(std::string_view(tar).substr(0, bytes), {.chunk_bytes = kMiB});
    ASSERT_TRUE(absl::IsDataLoss(found.status)) << bytes << ": " << found.status;
  }
}

// Tars that Go's archive/tar made, which Docker uses; no Go is needed to have them. They hold a
// directory, a file, a device and a hard link.
TEST(TarReaderForeign, ReadsWhatGoWrites) {
  for (const std::string format : {"USTAR", "GNU", "PAX"}) {
    SCOPED_TRACE(format);
    std::string tar = ReadFile(std::string(VOLSTREAM_CORPUS) + "/tar_reader/go-" + format);
    tar.pop_back();  // what the fuzz target reads beside the tar
    const FoundTar found = FindEntries(tar);
    ASSERT_TRUE(found.status.ok()) << found.status;
    ASSERT_EQ(found.entries.size(), 4u);
    const std::string path =
        format == "USTAR" ? "dir/" + std::string(90, 'x') : std::string(150, 'y');
    EXPECT_EQ(found.entries[0].entry.type, TarType::kDirectory);
    EXPECT_EQ(found.entries[0].entry.path, "dir");
    const RestoreEntry& file = found.entries[1].entry;
    EXPECT_EQ(file.path, path);
    EXPECT_EQ(file.mode, 04644u);
    EXPECT_EQ(file.uid, format == "USTAR" ? 1000u : 3'000'000u);
    EXPECT_EQ(file.user_name, "u");
    EXPECT_EQ(file.mtime_seconds, format == "PAX" ? -5 : 1'600'000'000);
    EXPECT_EQ(file.mtime_nanoseconds, format == "PAX" ? 250'000'000u : 0u);
    EXPECT_EQ(file.attributes.size(), format == "PAX" ? 1u : 0u);
    ASSERT_EQ(found.entries[1].content.size(), 1u);
    EXPECT_EQ(found.entries[1].content[0].second, "hello");
    const RestoreEntry& device = found.entries[2].entry;
    EXPECT_EQ(device.type, TarType::kCharDevice);
    EXPECT_EQ(device.device_major, 1u);
    EXPECT_EQ(device.device_minor, 3u);
    EXPECT_EQ(found.entries[3].entry.type, TarType::kHardLink);
    EXPECT_EQ(found.entries[3].entry.link_target, path);
  }
}

INSTANTIATE_TEST_SUITE_P(Writers, TarReaderForeignTree, ::testing::ValuesIn(Writers()),
                         [](const auto& param_info) { return param_info.param.name; });

}  // namespace
}  // namespace volstream
