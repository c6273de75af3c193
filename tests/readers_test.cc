// The archive is plain .tar.gz: whoever reads that format reads it, without a word on stderr, and
// gives back the tree that went in.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "engine/bytes.h"
#include "tests/support/archive.h"
#include "tests/support/cli.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

constexpr int64_t kMicrosecond = 1'000;
constexpr int64_t kSecond = 1'000'000'000;

class Readers : public ::testing::Test {
 protected:
  // Two sources and their archives, made once: all that tar can say, and what plain ustar can.
  static void SetUpTestSuite() {
    shared_ = new TempDir();
    ASSERT_EQ(mkdir((*shared_ / "backups").c_str(), 0755), 0);
    TreeOptions options;
    options.incompressible_bytes = 6 * kMiB;
    MakeTree(*shared_ / "full", options);
    archive_ = BackUp(*shared_ / "full", *shared_ / "backups");
    options.beyond_ustar = false;
    options.read_only_directory = geteuid() == 0;
    MakeTree(*shared_ / "plain", options);
    plain_archive_ = BackUp(*shared_ / "plain", *shared_ / "backups");
  }
  static void TearDownTestSuite() { delete shared_; }

  void SetUp() override {
    ASSERT_NE(archive_, "");
    ASSERT_NE(plain_archive_, "");
    ASSERT_EQ(mkdir(target_.c_str(), 0700), 0);
  }

  static std::string Full() { return *shared_ / "full"; }
  static std::string Plain() { return *shared_ / "plain"; }

  // Runs a reader that must be content.
  static CommandResult Read(std::vector<std::string> argv) {
    EXPECT_TRUE(HaveProgram(argv[0])) << argv[0] << " is missing; the README's test command "
                                      << "installs it";
    const CommandResult result = Command(std::move(argv)).Run();
    EXPECT_EQ(result.exit_code, 0) << result;
    EXPECT_EQ(result.err, "");
    return result;
  }

  std::string Difference(const std::string& source, const DiffOptions& options = {}) {
    return DiffTrees(SnapshotTree(source), SnapshotTree(target_), options);
  }

  static inline TempDir* shared_ = nullptr;
  static inline std::string archive_;
  static inline std::string plain_archive_;
  TempDir directory_;
  const std::string target_ = directory_ / "target";
};

TEST_F(Readers, GzipTestsIt) { Read({"gzip", "-t", archive_}); }

TEST_F(Readers, PigzTestsIt) { Read({"pigz", "-t", archive_}); }

