// volstream verify, through the binary.
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/archive.h"
#include "tests/support/cli.h"
#include "tests/support/hot_journal.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

namespace fs = std::filesystem;

class VerifyCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(source_);
    fs::create_directory(backups_);
    fs::create_directory(scratch_);
  }
  void BackUpTree() {
    TreeOptions options;
    options.incompressible_bytes = 3'000'000;
    options.rare_files = true;
    MakeTree(source_, options);
    archive_ = BackUp(source_, backups_);
  }
  CommandResult Verify(std::vector<std::string> extra = {}) {
    extra.insert(extra.begin(), {"verify", archive_});
    return Volstream(std::move(extra)).Run();
  }
  nlohmann::json Recorded() {
    const std::string path = archive_ + ".verify.json";
    return Exists(path) ? nlohmann::json::parse(ReadFile(path)) : nlohmann::json();
  }
  void Flip(size_t offset) {
    std::string bytes = ReadFile(archive_);
    bytes.at(offset) = static_cast<char>(bytes.at(offset) ^ 1);
    WriteFile(archive_, bytes);
  }
  static void Sql(const std::string& path, const char* sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(db);
  }

  TempDir directory_;
  const std::string source_ = directory_ / "volume";
  const std::string backups_ = directory_ / "backups";
  const std::string scratch_ = directory_ / "scratch";
  std::string archive_;
};

TEST_F(VerifyCommand, PassesWhatIsSoundAtEveryLevel) {
  BackUpTree();
  for (const std::string level : {"quick", "deep", "drill"}) {
    std::vector<std::string> flags = {"--scratch-dir", scratch_};
    if (level != "quick") flags.push_back("--" + level);
    const CommandResult result = Verify(flags);
    EXPECT_EQ(result.exit_code, 0) << result;
    const nlohmann::json recorded = Recorded();
    EXPECT_EQ(recorded["level"], level);
    EXPECT_EQ(recorded["ok"], true);
    if (level == "quick") {
      EXPECT_EQ(recorded["bytes_read"], 0);
    } else {
      EXPECT_GE(recorded["bytes_read"].get<uint64_t>(), fs::file_size(archive_));
      EXPECT_EQ(recorded["archive_md5"], ReceiptOf(archive_)["md5"]);
    }
  }
  EXPECT_GT(Recorded()["restore_seconds"].get<double>(), 0);
  EXPECT_TRUE(NamesIn(scratch_).empty());
}

TEST_F(VerifyCommand, FindsAnotherSizeByLooking) {
  BackUpTree();
  ASSERT_EQ(truncate(archive_.c_str(), static_cast<off_t>(fs::file_size(archive_) - 1)), 0);
  const CommandResult result = Verify();
  EXPECT_EQ(result.exit_code, kExitIntegrity) << result;
  EXPECT_NE(result.err.find("its receipt says"), std::string::npos) << result;
  EXPECT_EQ(Recorded()["ok"], false);
}

TEST_F(VerifyCommand, FindsAFlippedBitAnywhereByReading) {
  BackUpTree();
  const std::string good = ReadFile(archive_);
  const size_t index_bytes = ReceiptOf(archive_)["index_bytes"];
  // A member's header, body and trailer; the index's first page, and the footer.
  for (const size_t offset :
       {size_t{3}, size_t{20}, size_t{25}, good.size() / 2, good.size() - index_bytes - 3,
        good.size() - index_bytes + 40, good.size() - 60}) {
    WriteFile(archive_, good);
    Flip(offset);
    EXPECT_EQ(Verify().exit_code, 0) << "the size is the same";
    const CommandResult result = Verify({"--deep"});
    EXPECT_EQ(result.exit_code, kExitIntegrity) << offset << result;
    EXPECT_NE(result.err.find(fs::path(archive_).filename()), std::string::npos) << result;
  }
}

TEST_F(VerifyCommand, FindsWhatIsSoundButNotWhatWasStored) {
  BackUpTree();
  const std::string receipt = ReadFile(archive_ + ".receipt.json");
  WriteFile(source_ + "/more", "more");
  const std::string other = BackUp(source_, backups_);
  fs::rename(other, archive_);
  const CommandResult result = Verify({"--deep"});
  EXPECT_EQ(result.exit_code, kExitIntegrity) << result;
  EXPECT_NE(result.err.find("MD5"), std::string::npos) << result;
}

TEST_F(VerifyCommand, DrillFindsADatabaseThatIsDamaged) {
  Sql(source_ + "/good.db", "CREATE TABLE t(x); INSERT INTO t VALUES (1);");
  Sql(source_ + "/bad.db",
      "CREATE TABLE t(x); CREATE INDEX i ON t(x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
      "SELECT i + 1 FROM n WHERE i < 5000) INSERT INTO t SELECT i FROM n;");
  std::string bytes = ReadFile(source_ + "/bad.db");
  bytes.replace(bytes.size() / 2, 600, std::string(600, '\x5a'));
  WriteFile(source_ + "/bad.db", bytes);
  archive_ = BackUp(source_, backups_, {"--sqlite", "copy"});
  EXPECT_EQ(Verify({"--deep"}).exit_code, 0);
  const CommandResult result = Verify({"--drill", "--scratch-dir", scratch_});
  EXPECT_EQ(result.exit_code, kExitIntegrity) << result;
  EXPECT_NE(result.err.find("bad.db"), std::string::npos) << result;
  EXPECT_EQ(result.err.find("good.db"), std::string::npos) << result;
  EXPECT_TRUE(NamesIn(scratch_).empty());
}

