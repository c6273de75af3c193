// `volstream backup --codec zstd`: the archive is plain .tar.zst, which whoever reads that format
// reads without a word on stderr, and gives back what went in.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "engine/bytes.h"
#include "tests/support/archive.h"
#include "tests/support/cli.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

class ZstdReaders : public ::testing::Test {
 protected:
  // One archive for all: full blocks of text and of noise, and small ones.
  static void SetUpTestSuite() {
    shared_ = new TempDir();
    ASSERT_EQ(mkdir((*shared_ / "backups").c_str(), 0755), 0);
    TreeOptions options;
    options.incompressible_bytes = 6 * kMiB;
    MakeTree(Source(), options);
    std::string text;
    for (int i = 0; text.size() < 5 * kMiB; ++i) text += "line " + std::to_string(i * 7919) + "\n";
    WriteFile(Source() + "/text", text);
    WriteFile(Source() + "/noise", RandomBytes(1, 9 * kMiB));
    archive_ = BackUp(Source(), *shared_ / "backups", {"--codec", "zstd"});
  }
  static void TearDownTestSuite() { delete shared_; }

  void SetUp() override {
    ASSERT_NE(archive_, "");
    ASSERT_EQ(mkdir(target_.c_str(), 0700), 0);
  }

  static std::string Source() { return *shared_ / "source"; }

  // Runs a reader that must be content.
  static CommandResult Read(std::vector<std::string> argv) {
    EXPECT_TRUE(HaveProgram(argv[0])) << argv[0] << " is missing; the README's test command "
                                      << "installs it";
    const CommandResult result = Command(std::move(argv)).Run();
    EXPECT_EQ(result.exit_code, 0) << result;
    EXPECT_EQ(result.err, "");
    return result;
  }

  std::string Difference(const DiffOptions& options = {}) {
    return DiffTrees(SnapshotTree(Source()), SnapshotTree(target_), options);
  }

  static inline TempDir* shared_ = nullptr;
  static inline std::string archive_;
  TempDir directory_;
  const std::string target_ = directory_ / "target";
};

TEST_F(ZstdReaders, ItIsNamedAndRecordedAsWhatItIs) {
  EXPECT_TRUE(archive_.ends_with(".tar.zst")) << archive_;
  const nlohmann::json receipt = ReceiptOf(archive_);
  EXPECT_EQ(receipt["codec"], "zstd");
  EXPECT_EQ(receipt["level"], 3);
  EXPECT_GT(receipt["blocks_stored"], 0);
  EXPECT_LT(receipt["blocks_stored"], receipt["blocks"]);
  EXPECT_EQ(receipt["md5"], Md5Hex(ReadFile(archive_)));
}

TEST_F(ZstdReaders, ZstdTestsIt) { Read({"zstd", "-tq", archive_}); }

TEST_F(ZstdReaders, FileKnowsIt) {
  if (!HaveProgram("file")) GTEST_SKIP() << "file is not here";
  const CommandResult result = Read({"file", "--brief", archive_});
  EXPECT_NE(result.out.find("Zstandard compressed data"), std::string::npos) << result;
}

TEST_F(ZstdReaders, EveryReaderOfFramesGivesTheSameStream) {
  const CommandResult expected = Read({"zstd", "-dcq", archive_});
  EXPECT_EQ(expected.out.size(), ReceiptOf(archive_)["tar_bytes"].get<size_t>());
  for (const std::vector<std::string>& reader : std::vector<std::vector<std::string>>{
           {"zstd", "-dcq", "--single-thread"}, {"pzstd", "-dcq"}, {"zstdcat"}, {"bsdcat"}}) {
    std::vector<std::string> argv = reader;
    argv.push_back(archive_);
    EXPECT_TRUE(Read(argv).out == expected.out) << reader[0];
  }
}

TEST_F(ZstdReaders, GnuTarExtractsIt) {
  // The tree has times before 1970 and in the future on purpose.
  Read({"tar", "--extract", "--zstd", "--preserve-permissions", "--numeric-owner",
        "--warning=no-timestamp", "--file", archive_, "--directory", target_});
  EXPECT_EQ(Difference(), "");
}

TEST_F(ZstdReaders, GnuTarFindsNoDifferenceAndNeedsNoOption) {
  Read({"tar", "--diff", "--numeric-owner", "--file", archive_, "--directory", Source()});
}

// bsdtar 3.6 sets no time on the directory that it extracts into, whoever wrote the archive.
TEST_F(ZstdReaders, BsdtarExtractsIt) {
  Read({"bsdtar", "-x", "-p", "--numeric-owner", "-f", archive_, "-C", target_});
  DiffOptions options;
  options.root_mtime = false;
  EXPECT_EQ(Difference(options), "");
}

TEST_F(ZstdReaders, TheIndexIsReadByWhoKnowsTheDocumentAlone) {
  const CommandResult result = Read({"python3", VOLSTREAM_READ_INDEX, archive_});
  const auto lines = static_cast<size_t>(std::count(result.out.begin(), result.out.end(), '\n'));
  EXPECT_EQ(lines, ReceiptOf(archive_)["entries"].get<size_t>());
}