TEST_F(Readers, SevenZipTestsIt) {
  if (!HaveProgram("7z")) GTEST_SKIP() << "7z is not here";
  // 7z prints its banner on stdout; with the tar inside piped through, that is tested as well.
  const CommandResult result = Command({"7z", "t", archive_}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_NE(result.out.find("Everything is Ok"), std::string::npos) << result;
}

TEST_F(Readers, GnuTarExtractsIt) {
  // The tree has times before 1970 and in the future on purpose.
  Read({"tar", "--extract", "--gzip", "--preserve-permissions", "--numeric-owner",
        "--warning=no-timestamp", "--file", archive_, "--directory", target_});
  EXPECT_EQ(Difference(Full()), "");
}

TEST_F(Readers, GnuTarFindsNoDifference) {
  Read({"tar", "--diff", "--gzip", "--numeric-owner", "--file", archive_, "--directory", Full()});
}

TEST_F(Readers, GnuTarListsTheSameNamesAsOfItsOwnArchive) {
  const std::string own = directory_ / "own.tar";
  Read({"tar", "--create", "--sort=name", "--format=pax", "--file", own, "--directory", Full(),
        "."});
  std::vector<std::string> ours = LinesOf(Read({"tar", "--list", "--file", archive_}).out);
  std::vector<std::string> theirs = LinesOf(Read({"tar", "--list", "--file", own}).out);
  std::sort(ours.begin(), ours.end());
  std::sort(theirs.begin(), theirs.end());
  EXPECT_EQ(ours, theirs);
}

// bsdtar 3.6 sets no time on the directory that it extracts into, whoever wrote the archive.
TEST_F(Readers, BsdtarExtractsIt) {
  Read({"bsdtar", "-x", "-p", "--numeric-owner", "-f", archive_, "-C", target_});
  DiffOptions options;
  options.root_mtime = false;
  EXPECT_EQ(Difference(Full(), options), "");
}

// busybox knows no pax records: seconds only, and only the tree that ustar can say. It sets no
// times on directories, and neither time nor owner on symlinks. For an ordinary user it applies
// the umask to modes, and fills no directory without write permission.
TEST_F(Readers, BusyboxTarExtractsWhatUstarCanSay) {
  Read({"busybox", "tar", "-x", "-z", "-p", "-f", plain_archive_, "-C", target_});
  DiffOptions options;
  options.mtime_tolerance_ns = kSecond;
  options.directory_mtimes = false;
  options.symlink_mtimes = false;
  options.symlink_owners = false;
  options.modes = geteuid() == 0;
  EXPECT_EQ(Difference(Plain(), options), "");
}

TEST_F(Readers, BusyboxGunzipTestsIt) { Read({"busybox", "gzip", "-t", archive_}); }

// Python keeps times as floating point numbers, and sets none on symlinks.
TEST_F(Readers, PythonExtractsIt) {
  Read({"python3", "-c",
        "import sys, tarfile\n"
        "archive = tarfile.open(sys.argv[1], errorlevel=2)\n"
        "if hasattr(tarfile, 'fully_trusted_filter'):\n"
        "    archive.extraction_filter = staticmethod(tarfile.fully_trusted_filter)\n"
        "archive.extractall(sys.argv[2], numeric_owner=True)\n",
        archive_, target_});
  DiffOptions options;
  options.mtime_tolerance_ns = kMicrosecond;
  options.symlink_mtimes = false;
  EXPECT_EQ(Difference(Full(), options), "");
}

TEST_F(Readers, PythonGzipReadsIt) {
  const CommandResult python =
      Read({"python3", "-c",
            "import gzip, hashlib, sys\n"
            "print(hashlib.md5(gzip.open(sys.argv[1]).read()).hexdigest())",
            archive_});
  EXPECT_EQ(python.out, Md5Hex(Read({"gzip", "-dc", archive_}).out) + "\n");
}

TEST_F(Readers, NamesInTheTarAreRelative) {
  const std::vector<std::string> names = LinesOf(Read({"tar", "-tzf", archive_}).out);
  ASSERT_FALSE(names.empty());
  EXPECT_EQ(names[0], "./");
  for (const std::string& name : names) EXPECT_EQ(name.substr(0, 2), "./") << name;
}

TEST_F(Readers, TheTarEndsInTwoBlocksOfZeros) {
  const std::string tar = Read({"gzip", "-dc", archive_}).out;
  ASSERT_GE(tar.size(), 1024u);
  EXPECT_EQ(tar.size() % 512, 0u);
  EXPECT_EQ(tar.substr(tar.size() - 1024), std::string(1024, '\0'));
}

TEST_F(Readers, VsFieldsLeadFromMemberToMemberExactlyToTheEnd) {
  const std::string file = ReadFile(archive_);
  const MemberWalk walk = WalkMembers(file);
  EXPECT_EQ(walk.problem, "");
  EXPECT_GE(walk.members.size(), 10u);
}

TEST_F(Readers, NoMemberHoldsMoreThanOneMebibyte) {
  for (const GzipMember& member : WalkMembers(ReadFile(archive_)).members) {
    EXPECT_LE(member.uncompressed_bytes, kMiB) << "at offset " << member.offset;
  }
}

TEST_F(Readers, VsFieldsHoldSizeAndHashOfEachMembersTar) {
  const std::string tar = Read({"gzip", "-dc", archive_}).out;
  uint64_t at = 0;
  for (const GzipMember& member : WalkMembers(ReadFile(archive_)).members) {
    ASSERT_LE(at + member.uncompressed_bytes, tar.size());
    const std::string_view bytes = std::string_view(tar).substr(at, member.uncompressed_bytes);
    ASSERT_EQ(XXH3_64bits(bytes.data(), bytes.size()), member.xxh3)
        << "member at offset " << member.offset;
    at += member.uncompressed_bytes;
  }
  EXPECT_EQ(at, tar.size());
}

TEST_F(Readers, EachMemberIsAGzipFileByItself) {
  const std::string file = ReadFile(archive_);
  const std::string tar = Read({"gzip", "-dc", archive_}).out;
  const std::vector<GzipMember> members = WalkMembers(file).members;
  ASSERT_GE(members.size(), 3u);
  const GzipMember& second = members[1];
  WriteFile(directory_ / "member.gz", file.substr(second.offset, second.compressed_bytes));
  EXPECT_TRUE(Read({"gzip", "-dc", directory_ / "member.gz"}).out ==
              tar.substr(members[0].uncompressed_bytes, second.uncompressed_bytes));
}

TEST_F(Readers, RandomFilesAreStoredAndNotBlownUp) {
  const std::string source = directory_ / "random";
  const std::string backups = directory_ / "backups";
  ASSERT_EQ(mkdir(source.c_str(), 0755), 0);
  ASSERT_EQ(mkdir(backups.c_str(), 0755), 0);
  WriteFile(source + "/random", RandomBytes(11, 8 * kMiB));
  const std::string archive = BackUp(source, backups);
  EXPECT_LT(ReadFile(archive).size(), 8 * kMiB + 64 * kKiB);
}

}  // namespace
}  // namespace volstream
