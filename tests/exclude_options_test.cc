// The options of `volstream backup` that say what of the source is taken, from the command line.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "engine/bytes.h"
#include "tests/support/archive.h"
#include "tests/support/cli.h"
#include "tests/support/guards.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

class SourceOptions : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(source_);
    fs::create_directory(backups_);
  }

  void File(const std::string& name, std::string_view contents = "contents") {
    fs::create_directories(fs::path(source_ + "/" + name).parent_path());
    WriteFile(source_ + "/" + name, contents);
  }

  // Names in the archive of a backup with these options, sorted, without "./".
  Names NamesWith(const std::vector<std::string>& options) {
    archive_ = BackUp(source_, backups_, options);
    const CommandResult list = Command({"tar", "tzf", archive_}).Run();
    EXPECT_EQ(list.exit_code, 0) << list;
    Names names;
    for (const std::string& line : LinesOf(list.out)) {
      if (line != "./") names.push_back(line.substr(2));
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  CommandResult Run(const std::vector<std::string>& options) {
    Command command = Volstream({"backup", source_, "--to", backups_});
    for (const std::string& option : options) command.Arg(option);
    return command.Run();
  }

  void ExpectNoTrace() { EXPECT_EQ(NamesIn(backups_), Names{}); }

  TempDir directory_;
  const std::string source_ = directory_ / "volume";
  const std::string backups_ = directory_ / "backups";
  std::string archive_;
};

TEST_F(SourceOptions, ExcludeLeavesOutWhatMatches) {
  for (const char* name : {"a.log", "b/c.log", "b/keep", "tmp/x", "b/tmp/y"}) File(name);
  EXPECT_EQ(NamesWith({"--exclude", "*.log", "--exclude", "/tmp"}),
            (Names{"b/", "b/keep", "b/tmp/", "b/tmp/y"}));
  EXPECT_EQ(ReceiptOf(archive_).value("excluded", 0), 3);
}

TEST_F(SourceOptions, ExcludeTakesOneValueEach) {
  for (const char* name : {"a", "b"}) File(name);
  // What follows the value is no further pattern.
  const CommandResult result =
      Volstream({"backup", "--exclude", "a", source_, "--to", backups_}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_NE(result.err.find("1 names were left out"), std::string::npos) << result;
}

TEST_F(SourceOptions, ExcludeRefusesPatternsThatCannotBeMeant) {
  for (const char* pattern : {"!a", "/", "**", "a/../b", "a\\"}) {
    ExpectOneError(Run({"--exclude", pattern}), kExitGeneral, {pattern, "exclude pattern"});
    ExpectNoTrace();
  }
}

TEST_F(SourceOptions, ExcludeFromReadsPatterns) {
  for (const char* name : {"a.log", "b/keep", "tmp/x", "c"}) File(name);
  WriteFile(directory_ / "one", "# comment\n\n*.log\n");
  WriteFile(directory_ / "two", "tmp/\r\n/c");
  EXPECT_EQ(NamesWith({"--exclude-from", directory_ / "one", "--exclude-from", directory_ / "two"}),
            (Names{"b/", "b/keep"}));
}

TEST_F(SourceOptions, ExcludeFromNamesTheFileAndTheLine) {
  const std::string file = directory_ / "patterns";
  WriteFile(file, "a\n\n!b\n");
  ExpectOneError(Run({"--exclude-from", file}), kExitGeneral, {file + " line 3", "!b"});
  ExpectOneError(Run({"--exclude-from", file + "-missing"}), kExitGeneral,
                 {file + "-missing", "no such file"});
  ExpectOneError(Run({"--exclude-from", directory_.path()}), kExitGeneral,
                 {directory_.path(), "directory"});
  ExpectNoTrace();
}

TEST_F(SourceOptions, ExcludeCachesKeepsOnlyTheTag) {
  File("cache/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55");
  File("cache/x");
  File("a");
  EXPECT_EQ(NamesWith({"--exclude-caches"}), (Names{"a", "cache/", "cache/CACHEDIR.TAG"}));
  EXPECT_EQ(ReceiptOf(archive_).value("excluded", 0), 1);
}

TEST_F(SourceOptions, OneFileSystemEntersNoMounts) {
  fs::create_directory(source_ + "/mount");
  const Mount mount(source_ + "/mount");
  if (!mount.mounted()) GTEST_SKIP() << "NOT TESTED: may not mount";
  File("mount/inside");
  EXPECT_EQ(NamesWith({"-x"}), (Names{"mount/"}));
  EXPECT_EQ(NamesWith({"--one-file-system", "--name", "other"}), (Names{"mount/"}));
  EXPECT_EQ(NamesWith({"--name", "all"}), (Names{"mount/", "mount/inside"}));
}

TEST_F(SourceOptions, ALoopOfBindMountsIsRefused) {
  fs::create_directories(source_ + "/a/loop");
  const Mount mount(source_, source_ + "/a/loop");
  if (!mount.mounted()) GTEST_SKIP() << "NOT TESTED: may not mount";
  ExpectOneError(Run({}), kExitGeneral, {"a/loop", "bind mount", "--exclude /a/loop"});
  ExpectNoTrace();
  // The remedy helps.
  EXPECT_EQ(NamesWith({"--exclude", "/a/loop"}), (Names{"a/"}));
}

TEST_F(SourceOptions, ADestinationMountedIntoTheSourceIsRefused) {
  fs::create_directories(source_ + "/a/backups");
  const Mount mount(source_ + "/a/backups", backups_);
  if (!mount.mounted()) GTEST_SKIP() << "NOT TESTED: may not mount";
  ExpectOneError(Run({}), kExitGeneral, {"destination", "a/backups", "bind mount"});
  EXPECT_EQ(NamesIn(backups_), Names{});
  EXPECT_EQ(NamesWith({"--exclude", "/a/backups"}), (Names{"a/"}));
}

TEST_F(SourceOptions, ASourceInsideTheDestinationIsRefused) {
  const std::string inside = backups_ + "/volume";
  fs::create_directory(inside);
  ExpectOneError(Volstream({"backup", inside, "--to", backups_}).Run(), kExitGeneral,
                 {inside, "inside the destination", backups_});
  EXPECT_EQ(NamesIn(backups_), Names{"volume"});
}

TEST_F(SourceOptions, ASourceThatIsTheDestinationIsRefused) {
  ExpectOneError(Volstream({"backup", source_, "--to", source_ + "/."}).Run(), kExitGeneral,
                 {source_, "inside the source"});
  EXPECT_EQ(NamesIn(source_), Names{});
}

TEST_F(SourceOptions, ADestinationInsideTheSourceIsRefusedThroughALink) {
  fs::create_directory(source_ + "/inside");
  fs::create_directory_symlink(source_ + "/inside", directory_ / "link");
  ExpectOneError(Volstream({"backup", source_, "--to", directory_ / "link"}).Run(), kExitGeneral,
                 {"link", "inside the source"});
  EXPECT_EQ(NamesIn(source_ + "/inside"), Names{});
}

// What readers that are no full tar make of files with holes.
class Holes : public SourceOptions {
 protected:
  void SetUp() override {
    SourceOptions::SetUp();
    fs::create_directory(target_);
    WriteSparseFile(source_ + "/middle", 3 * kMiB, {{0, 5000}, {2 * kMiB, kMiB}});
    WriteSparseFile(source_ + "/tail", 3 * kMiB + 17, {{kMiB, 100}});
    File("plain");
    tree_ = SnapshotTree(source_);
    if (tree_.at("middle").data.size() != 2) {
      GTEST_SKIP() << "NOT TESTED: no holes in " << source_;
    }
  }

  static CommandResult Python(const std::string& archive, const std::string& target) {
    return Command({"python3", "-c",
                    "import sys, tarfile\n"
                    "archive = tarfile.open(sys.argv[1], errorlevel=2)\n"
                    "if hasattr(tarfile, 'fully_trusted_filter'):\n"
                    "    archive.extraction_filter = staticmethod(tarfile.fully_trusted_filter)\n"
                    "archive.extractall(sys.argv[2], numeric_owner=True)\n",
                    archive, target})
        .Run();
  }

  // Of plain contents alone.
  static DiffOptions Contents() {
    DiffOptions options;
    options.mtime_tolerance_ns = 1'000'000'000;
    options.directory_mtimes = false;
    options.holes = false;
    return options;
  }

  const std::string target_ = directory_ / "target";
  Tree tree_;
};

TEST_F(Holes, PythonGivesFilesWithHolesBack) {
  const CommandResult result = Python(BackUp(source_, backups_), target_);
  EXPECT_EQ(result.exit_code, 0) << result;
  DiffOptions options = Contents();
  options.holes = true;
  EXPECT_EQ(DiffTrees(tree_, SnapshotTree(target_), options), "");
}

// busybox knows no pax: under the name GNUSparseFile.0/NAME it stores the map and the data, so that
// nobody takes them for the file.
TEST_F(Holes, BusyboxPutsFilesWithHolesBeside) {
  const std::string archive = BackUp(source_, backups_);
  const CommandResult result = Command({"busybox", "tar", "-xzf", archive, "-C", target_}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(NamesIn(target_), (Names{"GNUSparseFile.0", "plain"}));
  EXPECT_EQ(NamesIn(target_ + "/GNUSparseFile.0"), (Names{"middle", "tail"}));
  EXPECT_TRUE(ReadFile(target_ + "/GNUSparseFile.0/middle").starts_with("2\n0\n8192\n2097152\n"));
}

TEST_F(Holes, StoredAsZerosEveryReaderGivesThemBack) {
  const std::string archive = BackUp(source_, backups_, {"--no-sparse"});
  EXPECT_GT(ReceiptOf(archive).value("tar_bytes", uint64_t{0}), 6 * kMiB);
  const CommandResult busybox = Command({"busybox", "tar", "-xpzf", archive, "-C", target_}).Run();
  EXPECT_EQ(busybox.exit_code, 0) << busybox;
  EXPECT_EQ(DiffTrees(tree_, SnapshotTree(target_), Contents()), "");
  for (const char* reader : {"tar", "bsdtar", "python3"}) {
    const std::string target = directory_ / reader;
    fs::create_directory(target);
    const CommandResult result = reader == std::string("python3")
                                     ? Python(archive, target)
                                     : Command({reader, "-xpf", archive, "-C", target}).Run();
    EXPECT_EQ(result.exit_code, 0) << result;
    EXPECT_EQ(DiffTrees(tree_, SnapshotTree(target), Contents()), "") << reader;
  }
}

TEST_F(Holes, SevenZipGivesThemBackWhenStoredAsZeros) {
  if (!HaveProgram("7z")) GTEST_SKIP() << "NOT TESTED: 7z is not here";
  const std::string archive = BackUp(source_, backups_, {"--no-sparse"});
  const std::string tar = directory_ / "archive.tar";
  WriteFile(tar, Command({"gzip", "-dc", archive}).Run().out);
  const CommandResult result = Command({"7z", "x", "-y", "-o" + target_, tar}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  DiffOptions options = Contents();
  options.modes = false;
  EXPECT_EQ(DiffTrees(tree_, SnapshotTree(target_), options), "");
}

}  // namespace
}  // namespace volstream
