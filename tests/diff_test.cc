// `volstream diff` through the CLI: archives with archives and with directories.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/archive.h"
#include "tests/support/cli.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using Lines = std::vector<std::string>;

class DiffCommand : public ::testing::Test {
 protected:
  DiffCommand() {
    fs::create_directory(backups_);
    fs::create_directories(At("a/b"));
    WriteFile(At("a/b/c"), "123");
    WriteFile(At("a.b"), "beside a");
    WriteFile(At("z"), "z");
    fs::create_symlink("z", At("link"));
    fs::create_hard_link(At("a.b"), At("second"));
  }

  std::string At(const std::string& name) const { return volume_ + "/" + name; }

  // Changes contents without a trace in the times of directories.
  static void SetTime(const std::string& path, int64_t seconds, long nanoseconds = 0) {
    const timespec time = {seconds, nanoseconds};
    const timespec times[] = {time, time};
    ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
  }

  // All times of the tree are those of this second.
  void SetTimes(int64_t seconds = 1'700'000'000) {
    for (const auto& entry : fs::recursive_directory_iterator(volume_)) {
      SetTime(entry.path().string(), seconds);
    }
    SetTime(volume_, seconds);
  }

  static CommandResult Diff(const std::string& before, const std::string& after,
                            const Lines& extra = {}) {
    Lines args = {"diff", before, after};
    args.insert(args.end(), extra.begin(), extra.end());
    return Volstream(args).Run();
  }

  static Lines DiffLines(const std::string& before, const std::string& after,
                         const Lines& extra = {}) {
    const CommandResult result = Diff(before, after, extra);
    EXPECT_EQ(result.exit_code, 0) << result;
    EXPECT_EQ(result.err, "");
    return LinesOf(result.out);
  }

  // The backup under a name of its own, so that the next one does not have to wait for a second.
  std::string BackUpAs(const std::string& name) {
    fs::create_directory(backups_ + "/" + name);
    return BackUp(volume_, backups_ + "/" + name);
  }

  TempDir directory_;
  const std::string volume_ = directory_ / "volume";
  const std::string backups_ = directory_ / "backups";
};

TEST_F(DiffCommand, OfTheSameTreeIsEmpty) {
  MakeTree(volume_ + "/made", {});
  const std::string archive = BackUpAs("1");
  EXPECT_EQ(DiffLines(archive, BackUpAs("2")), Lines{});
  EXPECT_EQ(DiffLines(archive, volume_), Lines{});
  EXPECT_EQ(DiffLines(archive, volume_, {"--owners", "--exit-code"}), Lines{});
}

TEST_F(DiffCommand, OfRareFilesIsEmpty) {
  TreeOptions options;
  options.rare_files = true;
  MakeTree(volume_ + "/made", options);
  EXPECT_EQ(DiffLines(BackUpAs("1"), volume_), Lines{});
}

