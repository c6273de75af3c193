// CheckSqliteDatabases: what passes, what does not, and what a hostile journal cannot do.
#include "stages/sqlite_check.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <string>

#include "stages/beneath.h"
#include "tests/support/hot_journal.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

namespace fs = std::filesystem;

class SqliteCheck : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(tree_ + "/sub");
    WriteFile(victim_, "precious");
  }
  // A database of that path, which Check sees with `journal` beside it.
  void Make(const std::string& path, const std::string& sql = "") {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, ("CREATE TABLE t(x); INSERT INTO t VALUES (1);" + sql).c_str(),
                           nullptr, nullptr, nullptr),
              SQLITE_OK);
    sqlite3_close(db);
  }
  // Failures by path.
  std::map<std::string, std::string> Check(uint64_t expected_count = 1) {
    const UniqueFd root(open(tree_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    std::map<std::string, std::string> failures;
    const absl::StatusOr<uint64_t> count = CheckSqliteDatabases(
        root.get(), nullptr,
        [&](std::string_view path, std::string_view what) { failures.emplace(path, what); });
    EXPECT_TRUE(count.ok()) << count.status();
    EXPECT_EQ(count.value_or(0), expected_count);
    return failures;
  }
  void ExpectElsewhere() {
    const std::map<std::string, std::string> failures = Check();
    ASSERT_EQ(failures.size(), 1u);
    EXPECT_NE(failures.at("x.db").find("names a file elsewhere"), std::string::npos)
        << failures.at("x.db");
    EXPECT_EQ(ReadFile(victim_), "precious");
  }

  TempDir directory_;
  const std::string tree_ = directory_ / "tree";
  const std::string database_ = tree_ + "/x.db";
  const std::string victim_ = directory_ / "victim";
};

TEST_F(SqliteCheck, PassesWhatIsSound) {
  Make(database_);
  Make(tree_ + "/sub/y.db", "PRAGMA journal_mode=WAL;");
  WriteFile(tree_ + "/sub/notes", "no database");
  EXPECT_TRUE(Check(2).empty());
}

TEST_F(SqliteCheck, PlaysAJournalBack) {
  Make(database_);
  const std::string good = ReadFile(database_);
  // The transaction had appended a page that belongs to nothing.
  WriteFile(database_, good + std::string(4096, 'x'));
  WriteFile(database_ + "-journal", HotJournal(good.size(), ""));
  EXPECT_TRUE(Check().empty());
  EXPECT_EQ(ReadFile(database_), good);
}

TEST_F(SqliteCheck, ReadsTheWalBesideADatabase) {
  const std::string live = directory_ / "live.db";
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(live.c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db, "PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES (1)",
                         nullptr, nullptr, nullptr),
            SQLITE_OK);
  fs::copy(live, database_);
  fs::copy(live + "-wal", database_ + "-wal");
  sqlite3_close(db);
  EXPECT_TRUE(Check().empty());
  EXPECT_FALSE(fs::exists(database_ + "-shm"));
}

TEST_F(SqliteCheck, FindsADamagedDatabase) {
  Make(database_, "CREATE INDEX i ON t(x);");
  std::string bytes = ReadFile(database_);
  bytes.replace(4096, 600, std::string(600, '\x5a'));
  WriteFile(database_, bytes);
  EXPECT_EQ(Check().size(), 1u);
}

TEST_F(SqliteCheck, TouchesNoSuperJournal) {
  Make(database_);
  WriteFile(database_ + "-journal", HotJournal(fs::file_size(database_), victim_));
  ExpectElsewhere();
}

TEST_F(SqliteCheck, AsksForNoSuperJournalThatIsNotThere) {
  Make(database_);
  WriteFile(database_ + "-journal",
            HotJournal(fs::file_size(database_), "/nowhere/x.db-mj12345678"));
  ExpectElsewhere();
}

TEST_F(SqliteCheck, FollowsNoSymlink) {
  Make(database_);
  fs::create_directory(directory_ / "outside");
  Make(directory_ / "outside/bad.db");
  fs::create_directory_symlink(directory_ / "outside", tree_ + "/link");
  fs::create_symlink(directory_ / "outside/bad.db", tree_ + "/link.db");
  EXPECT_TRUE(Check(1).empty());
}

TEST_F(SqliteCheck, OpensNoJournalThatIsASymlink) {
  for (const char* suffix : {"-journal", "-wal"}) {
    Make(database_, suffix == std::string("-wal") ? "PRAGMA journal_mode=WAL;" : "");
    fs::create_symlink(victim_, database_ + suffix);
    ExpectElsewhere();
    fs::remove(database_ + suffix);
    fs::remove(database_);
  }
}

}  // namespace
}  // namespace volstream
