// The options of `volstream restore`: what becomes of files that are there, which entries come,
// under which names and for whom, and how much at most.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/archive.h"
#include "tests/support/cli.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

namespace fs = std::filesystem;

class RestoreOptionsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = new TempDir();
    fs::create_directories(*shared_ / "volume/data/logs");
    fs::create_directory(*shared_ / "backups");
    WriteFile(*shared_ / "volume/config", "config of the archive");
    WriteFile(*shared_ / "volume/data/a", "a of the archive");
    WriteFile(*shared_ / "volume/data/logs/1.log", "one");
    WriteFile(*shared_ / "volume/data/logs/2.txt", "two");
    fs::create_hard_link(*shared_ / "volume/data/a", *shared_ / "volume/data/again");
    archive_ = BackUp(*shared_ / "volume", *shared_ / "backups");
  }
  static void TearDownTestSuite() { delete shared_; }
  void SetUp() override { ASSERT_NE(archive_, ""); }

  CommandResult Restore(std::vector<std::string> extra) {
    extra.insert(extra.begin(), {"restore", archive_, target_});
    return Volstream(std::move(extra)).Run();
  }
  std::vector<std::string> PathsInTarget() const {
    std::vector<std::string> paths;
    for (const auto& [path, node] : SnapshotTree(target_)) {
      if (node.type != 'd') paths.push_back(path);
    }
    return paths;
  }

  // A target with a file of the archive's names, and one beside them.
  void MakeOldTarget(int64_t seconds) {
    fs::create_directory(target_);
    WriteFile(target_ + "/config", "mine");
    WriteFile(target_ + "/beside", "mine");
    const timespec times[2] = {{seconds, 0}, {seconds, 0}};
    ASSERT_EQ(utimensat(AT_FDCWD, (target_ + "/config").c_str(), times, 0), 0);
  }

  static inline TempDir* shared_ = nullptr;
  static inline std::string archive_;
  TempDir directory_;
  const std::string target_ = directory_ / "target";
};

TEST_F(RestoreOptionsTest, OverwriteNeverKeepsFilesAndSaysHowMany) {
  MakeOldTarget(1);
  const CommandResult result = Restore({"--overwrite", "never"});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_NE(result.err.find("1 that were there stayed"), std::string::npos) << result;
  EXPECT_EQ(ReadFile(target_ + "/config"), "mine");
  EXPECT_EQ(ReadFile(target_ + "/data/a"), "a of the archive");
}

TEST_F(RestoreOptionsTest, OverwriteOlderReplacesOlderFiles) {
  MakeOldTarget(1);
  CommandResult result = Restore({"--overwrite", "older"});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(ReadFile(target_ + "/config"), "config of the archive");
  fs::remove_all(target_);
  MakeOldTarget(4'000'000'000);
  result = Restore({"--overwrite=older"});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(ReadFile(target_ + "/config"), "mine");
}

TEST_F(RestoreOptionsTest, OverwriteAlwaysReplacesFilesAndKeepsWhatIsBeside) {
  MakeOldTarget(4'000'000'000);
  const CommandResult result = Restore({"--overwrite", "always"});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(ReadFile(target_ + "/config"), "config of the archive");
  EXPECT_EQ(ReadFile(target_ + "/beside"), "mine");
}

TEST_F(RestoreOptionsTest, OverwriteNeedsOneOfItsWords) {
  for (const char* word : {"sometimes", "1", ""}) {
    const CommandResult result = Restore({std::string("--overwrite=") + word});
    EXPECT_NE(result.exit_code, 0) << result;
    EXPECT_NE(result.err.find("--overwrite"), std::string::npos) << result;
    EXPECT_FALSE(Exists(target_));
  }
}

TEST_F(RestoreOptionsTest, PathsSelectWhatIsRestored) {
  const CommandResult result = Restore({"config", "data/logs/*.log"});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(PathsInTarget(), (std::vector<std::string>{"config", "data/logs/1.log"}));
}

TEST_F(RestoreOptionsTest, APathThatIsNotInTheArchiveIsNamedAndTheOthersAreRestored) {
  const CommandResult result = Restore({"config", "missing", "data/*.none"});
  ExpectOneError(result, kExitPartial, {"missing", "data/*.none"});
  EXPECT_EQ(PathsInTarget(), std::vector<std::string>{"config"});
}

TEST_F(RestoreOptionsTest, APathThatCanMatchNothingIsRefusedBeforeTheTargetIsMade) {
  ExpectOneError(Restore({"../config"}), kExitGeneral, {"../config"});
  EXPECT_FALSE(Exists(target_));
}

// The file that carries the data may be the one that was not asked for.
TEST_F(RestoreOptionsTest, ALinkToAFileThatIsNotRestoredComesAsTheFile) {
  const CommandResult result = Restore({"data/again"});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(PathsInTarget(), std::vector<std::string>{"data/again"});
  EXPECT_EQ(ReadFile(target_ + "/data/again"), std::string("a of the archive"));
}

TEST_F(RestoreOptionsTest, StripLeavesOutLeadingComponents) {
  const CommandResult result = Restore({"--strip", "1"});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(PathsInTarget(), (std::vector<std::string>{"a", "again", "logs/1.log", "logs/2.txt"}));
  const Tree tree = SnapshotTree(target_);
  EXPECT_EQ(tree.at("again").linked_to, tree.at("a").linked_to);
  EXPECT_NE(Volstream({"restore", archive_, target_, "--strip", "-1"}).Run().exit_code, 0);
}

TEST_F(RestoreOptionsTest, MaxSizeEndsTheRestoreAndNamesTheOption) {
  ExpectOneError(Restore({"--max-size", "25"}), kExitGeneral, {"--max-size", "25 bytes"});
  fs::remove_all(target_);
  const CommandResult result = Restore({"--max-size", "1KiB"});
  EXPECT_EQ(result.exit_code, 0) << result;
}

TEST_F(RestoreOptionsTest, DryRunPrintsWhatWouldComeAndTouchesNothing) {
  CommandResult result = Restore({"--dry-run"});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(LinesOf(result.out),
            (std::vector<std::string>{".", "config", "data", "data/a", "data/again", "data/logs",
                                      "data/logs/1.log", "data/logs/2.txt"}));
  EXPECT_FALSE(Exists(target_));
  result = Restore({"--dry-run", "--strip", "2", "data/logs"});
  EXPECT_EQ(LinesOf(result.out), (std::vector<std::string>{"1.log", "2.txt"})) << result;
  EXPECT_FALSE(Exists(target_));
}

TEST_F(RestoreOptionsTest, OwnersAreByNameUnlessNumbersAreAskedFor) {
  if (geteuid() != 0) GTEST_SKIP() << "NOT TESTED: needs root";
  const std::string foreign = directory_ / "foreign.tar";
  WriteFile(directory_ / "file", "x");
  ASSERT_EQ(Command({"tar", "-cf", foreign, "--owner=nobody:4242", "--group=no-such:4243", "-C",
                     directory_.path(), "file"})
                .Run()
                .exit_code,
            0);
  for (const bool numeric : {false, true}) {
    std::vector<std::string> args = {"restore", foreign, target_, "--overwrite", "always"};
    if (numeric) args.push_back("--numeric-owner");
    const CommandResult result = Volstream(args).Run();
    EXPECT_EQ(result.exit_code, 0) << result;
    const TreeNode file = SnapshotTree(target_).at("file");
    EXPECT_EQ(file.uid, numeric ? 4242u : kNobody);
    EXPECT_EQ(file.gid, 4243u);
  }
}

}  // namespace
}  // namespace volstream