TEST_F(DiffCommand, SaysWhatCameWentAndChanged) {
  SetTimes();
  const std::string before = BackUpAs("1");
  fs::remove(At("z"));
  WriteFile(At("a/b/c"), "12345");
  WriteFile(At("a/b-new"), "");
  ASSERT_EQ(chmod(At("a.b").c_str(), 0600), 0);
  fs::remove(At("link"));
  fs::create_symlink("a", At("link"));
  SetTimes();
  SetTime(At("a"), 1'700'000'001, 500'000'000);
  const Lines wanted = {
      "M a (mtime 2023-11-14T22:13:20Z -> 2023-11-14T22:13:21.5Z)",
      "M a/b/c (size 3 -> 5)",
      "+ a/b-new",
      "M a.b (mode 0644 -> 0600)",
      "M link (target z -> a)",
      "M second (mode 0644 -> 0600)",
      "- z",
  };
  EXPECT_EQ(DiffLines(before, volume_), wanted);
  EXPECT_EQ(DiffLines(before, BackUpAs("2")), wanted);
}

TEST_F(DiffCommand, SaysTheSameAsJson) {
  SetTimes();
  const std::string before = BackUpAs("1");
  WriteFile(At("a/b/c"), "12345");
  WriteFile(At("new\xff"), "");
  fs::remove(At("z"));
  SetTimes();
  const Lines lines = DiffLines(before, volume_, {"--json"});
  ASSERT_EQ(lines.size(), 3u);
  const Json modified = Json::parse(lines[0]);
  EXPECT_EQ(modified["change"], "modified");
  EXPECT_EQ(modified["path"], "a/b/c");
  EXPECT_EQ(modified["fields"], Json::array({"size"}));
  EXPECT_EQ(modified["before"]["bytes"], 3);
  EXPECT_EQ(modified["after"]["bytes"], 5);
  const Json added = Json::parse(lines[1]);
  EXPECT_EQ(added["change"], "added");
  EXPECT_EQ(added["path_hex"], "6e6577ff");
  EXPECT_FALSE(added.contains("before"));
  EXPECT_EQ(Json::parse(lines[2])["change"], "removed");
}

TEST_F(DiffCommand, OfAnotherTypeSaysThatAlone) {
  SetTimes();
  const std::string before = BackUpAs("1");
  fs::remove(At("z"));
  fs::create_directory(At("z"));
  SetTimes(1'600'000'000);
  const Lines lines = DiffLines(before, volume_);
  EXPECT_EQ(lines.back(), "M z (type file -> directory)");
}

TEST_F(DiffCommand, ComparesHardLinksAsWhatTheyAreNamesOf) {
  SetTimes();
  const std::string before = BackUpAs("1");
  // The first name goes: the second one, a link in the archive, carries the data now.
  fs::remove(At("a.b"));
  SetTimes();
  EXPECT_EQ(DiffLines(before, volume_), Lines{"- a.b"});
  EXPECT_EQ(DiffLines(BackUpAs("2"), before), Lines{"+ a.b"});
  // Two files instead of two names.
  WriteFile(At("a.b"), "beside a");
  SetTimes();
  EXPECT_EQ(DiffLines(before, volume_), Lines{});
  WriteFile(At("second"), "longer than that");
  SetTimes();
  EXPECT_EQ(DiffLines(before, volume_), Lines{"M second (size 8 -> 16)"});
}

TEST_F(DiffCommand, ComparesOwnersWhenTold) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to give files away";
  SetTimes();
  const std::string before = BackUpAs("1");
  ASSERT_EQ(chown(At("z").c_str(), 1000, 2000), 0);
  EXPECT_EQ(DiffLines(before, volume_), Lines{"M z (owner 0:0 -> 1000:2000)"});
  EXPECT_EQ(DiffLines(before, volume_, {"--no-owners"}), Lines{});
}

TEST_F(DiffCommand, TellsDifferencesByTheExitCodeWhenTold) {
  const std::string before = BackUpAs("1");
  EXPECT_EQ(Diff(before, volume_, {"--exit-code"}).exit_code, 0);
  WriteFile(At("new"), "");
  const CommandResult result = Diff(before, volume_, {"--exit-code"});
  EXPECT_EQ(result.exit_code, 1) << result;
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(Diff(before, volume_).exit_code, 0);
}

TEST_F(DiffCommand, ReadsAnArchiveThatIsNotSorted) {
  SetTimes();
  const std::string before = BackUpAs("1");
  // In an order of its own, one path twice, and a link; no index.
  const std::string foreign = directory_ / "foreign.tar.gz";
  ASSERT_EQ(Command({"tar", "czf", foreign, "--format=pax", "--no-recursion", "-C", volume_, "./z",
                     "./", "./z", "./link", "./a.b", "./second", "./a/b", "./a/b/c", "./a"})
                .Run()
                .exit_code,
            0);
  const CommandResult result = Diff(before, foreign);
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(result.out, "") << result;
  EXPECT_NE(result.err.find("no index"), std::string::npos) << result;
  fs::remove(At("z"));
  SetTimes();
  EXPECT_EQ(Diff(foreign, volume_, {"-q"}).out, "- z\n");
}

TEST_F(DiffCommand, WalksADirectoryDeeperThanItsDescriptors) {
  std::string deep = At("deep");
  fs::create_directory(deep);
  for (int i = 0; i < 150; ++i) {
    deep += "/d";
    fs::create_directory(deep);
    WriteFile(deep + "/e", "");
  }
  EXPECT_EQ(DiffLines(BackUpAs("1"), volume_), Lines{});
}

TEST_F(DiffCommand, NamesWhatIsNotThere) {
  const std::string archive = BackUpAs("1");
  ExpectOneError(Diff(archive, directory_ / "no"), kExitGeneral, {directory_ / "no"});
  ExpectOneError(Diff(directory_ / "no.tar.gz", volume_), kExitGeneral, {directory_ / "no.tar.gz"});
  ExpectOneError(Diff(volume_, archive), kExitGeneral, {"archive first"});
}

TEST_F(DiffCommand, SaysThatADirectoryCannotBeRead) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to be another user";
  const std::string archive = BackUpAs("1");
  ASSERT_EQ(chmod(archive.c_str(), 0644), 0);
  ASSERT_EQ(chmod(At("a/b").c_str(), 0700), 0);
  const CommandResult result = Volstream({"diff", archive, volume_}).RunAs(kNobody, kNobody).Run();
  EXPECT_EQ(result.exit_code, kExitGeneral) << result;
  EXPECT_NE(result.err.find("cannot look at a/b of " + volume_), std::string::npos) << result;
}

}  // namespace
}  // namespace volstream
