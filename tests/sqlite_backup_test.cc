// SQLite databases through the command line: a writer commits while `volstream backup` runs, and
// the restored database holds a prefix of its commits.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "engine/bytes.h"
#include "tests/support/archive.h"
#include "tests/support/cli.h"
#include "tests/support/guards.h"
#include "tests/support/sqlite_writer.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

namespace fs = std::filesystem;

class SqliteBackup : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(source_);
    fs::create_directory(backups_);
    WriteFile(source_ + "/other", "another file");
  }

  // `volstream restore` of an archive; the path of the restored tree.
  std::string Restore(const std::string& archive) {
    const std::string target = directory_ / ("restored" + std::to_string(restores_++));
    const CommandResult result = Volstream({"restore", archive, target}).Run();
    EXPECT_EQ(result.exit_code, 0) << result;
    return target;
  }

  TempDir directory_;
  const std::string source_ = directory_ / "volume";
  const std::string backups_ = directory_ / "backups";
  const std::string database_ = source_ + "/webui.db";
  int restores_ = 0;
};

class SqliteBackupWhileWritten : public SqliteBackup,
                                 public ::testing::WithParamInterface<const char*> {};

TEST_P(SqliteBackupWhileWritten, HoldsAPrefixOfTheCommits) {
  SqliteWriterOptions options;
  options.mode = GetParam();
  options.bytes = 8 * kMiB;
  SqliteWriter writer(database_, options);
  ASSERT_TRUE(writer.AwaitConfirmed(10));
  const uint64_t before = writer.confirmed();
  const std::string archive = BackUp(source_, backups_);
  const uint64_t after = writer.confirmed();
  writer.Stop();
  const std::string restored = Restore(archive);
  // A -wal or -journal beside a snapshot would be applied to a database that is not its own.
  EXPECT_EQ(NamesIn(restored), (std::vector<std::string>{"other", "webui.db"}));
  const SqliteCommits commits = ReadCommits(restored + "/webui.db");
  EXPECT_EQ(commits.integrity, "ok");
  EXPECT_TRUE(commits.is_prefix);
  EXPECT_GE(commits.count, before);
  EXPECT_LE(commits.count, after + 1);  // one more may have been under way
  EXPECT_EQ(ReceiptOf(archive)["sqlite_snapshots"], 1);
  EXPECT_EQ(ReceiptOf(archive)["warning_count"], 0) << ReceiptOf(archive);
}

INSTANTIATE_TEST_SUITE_P(InMode, SqliteBackupWhileWritten,
                         ::testing::Values("delete", "truncate", "persist", "wal"));

TEST_F(SqliteBackup, LargerThanTheSpoolIsCopiedWithItsWalAndAWarning) {
  SqliteWriterOptions options;
  options.bytes = 4 * kMiB;
  options.pause_after = 3;
  SqliteWriter writer(database_, options);
  ASSERT_TRUE(writer.AwaitStill());
  const std::string archive = BackUp(source_, backups_, {"--spool-memory", "1MiB"});
  const nlohmann::json receipt = ReceiptOf(archive);
  EXPECT_EQ(receipt["sqlite_snapshots"], 0);
  ASSERT_EQ(receipt["warning_count"], 1) << receipt;
  const std::string warning = receipt["warnings"][0];
  EXPECT_TRUE(warning.starts_with("webui.db: ")) << warning;
  EXPECT_NE(warning.find("--spool-dir"), std::string::npos) << warning;
  const std::string restored = Restore(archive);
  EXPECT_TRUE(Exists(restored + "/webui.db-wal"));
  // The writer held still, so here the copies belong together.
  EXPECT_EQ(ReadCommits(restored + "/webui.db").count, 3u);
}

TEST_F(SqliteBackup, LargerThanTheMemoryGoesIntoTheSpoolDirectory) {
  SqliteWriterOptions options;
  options.bytes = 4 * kMiB;
  SqliteWriter writer(database_, options);
  ASSERT_TRUE(writer.AwaitConfirmed(1));
  const std::string spool = directory_ / "spool";
  fs::create_directory(spool);
  const std::string archive =
      BackUp(source_, backups_, {"--spool-memory", "1MiB", "--spool-dir", spool});
  EXPECT_EQ(ReceiptOf(archive)["sqlite_snapshots"], 1);
  EXPECT_EQ(NamesIn(spool), std::vector<std::string>{});
  const SqliteCommits commits = ReadCommits(Restore(archive) + "/webui.db");
  EXPECT_EQ(commits.integrity, "ok");
  EXPECT_TRUE(commits.is_prefix);
}

