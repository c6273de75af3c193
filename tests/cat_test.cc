// `volstream cat` through the CLI: contents of single files, and which parts are read for them.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "engine/bytes.h"
#include "tests/support/archive.h"
#include "tests/support/cli.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

namespace fs = std::filesystem;
using Paths = std::vector<std::string>;

class CatCommand : public ::testing::Test {
 protected:
  CatCommand() {
    fs::create_directory(backups_);
    fs::create_directories(At("d"));
    WriteFile(At("d/small"), "small file\n");
    WriteFile(At("empty"), "");
    WriteFile(At("large"), large_);
    fs::create_hard_link(At("d/small"), At("second"));
    fs::create_symlink("d/small", At("link"));
  }

  std::string At(const std::string& name) const { return volume_ + "/" + name; }

  const std::string& Archive() {
    if (archive_.empty()) archive_ = BackUp(volume_, backups_);
    return archive_;
  }

  CommandResult Cat(const Paths& paths) {
    Paths args = {"cat", Archive()};
    args.insert(args.end(), paths.begin(), paths.end());
    return Volstream(args).Run();
  }

  // Fails the test unless the run succeeds with nothing on standard error.
  std::string ContentOf(const Paths& paths) {
    const CommandResult result = Cat(paths);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(result.err, "");
    return result.out;
  }

  TempDir directory_;
  const std::string volume_ = directory_ / "volume";
  const std::string backups_ = directory_ / "backups";
  const std::string large_ = RandomBytes(7, 3 * kMiB + 12'345) + std::string(kMiB, 'x');
  std::string archive_;
};

TEST_F(CatCommand, GivesTheContent) {
  EXPECT_EQ(ContentOf({"d/small"}), "small file\n");
  EXPECT_EQ(ContentOf({"./d//small"}), "small file\n");
  EXPECT_EQ(ContentOf({"empty"}), "");
  EXPECT_TRUE(ContentOf({"large"}) == large_);
}

TEST_F(CatCommand, GivesFilesInTheOrderOfTheArguments) {
  EXPECT_TRUE(ContentOf({"large", "d/small", "empty", "d/small"}) ==
              large_ + "small file\nsmall file\n");
}

TEST_F(CatCommand, FollowsHardLinks) { EXPECT_EQ(ContentOf({"second"}), "small file\n"); }

TEST_F(CatCommand, GivesHolesAsZeros) {
  WriteSparseFile(At("sparse"), 5 * kMiB, {{kMiB, 4096}, {3 * kMiB, 8192}});
  WriteSparseFile(At("hole"), kMiB, {});
  EXPECT_TRUE(ContentOf({"sparse"}) == ReadFile(At("sparse")));
  EXPECT_TRUE(ContentOf({"hole"}) == std::string(kMiB, '\0'));
}

TEST_F(CatCommand, NamesAllThatIsNotThereAndPrintsNothing) {
  ExpectOneError(Cat({"d/small", "no", "d/*"}), kExitGeneral, {"no, d/*"});
}

TEST_F(CatCommand, SaysWhatIsNoFile) {
  ExpectOneError(Cat({"d"}), kExitGeneral, {"d of", "directory"});
  ExpectOneError(Cat({"."}), kExitGeneral, {". of", "directory"});
  ExpectOneError(Cat({"link"}), kExitGeneral, {"link of", "symlink to d/small"});
  ASSERT_EQ(mkfifo(At("fifo").c_str(), 0644), 0);
  archive_.clear();
  fs::remove_all(backups_);
  fs::create_directory(backups_);
  ExpectOneError(Cat({"fifo"}), kExitGeneral, {"fifo of", "no content"});
}

TEST_F(CatCommand, TakesTheLatest) {
  Archive();
  EXPECT_EQ(Volstream({"cat", backups_ + "/latest", "d/small"}).Run().out, "small file\n");
}

TEST_F(CatCommand, ReadsOnlyWhatHoldsTheFile) {
  Archive();
  std::string bytes = ReadFile(archive_);
  const MemberWalk walk = WalkMembers(bytes);
  ASSERT_EQ(walk.problem, "");
  // The large file's members are those of a MiB of random bytes; the second of them is spoilt.
  size_t spoilt = 0;
  for (const GzipMember& member : walk.members) {
    if (member.uncompressed_bytes < kMiB || member.compressed_bytes < kMiB) continue;
    if (++spoilt == 2) bytes[member.offset + 1'000] ^= 1;
  }
  ASSERT_GE(spoilt, 2u);
  WriteFile(archive_, bytes);
  EXPECT_EQ(ContentOf({"d/small"}), "small file\n");
  const CommandResult result = Cat({"large"});
  EXPECT_EQ(result.exit_code, kExitIntegrity) << result.err;
  EXPECT_NE(result.err.find(archive_), std::string::npos) << result.err;
  EXPECT_TRUE(large_.starts_with(result.out));
}

TEST_F(CatCommand, ReadsAnArchiveWithoutAnIndexToItsEnd) {
  archive_ = directory_ / "foreign.tar.gz";
  WriteFile(At("twice"), "first");
  ASSERT_EQ(Command({"tar", "cf", directory_ / "foreign.tar", "-C", volume_, "."}).Run().exit_code,
            0);
  WriteFile(At("twice"), "second");
  ASSERT_EQ(
      Command({"tar", "rf", directory_ / "foreign.tar", "-C", volume_, "./twice"}).Run().exit_code,
      0);
  ASSERT_EQ(Command({"gzip", directory_ / "foreign.tar"}).Run().exit_code, 0);
  const CommandResult result = Cat({"second", "large", "twice"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.err.find("no index"), std::string::npos) << result.err;
  EXPECT_TRUE(result.out == "small file\n" + large_ + "second");
  EXPECT_EQ(Cat({"nothing"}).exit_code, kExitGeneral);
  EXPECT_EQ(Volstream({"ls", "-q", archive_, "twice"}).Run().out, "twice\ntwice\n");
}

TEST_F(CatCommand, ReadsAnIndexedTarThatCameAsAStream) {
  ASSERT_EQ(Command({"tar", "cf", directory_ / "in.tar", "-C", volume_, "."}).Run().exit_code, 0);
  ASSERT_EQ(Volstream({"backup", "-", "--name", "in", "--to", backups_})
                .StdinFrom(directory_ / "in.tar")
                .Run()
                .exit_code,
            0);
  archive_ = backups_ + "/latest";
  EXPECT_TRUE(ContentOf({"large", "second"}) == large_ + "small file\n");
}

TEST_F(CatCommand, EndsQuietlyWhenNobodyReads) {
  Archive();
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);
  const CommandResult result = Volstream({"cat", archive_, "large"}).StdoutTo(ends[1]).Run();
  close(ends[1]);
  EXPECT_EQ(result.exit_code, 141) << result;
  EXPECT_EQ(result.err, "");
}

}  // namespace
}  // namespace volstream
