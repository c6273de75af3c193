// `volstream ls` through the CLI: what it prints of an archive, and of which entries.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "engine/bytes.h"
#include "tests/support/archive.h"
#include "tests/support/cli.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

using Json = nlohmann::json;
using Lines = std::vector<std::string>;

// Sets a name's time; seconds and nanoseconds of 2025.
void SetTime(const std::string& path, int64_t seconds, long nanoseconds) {
  const timespec time = {seconds, nanoseconds};
  const timespec times[] = {time, time};
  ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
}

class LsCommand : public ::testing::Test {
 protected:
  LsCommand() {
    Make("backups");
    for (const char* name : {"volume", "volume/a", "volume/a/b", "volume/z"}) Make(name);
    WriteFile(At("a/b/c.log"), std::string(1'234, 'c'), 0640);
    WriteFile(At("a/x.txt"), "x");
    WriteFile(At("a.b"), "beside a", 0644);
    EXPECT_EQ(symlink("a/x.txt", At("link").c_str()), 0);
    EXPECT_EQ(::link(At("a/x.txt").c_str(), At("second").c_str()), 0);
    SetTime(At("a/b/c.log"), 1'735'787'045, 120'000'000);
  }

  void Make(const std::string& name) {
    ASSERT_EQ(mkdir((directory_ / name).c_str(), 0755), 0) << name;
  }
  std::string At(const std::string& name) const { return directory_ / "volume/" + name; }

  // `ls` of a backup that is made by the first call.
  CommandResult Ls(const Lines& extra = {}) {
    if (archive_.empty()) archive_ = BackUp(directory_ / "volume", backups_);
    Lines args = {"ls", archive_};
    args.insert(args.end(), extra.begin(), extra.end());
    return Volstream(args).Run();
  }

  Lines PathsOf(const Lines& extra) {
    const CommandResult result = Ls(extra);
    EXPECT_EQ(result.exit_code, 0) << result;
    EXPECT_EQ(result.err, "");
    return LinesOf(result.out);
  }

  TempDir directory_;
  const std::string backups_ = directory_ / "backups";
  std::string archive_;
};

TEST_F(LsCommand, PrintsEveryPathInTheOrderOfTheArchive) {
  EXPECT_EQ(PathsOf({}),
            (Lines{".", "a", "a/b", "a/b/c.log", "a/x.txt", "a.b", "link", "second", "z"}));
}

TEST_F(LsCommand, PrintsWhatPathsAndGlobsMean) {
  EXPECT_EQ(PathsOf({"a/b"}), (Lines{"a/b", "a/b/c.log"}));
  EXPECT_EQ(PathsOf({"./a/b/"}), (Lines{"a/b", "a/b/c.log"}));
  EXPECT_EQ(PathsOf({"a.*"}), (Lines{"a.b"}));
  EXPECT_EQ(PathsOf({"**/*.log", "z"}), (Lines{"a/b/c.log", "z"}));
  EXPECT_EQ(PathsOf({"z", "a/x.txt", "a/b/*"}), (Lines{"a/b/c.log", "a/x.txt", "z"}));
}

TEST_F(LsCommand, NamesPathsThatAreNotThereAndPrintsTheOthers) {
  const CommandResult result = Ls({"a.b", "nothing", "*.c"});
  EXPECT_EQ(result.exit_code, kExitGeneral) << result;
  EXPECT_EQ(LinesOf(result.out), Lines{"a.b"});
  EXPECT_NE(result.err.find("nothing, *.c"), std::string::npos) << result;
}

TEST_F(LsCommand, RefusesAGlobThatCanMatchNothing) {
  ExpectOneError(Ls({"a/[b"}), kExitGeneral, {"a/[b"});
  ExpectOneError(Ls({"../a"}), kExitGeneral, {"../a"});
}

TEST_F(LsCommand, PrintsDetailsAsTarDoes) {
  const std::string owner = std::to_string(getuid()) + "/" + std::to_string(getgid());
  const Lines lines = PathsOf({"-l"});
  ASSERT_EQ(lines.size(), 9u);
  EXPECT_TRUE(lines[1].starts_with("drwxr-xr-x ")) << lines[1];
  EXPECT_TRUE(lines[3].starts_with("-rw-r----- ")) << lines[3];
  EXPECT_NE(lines[3].find(" " + owner + " "), std::string::npos) << lines[3];
  EXPECT_TRUE(lines[3].ends_with(" 1234 2025-01-02 03:04:05 a/b/c.log")) << lines[3];
  EXPECT_TRUE(lines[6].starts_with("lrwxrwxrwx ")) << lines[6];
  EXPECT_TRUE(lines[6].ends_with(" link -> a/x.txt")) << lines[6];
  EXPECT_TRUE(lines[7].starts_with("hrw-r--r-- ")) << lines[7];
  EXPECT_TRUE(lines[7].ends_with(" second link to a/x.txt")) << lines[7];
}

TEST_F(LsCommand, PrintsSpecialModesAsLsDoes) {
  for (const auto& [mode, text] : std::vector<std::pair<unsigned, std::string>>{
           {04755, "-rwsr-xr-x"}, {06644, "-rwSr-Sr--"}, {01777, "-rwxrwxrwt"}}) {
    WriteFile(At("m" + std::to_string(mode)), "", 0600);
    ASSERT_EQ(chmod(At("m" + std::to_string(mode)).c_str(), mode), 0);
  }
  const Lines lines = PathsOf({"-l", "m*"});
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_TRUE(lines[0].starts_with("-rwxrwxrwt")) << lines[0];  // 1023
  EXPECT_TRUE(lines[1].starts_with("-rwsr-xr-x")) << lines[1];  // 2541
  EXPECT_TRUE(lines[2].starts_with("-rwSr-Sr--")) << lines[2];  // 3492
}

TEST_F(LsCommand, PrintsJsonALine) {
  const Lines lines = PathsOf({"--json"});
  ASSERT_EQ(lines.size(), 9u);
  const Json file = Json::parse(lines[3], nullptr, false);
  ASSERT_TRUE(file.is_object()) << lines[3];
  EXPECT_EQ(file["path"], "a/b/c.log");
  EXPECT_EQ(file["type"], "file");
  EXPECT_EQ(file["mode"], "0640");
  EXPECT_EQ(file["uid"], getuid());
  EXPECT_EQ(file["bytes"], 1'234);
  EXPECT_EQ(file["mtime"], "2025-01-02T03:04:05.12Z");
  EXPECT_FALSE(file.contains("target"));
  EXPECT_EQ(Json::parse(lines[6])["target"], "a/x.txt");
  EXPECT_EQ(Json::parse(lines[7])["type"], "hard link");
  EXPECT_EQ(Json::parse(lines[7])["target"], "a/x.txt");
}

TEST_F(LsCommand, PrintsNamesOfAnyBytes) {
  const std::string name = "n\n\xff";
  WriteFile(At(name), "");
  EXPECT_EQ(PathsOf({"n*"}), Lines{"n\\n\\xff"});
  const CommandResult raw = Ls({"-0", "n*", "z"});
  EXPECT_EQ(raw.out, name + std::string(1, '\0') + "z" + std::string(1, '\0'));
  const Json json = Json::parse(PathsOf({"--json", "n*"}).at(0), nullptr, false);
  EXPECT_EQ(json["path"], "n\\n\\xff");
  EXPECT_EQ(json["path_hex"], "6e0aff");
}

TEST_F(LsCommand, RefusesJsonWithOtherForms) {
  for (const char* flag : {"-l", "-0"}) EXPECT_EQ(Ls({"--json", flag}).exit_code, 1);
}

TEST_F(LsCommand, TakesTheLatest) {
  Ls();
  const CommandResult result = Volstream({"ls", backups_ + "/latest", "z"}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(LinesOf(result.out), Lines{"z"});
}

TEST_F(LsCommand, NamesAnArchiveThatIsNotThere) {
  ExpectOneError(Volstream({"ls", backups_ + "/no.tar.gz"}).Run(), kExitGeneral,
                 {backups_ + "/no.tar.gz"});
}

TEST_F(LsCommand, SaysThatAStreamHasNoEntries) {
  WriteFile(directory_ / "dump", "not a tar");
  ASSERT_EQ(Volstream({"backup", "-", "--name", "dump", "--to", backups_})
                .StdinFrom(directory_ / "dump")
                .Run()
                .exit_code,
            0);
  ExpectOneError(Volstream({"ls", backups_ + "/latest"}).Run(), kExitGeneral, {"no tar"});
}

TEST_F(LsCommand, EndsQuietlyWhenNobodyReads) {
  Ls();
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  close(ends[0]);
  const CommandResult result = Volstream({"ls", archive_}).StdoutTo(ends[1]).Run();
  close(ends[1]);
  EXPECT_EQ(result.exit_code, 141) << result;
  EXPECT_EQ(result.err, "");
}

TEST_F(LsCommand, SaysThatTheIndexIsDamaged) {
  Ls();
  std::string bytes = ReadFile(archive_);
  // In the middle of what follows the last member with data: the pages.
  for (size_t i = bytes.size() - 160; i < bytes.size() - 120; ++i) bytes[i] ^= 0x55;
  WriteFile(archive_, bytes);
  const CommandResult result = Ls();
  EXPECT_EQ(result.exit_code, kExitIntegrity) << result;
  EXPECT_NE(result.err.find(archive_), std::string::npos) << result;
}

TEST_F(LsCommand, NeedsLittleMemoryForManyEntries) {
  // The index of 20,000 files with long names is several MiB when inflated.
  for (int d = 0; d < 20; ++d) {
    const std::string directory = "z/" + std::to_string(d);
    ASSERT_EQ(mkdir(At(directory).c_str(), 0755), 0);
    for (int i = 0; i < 1'000; ++i) {
      WriteFile(At(directory + "/" + std::string(200, 'n') + std::to_string(i)), "");
    }
  }
  const CommandResult result = Ls();
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(LinesOf(result.out).size(), 9u + 20u + 20'000u);
  EXPECT_LT(result.peak_rss_bytes, 64 * kMiB);
}

}  // namespace
}  // namespace volstream