TEST_F(VerifyCommand, DrillRemovesNothingThatAJournalNames) {
  const std::string victim = directory_ / "victim";
  WriteFile(victim, "precious");
  Sql(source_ + "/x.db", "CREATE TABLE t(x); INSERT INTO t VALUES (1);");
  WriteFile(source_ + "/x.db-journal", HotJournal(fs::file_size(source_ + "/x.db"), victim));
  archive_ = BackUp(source_, backups_, {"--sqlite", "copy"});
  const CommandResult result = Verify({"--drill", "--scratch-dir", scratch_});
  EXPECT_EQ(result.exit_code, kExitIntegrity) << result;
  EXPECT_NE(result.err.find("names a file elsewhere"), std::string::npos) << result;
  EXPECT_EQ(ReadFile(victim), "precious");
  EXPECT_TRUE(NamesIn(scratch_).empty());
}

TEST_F(VerifyCommand, DrillIsNotTheArchivesOwnEvenAtItsRoot) {
  WriteFile(source_ + "/file", "contents");
  chmod(source_.c_str(), 0777);
  if (geteuid() == 0) {
    ASSERT_EQ(chown(source_.c_str(), kNobody, kNobody), 0);
  }
  archive_ = BackUp(source_, backups_);
  const CommandResult result = Verify({"--drill", "--scratch-dir", scratch_});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_TRUE(NamesIn(scratch_).empty());
}

TEST_F(VerifyCommand, ChecksArchivesWithoutAReceiptByThemselves) {
  BackUpTree();
  fs::remove(archive_ + ".receipt.json");
  ExpectOneError(Verify(), kExitGeneral, {"has no receipt", "--deep"});
  EXPECT_EQ(Verify({"--deep"}).exit_code, 0);
  // Another's, too.
  archive_ = directory_ / "foreign.tar.gz";
  const std::string plain = directory_ / "plain";
  MakeTree(plain);
  ASSERT_EQ(Command({"tar", "-czf", archive_, "-C", plain, "."}).Run().exit_code, 0);
  EXPECT_EQ(Verify({"--deep", "--no-record"}).exit_code, 0);
  EXPECT_FALSE(Exists(archive_ + ".verify.json"));
  Flip(fs::file_size(archive_) / 2);
  EXPECT_EQ(Verify({"--deep"}).exit_code, kExitIntegrity);
}

TEST_F(VerifyCommand, KeepsTheRecordOfADeeperVerification) {
  WriteFile(source_ + "/file", "contents");
  archive_ = BackUp(source_, backups_);
  Flip(fs::file_size(archive_) / 2);
  EXPECT_EQ(Verify({"--deep"}).exit_code, kExitIntegrity);
  const CommandResult quick = Verify();
  EXPECT_EQ(quick.exit_code, 0) << quick;
  EXPECT_NE(quick.err.find("the record of the deeper verification of "), std::string::npos)
      << quick;
  EXPECT_EQ(Recorded()["level"], "deep");
  EXPECT_EQ(Recorded()["ok"], false);
}

TEST_F(VerifyCommand, ChecksAStreamThatIsNoTar) {
  WriteFile(directory_ / "data", RandomBytes(1, 3'000'000));
  ASSERT_EQ(Volstream({"backup", "-", "--to", backups_, "--name", "x"})
                .StdinFrom(directory_ / "data")
                .Run()
                .exit_code,
            0);
  archive_ = backups_ + "/latest";
  EXPECT_EQ(Verify({"--deep"}).exit_code, 0);
  EXPECT_EQ(Verify({"--drill", "--scratch-dir", scratch_}).exit_code, 0);
}

TEST_F(VerifyCommand, SaysWhatItCannotDo) {
  BackUpTree();
  ExpectOneError(Verify({"--drill", "--scratch-dir", directory_ / "no"}), kExitPrerequisite,
                 {directory_ / "no"});
  archive_ = directory_ / "no.tar.gz";
  ExpectOneError(Verify(), kExitGeneral, {archive_});
}

TEST_F(VerifyCommand, GoesOnWhereTheResultCannotBeKept) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to be another user";
  BackUpTree();
  chmod(archive_.c_str(), 0644);
  chmod((archive_ + ".receipt.json").c_str(), 0644);
  const CommandResult result =
      Volstream({"verify", archive_, "--deep"}).RunAs(kNobody, kNobody).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_NE(result.err.find("could not be recorded"), std::string::npos) << result;
}

TEST_F(VerifyCommand, PrintsJsonAndListShowsTheResult) {
  BackUpTree();
  const CommandResult result = Verify({"--deep", "--json", "-q"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(nlohmann::json::parse(result.out)["level"], "deep");
  EXPECT_NE(Volstream({"list", backups_}).Run().out.find("verified"), std::string::npos);
}

}  // namespace
}  // namespace volstream
