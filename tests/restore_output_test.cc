// volstream restore ARCHIVE -, and restore --salvage, through the binary.
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

class RestoreOutput : public ::testing::Test {
 protected:
  void SetUp() override {
    TreeOptions options;
    options.incompressible_bytes = 6'000'000;
    MakeTree(source_, options);
    fs::create_directory(source_ + "/logs");
    WriteFile(source_ + "/logs/one", "one");
    WriteFile(source_ + "/logs/two", "two");
    fs::create_directory(backups_);
    archive_ = BackUp(source_, backups_);
  }
  CommandResult Restore(std::vector<std::string> args) {
    args.insert(args.begin(), {"restore", archive_});
    return Volstream(std::move(args)).Run();
  }
  // Zeros over a piece of the archive.
  void Damage(uint64_t offset, size_t bytes) {
    std::string contents = ReadFile(archive_);
    contents.replace(offset, bytes, std::string(bytes, '\0'));
    WriteFile(archive_, contents);
  }
  // Paths of the source's files that are in the target as they were; and how many are not.
  size_t WholeFiles() {
    size_t whole = 0;
    const Tree restored = SnapshotTree(target_);
    for (const auto& [path, node] : SnapshotTree(source_)) {
      const auto found = restored.find(path);
      whole += node.type == '-' && found != restored.end() && found->second.md5 == node.md5 &&
                       found->second.size == node.size
                   ? 1
                   : 0;
    }
    return whole;
  }
  size_t Files() {
    size_t files = 0;
    for (const auto& [path, node] : SnapshotTree(source_)) files += node.type == '-' ? 1 : 0;
    return files;
  }

  TempDir directory_;
  const std::string source_ = directory_ / "volume";
  const std::string backups_ = directory_ / "backups";
  const std::string target_ = directory_ / "target";
  std::string archive_;
};

TEST_F(RestoreOutput, IsTheTarThatGzipGives) {
  const CommandResult result = Restore({"-"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(result.out == Command({"gzip", "-dc", archive_}).Run().out);
}

TEST_F(RestoreOutput, IsATarOfTheSelectedPaths) {
  const CommandResult result = Restore({"-", "logs", "nothing"});
  EXPECT_EQ(result.exit_code, kExitPartial) << result.err;
  EXPECT_NE(result.err.find("nothing"), std::string::npos) << result.err;
  WriteFile(directory_ / "tar", result.out);
  const CommandResult listed = Command({"tar", "tf", directory_ / "tar"}).Run();
  EXPECT_EQ(listed.exit_code, 0) << listed;
  EXPECT_EQ(listed.err, "");
  EXPECT_EQ(listed.out, "./logs/\n./logs/one\n./logs/two\n");
}

TEST_F(RestoreOutput, TakesNoOptionThatWouldChangeTheTar) {
  ExpectOneError(Restore({"-", "--strip", "1"}), kExitGeneral, {"TARGET -"});
  ExpectOneError(Restore({"-", "--salvage"}), kExitGeneral, {"TARGET -"});
}

TEST_F(RestoreOutput, SelectsNothingOfAForeignArchive) {
  archive_ = directory_ / "foreign.tar.gz";
  ASSERT_EQ(Command({"tar", "-czf", archive_, "-C", source_, "."}).Run().exit_code, 0);
  EXPECT_TRUE(Restore({"-"}).out == Command({"gzip", "-dc", archive_}).Run().out);
  ExpectOneError(Restore({"-", "logs"}), kExitGeneral, {"no index"});
}

TEST_F(RestoreOutput, SalvageGivesBackWhatIsNotDamaged) {
  const CommandResult sound = Restore({target_, "--salvage"});
  EXPECT_EQ(sound.exit_code, 0) << sound;
  EXPECT_EQ(WholeFiles(), Files());
  fs::remove_all(target_);
  Damage(fs::file_size(archive_) / 2, 100);
  EXPECT_EQ(Restore({target_}).exit_code, kExitIntegrity);
  fs::remove_all(target_);
  const CommandResult result = Restore({target_, "--salvage"});
  EXPECT_EQ(result.exit_code, kExitPartial) << result;
  // One member of one of the large files.
  EXPECT_EQ(WholeFiles(), Files() - 1) << result;
  EXPECT_NE(result.err.find("1 damaged"), std::string::npos) << result;
}

TEST_F(RestoreOutput, SalvageNeedsNoIndex) {
  ASSERT_EQ(truncate(archive_.c_str(), static_cast<off_t>(fs::file_size(archive_) - 50)), 0);
  const CommandResult result = Restore({target_, "--salvage"});
  EXPECT_EQ(WholeFiles(), Files()) << result;
  EXPECT_EQ(Restore({directory_ / "t2", "--salvage", "--strip", "1"}).exit_code, kExitGeneral);
}

TEST_F(RestoreOutput, SalvageTakesPaths) {
  Damage(fs::file_size(archive_) / 2, 100);
  const CommandResult result = Restore({target_, "logs", "--salvage"});
  EXPECT_TRUE(Exists(target_ + "/logs/one")) << result;
  EXPECT_EQ(NamesIn(target_), std::vector<std::string>{"logs"});
}

}  // namespace
}  // namespace volstream