TEST_F(SqliteBackup, CopyTakesTheFilesAsTheyAre) {
  SqliteWriterOptions options;
  options.pause_after = 3;
  SqliteWriter writer(database_, options);
  ASSERT_TRUE(writer.AwaitStill());
  const std::string archive = BackUp(source_, backups_, {"--sqlite", "copy"});
  EXPECT_EQ(ReceiptOf(archive)["sqlite_snapshots"], 0);
  EXPECT_EQ(ReceiptOf(archive)["warning_count"], 0);
  const std::string restored = Restore(archive);
  EXPECT_TRUE(ReadFile(restored + "/webui.db-wal") == ReadFile(database_ + "-wal"));
}

TEST_F(SqliteBackup, ADatabaseOfAnyNameIsFoundByItsWal) {
  SqliteWriter writer(source_ + "/state", {});
  ASSERT_TRUE(writer.AwaitConfirmed(2));
  const std::string archive = BackUp(source_, backups_);
  EXPECT_EQ(ReceiptOf(archive)["sqlite_snapshots"], 1);
  EXPECT_EQ(NamesIn(Restore(archive)), (std::vector<std::string>{"other", "state"}));
}

TEST_F(SqliteBackup, AFileThatOnlyLooksLikeADatabaseIsStoredAsItIs) {
  WriteFile(source_ + "/notes.db", "no database at all");
  WriteFile(source_ + "/empty.db", "");
  const std::string archive = BackUp(source_, backups_);
  EXPECT_EQ(ReceiptOf(archive)["sqlite_snapshots"], 0);
  EXPECT_EQ(ReceiptOf(archive)["warning_count"], 0) << ReceiptOf(archive);
  EXPECT_EQ(ReadFile(Restore(archive) + "/notes.db"), "no database at all");
}

TEST_F(SqliteBackup, OnlyFilesAreTakenForItsWal) {
  SqliteWriterOptions options;
  options.mode = "delete";
  SqliteWriter writer(database_, options);
  ASSERT_TRUE(writer.AwaitConfirmed(1));
  writer.Stop();
  fs::create_directory(database_ + "-shm");
  WriteFile(database_ + "-shm/precious", "kept");
  const std::string archive = BackUp(source_, backups_);
  EXPECT_EQ(ReceiptOf(archive)["sqlite_snapshots"], 1);
  EXPECT_EQ(ReadFile(Restore(archive) + "/webui.db-shm/precious"), "kept");
}

TEST_F(SqliteBackup, ManyDatabasesNeedFewDescriptors) {
  const std::string spool = directory_ / "spool";
  fs::create_directory(spool);
  SqliteWriterOptions options;
  options.bytes = 64 * kKiB;
  options.mode = "delete";
  SqliteWriter writer(database_, options);
  ASSERT_TRUE(writer.AwaitConfirmed(1));
  writer.Stop();
  for (int i = 0; i < 150; ++i) {
    fs::copy_file(database_, source_ + "/copy" + std::to_string(i) + ".db");
  }
  const FewDescriptors limit(100);
  const CommandResult result = Volstream({"backup", source_, "--to", backups_, "--spool-memory",
                                          "1MiB", "--spool-dir", spool})
                                   .Run();
  EXPECT_EQ(result.exit_code, 0) << result;
}

TEST_F(SqliteBackup, ASpoolInTheVolumeIsRefused) {
  fs::create_directory(source_ + "/spool");
  ExpectOneError(
      Volstream({"backup", source_, "--to", backups_, "--spool-dir", source_ + "/spool"}).Run(), 2,
      {"spool", source_ + "/spool"});
  ExpectOneError(
      Volstream({"backup", source_, "--to", backups_, "--spool-dir", directory_ / "no"}).Run(), 2,
      {"spool", "no"});
  EXPECT_EQ(NamesIn(backups_), std::vector<std::string>{});
}

TEST_F(SqliteBackup, ASnapshotBlocksLargerThanABlockComeBack) {
  SqliteWriterOptions options;
  options.bytes = 20 * kMiB;
  {
    SqliteWriter writer(database_, options);
    ASSERT_TRUE(writer.AwaitConfirmed(1));
    writer.Stop();
  }
  const std::string archive = BackUp(source_, backups_, {"--workers", "4"});
  EXPECT_TRUE(ReadCommits(Restore(archive) + "/webui.db").is_prefix);
}

}  // namespace
}  // namespace volstream