// Blocks of 4 MiB would leave nothing of 16 MiB for the parts.
TEST_F(ZstdReaders, ASmallBudgetHasSmallBlocks) {
  const std::string archive =
      BackUp(Source(), directory_ / "small",
             {"--codec", "zstd", "--memory", "16MiB", "--workers", "1", "--part-size", "5MiB"});
  ASSERT_NE(archive, "");
  const nlohmann::json receipt = ReceiptOf(archive);
  EXPECT_GE(receipt["blocks"], receipt["tar_bytes"].get<size_t>() / kMiB);
  EXPECT_GT(receipt["blocks"], 2 * ReceiptOf(archive_)["blocks"].get<size_t>());
  EXPECT_TRUE(Read({"zstd", "-dcq", archive}).out == Read({"zstd", "-dcq", archive_}).out);
  Read({"python3", VOLSTREAM_READ_INDEX, archive});
}

class ZstdBackup : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(mkdir(source_.c_str(), 0755), 0);
    ASSERT_EQ(mkdir(backups_.c_str(), 0755), 0);
    WriteFile(source_ + "/file", "contents");
  }
  TempDir directory_;
  const std::string source_ = directory_ / "source";
  const std::string backups_ = directory_ / "backups";
};

TEST_F(ZstdBackup, AStreamThatIsNoTarBecomesAZst) {
  const std::string contents = RandomBytes(1, 2 * kMiB + 77) + std::string(9 * kMiB, 'x');
  WriteFile(directory_ / "dump", contents);
  const CommandResult result =
      Volstream({"backup", "-", "--to", backups_, "--name", "x", "--codec", "zstd"})
          .StdinFrom(directory_ / "dump")
          .Run();
  ASSERT_EQ(result.exit_code, 0) << result;
  const std::vector<std::string> names = NamesIn(backups_);
  ASSERT_EQ(names.size(), 2u);
  EXPECT_TRUE(names[0].ends_with(".zst") && !names[0].ends_with(".tar.zst")) << names[0];
  EXPECT_EQ(names[1], names[0] + ".receipt.json");
  const std::string archive = backups_ + "/" + names[0];
  EXPECT_TRUE(Command({"zstd", "-dcq", archive}).Run().out == contents);
  EXPECT_EQ(ReceiptOf(archive)["codec"], "zstd");
  EXPECT_EQ(Command({"python3", VOLSTREAM_READ_INDEX, archive}).Run().exit_code, 0);
}

TEST_F(ZstdBackup, TheEnvironmentChoosesCodecAndLevel) {
  const CommandResult result = Volstream({"backup", source_, "--to", backups_})
                                   .Env("BACKUP_CODEC", "zstd")
                                   .Env("BACKUP_COMPRESSION_LEVEL", "19")
                                   .Run();
  ASSERT_EQ(result.exit_code, 0) << result;
  const std::vector<std::string> archives = ArchivesIn(backups_);
  ASSERT_EQ(archives.size(), 1u);
  EXPECT_TRUE(archives[0].ends_with(".tar.zst")) << archives[0];
  EXPECT_EQ(ReceiptOf(backups_ + "/" + archives[0])["level"], 19);
}

TEST_F(ZstdBackup, RefusesWhatTheCodecDoesNotHave) {
  struct Case {
    std::vector<std::string> options;
    std::string named;
  };
  for (const Case& refused : std::vector<Case>{{{"--codec", "zstd", "--level", "20"}, "1 to 19"},
                                               {{"--codec", "zstd", "--level", "0"}, "1 to 19"},
                                               {{"--codec", "gzip", "--level", "13"}, "1 to 12"},
                                               {{"--level", "19"}, "1 to 12"},
                                               {{"--codec", "lz4"}, "zstd"}}) {
    Command command = Volstream({"backup", source_, "--to", backups_});
    for (const std::string& option : refused.options) command.Arg(option);
    const CommandResult result = command.Run();
    EXPECT_EQ(result.exit_code, 1) << result;
    EXPECT_NE(result.err.find(refused.named), std::string::npos) << result;
    EXPECT_EQ(NamesIn(backups_), std::vector<std::string>{});
  }
}

TEST_F(ZstdBackup, BothCodecsAreOneSeries) {
  const std::string zstd = BackUp(source_, backups_, {"--codec", "zstd"});
  const std::string gzip = BackUp(source_, backups_);
  CopyAsBackupOf(gzip, "20240101_000000");
  CopyAsBackupOf(zstd, "20240102_000000");
  const std::string third = CopyAsBackupOf(gzip, "20240103_000000");
  const CommandResult result = Volstream({"prune", backups_, "--keep-last", "3"}).Run();
  ASSERT_EQ(result.exit_code, 0) << result;
  const std::vector<std::string> left = ArchivesIn(backups_);
  ASSERT_EQ(left.size(), 3u) << ::testing::PrintToString(left);
  EXPECT_EQ(left[0], third) << "the two of this year are newer, whichever codec made them";
  EXPECT_EQ(NamesIn(backups_).size(), 6u) << "receipts go with their archives";
  const CommandResult list = Volstream({"list", backups_}).Run();
  for (const std::string& name : left) {
    EXPECT_NE(list.out.find(name), std::string::npos) << list;
  }
  EXPECT_EQ(list.out.find("unproven"), std::string::npos) << list;
}

}  // namespace
}  // namespace volstream
