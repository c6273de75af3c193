// SqliteDatabaseFile: its locks against those of SQLite itself, and the -shm that others keep.
#include "stages/sqlite_database_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "tests/support/sqlite_writer.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

constexpr size_t kRegionBytes = 32768;

// A connection of SQLite's own, in this process: open file description locks and POSIX locks meet
// even so.
class Sqlite {
 public:
  explicit Sqlite(const std::string& path) {
    EXPECT_EQ(sqlite3_open(path.c_str(), &db_), SQLITE_OK);
  }
  ~Sqlite() { sqlite3_close(db_); }
  int Run(const char* sql) { return sqlite3_exec(db_, sql, nullptr, nullptr, nullptr); }

 private:
  sqlite3* db_ = nullptr;
};

class SqliteDatabaseFileTest : public ::testing::Test {
 protected:
  SqliteDatabaseFileTest()
      : other_(directory_ / "a.db"),
        dir_fd_(open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY)) {}

  void Make(const char* mode) {
    EXPECT_EQ(
        other_.Run((std::string("PRAGMA journal_mode=") + mode + "; CREATE TABLE t(a)").c_str()),
        SQLITE_OK);
    fd_ = UniqueFd(open((directory_ / "a.db").c_str(), O_RDONLY));
  }

  TempDir directory_;
  Sqlite other_;
  UniqueFd dir_fd_;
  UniqueFd fd_;
};

TEST_F(SqliteDatabaseFileTest, SharedLockHoldsCommitsBack) {
  Make("delete");
  SqliteDatabaseFile file(fd_.get(), dir_fd_.get(), "a.db-shm");
  ASSERT_EQ(file.Lock(SQLITE_LOCK_SHARED), SQLITE_OK);
  EXPECT_EQ(other_.Run("INSERT INTO t VALUES(1)"), SQLITE_BUSY);
  ASSERT_EQ(file.Unlock(SQLITE_LOCK_NONE), SQLITE_OK);
  EXPECT_EQ(other_.Run("INSERT INTO t VALUES(1)"), SQLITE_OK);
}

TEST_F(SqliteDatabaseFileTest, LocksSurviveThatTheFileIsClosedElsewhere) {
  Make("delete");
  SqliteDatabaseFile file(fd_.get(), dir_fd_.get(), "a.db-shm");
  ASSERT_EQ(file.Lock(SQLITE_LOCK_SHARED), SQLITE_OK);
  // What VolumeFiles does when it reads a file; POSIX locks would be gone.
  ASSERT_EQ(close(open((directory_ / "a.db").c_str(), O_RDONLY)), 0);
  EXPECT_EQ(other_.Run("INSERT INTO t VALUES(1)"), SQLITE_BUSY);
}

TEST_F(SqliteDatabaseFileTest, ExclusiveLockOfAnotherIsBusyAndAReservedOneIsSeen) {
  Make("delete");
  SqliteDatabaseFile file(fd_.get(), dir_fd_.get(), "a.db-shm");
  bool held = true;
  ASSERT_EQ(file.CheckReservedLock(&held), SQLITE_OK);
  EXPECT_FALSE(held);
  ASSERT_EQ(other_.Run("BEGIN IMMEDIATE"), SQLITE_OK);
  ASSERT_EQ(file.CheckReservedLock(&held), SQLITE_OK);
  EXPECT_TRUE(held);
  EXPECT_EQ(file.Lock(SQLITE_LOCK_SHARED), SQLITE_OK);
  file.Unlock(SQLITE_LOCK_NONE);
  ASSERT_EQ(other_.Run("COMMIT; BEGIN EXCLUSIVE"), SQLITE_OK);
  EXPECT_EQ(file.Lock(SQLITE_LOCK_SHARED), SQLITE_BUSY);
}

TEST_F(SqliteDatabaseFileTest, ComesAfterAWriterThatWaits) {
  Make("delete");
  SqliteDatabaseFile first(fd_.get(), dir_fd_.get(), "a.db-shm");
  ASSERT_EQ(first.Lock(SQLITE_LOCK_SHARED), SQLITE_OK);
  ASSERT_EQ(other_.Run("BEGIN; INSERT INTO t VALUES(1)"), SQLITE_OK);
  ASSERT_EQ(other_.Run("COMMIT"), SQLITE_BUSY);
  const UniqueFd fd(open((directory_ / "a.db").c_str(), O_RDONLY));
  SqliteDatabaseFile second(fd.get(), dir_fd_.get(), "a.db-shm");
  EXPECT_EQ(second.Lock(SQLITE_LOCK_SHARED), SQLITE_BUSY);
  first.Unlock(SQLITE_LOCK_NONE);
  EXPECT_EQ(other_.Run("COMMIT"), SQLITE_OK);
  EXPECT_EQ(second.Lock(SQLITE_LOCK_SHARED), SQLITE_OK);
}

TEST_F(SqliteDatabaseFileTest, LastLockIsGoneWithIt) {
  Make("delete");
  {
    SqliteDatabaseFile file(fd_.get(), dir_fd_.get(), "a.db-shm");
    ASSERT_EQ(file.Lock(SQLITE_LOCK_SHARED), SQLITE_OK);
  }
  EXPECT_EQ(other_.Run("INSERT INTO t VALUES(1)"), SQLITE_OK);
}

TEST_F(SqliteDatabaseFileTest, NeverLocksForWriting) {
  Make("delete");
  SqliteDatabaseFile file(fd_.get(), dir_fd_.get(), "a.db-shm");
  ASSERT_EQ(file.Lock(SQLITE_LOCK_SHARED), SQLITE_OK);
  EXPECT_EQ(file.Lock(SQLITE_LOCK_RESERVED), SQLITE_READONLY);
  EXPECT_EQ(file.Lock(SQLITE_LOCK_EXCLUSIVE), SQLITE_READONLY);
}

TEST_F(SqliteDatabaseFileTest, MapsAShmThatOthersUse) {
  Make("wal");
  SqliteDatabaseFile file(fd_.get(), dir_fd_.get(), "a.db-shm");
  void volatile* start = nullptr;
  ASSERT_EQ(file.ShmMap(0, kRegionBytes, &start), SQLITE_READONLY);
  ASSERT_NE(start, nullptr);
  // The wal-index's version, walformat.html section 2.1.
  EXPECT_EQ(*static_cast<uint32_t volatile*>(start), 3007000u);
  // A region that nobody has made yet.
  ASSERT_EQ(file.ShmMap(1, kRegionBytes, &start), SQLITE_READONLY);
  EXPECT_EQ(start, nullptr);
  EXPECT_FALSE(file.read_without_shm());
}

TEST_F(SqliteDatabaseFileTest, DoesNotTrustAShmThatNobodyUses) {
  Make("delete");
  WriteFile(directory_ / "a.db-shm", std::string(kRegionBytes, '\0'));
  SqliteDatabaseFile file(fd_.get(), dir_fd_.get(), "a.db-shm");
  void volatile* start = nullptr;
  EXPECT_EQ(file.ShmMap(0, kRegionBytes, &start), SQLITE_READONLY_CANTINIT);
  EXPECT_EQ(start, nullptr);
  EXPECT_EQ(file.ShmLock(3, 1, SQLITE_SHM_LOCK | SQLITE_SHM_SHARED), SQLITE_OK);
  EXPECT_FALSE(file.read_without_shm());
}

TEST_F(SqliteDatabaseFileTest, MakesNoShm) {
  Make("delete");
  SqliteDatabaseFile file(fd_.get(), dir_fd_.get(), "a.db-shm");
  void volatile* start = nullptr;
  EXPECT_EQ(file.ShmMap(0, kRegionBytes, &start), SQLITE_READONLY_CANTINIT);
  EXPECT_EQ(file.ShmLock(3, 1, SQLITE_SHM_LOCK | SQLITE_SHM_SHARED), SQLITE_OK);
  EXPECT_TRUE(file.read_without_shm());
  EXPECT_EQ(NamesIn(directory_.path()), std::vector<std::string>{"a.db"});
}

TEST_F(SqliteDatabaseFileTest, FollowsNoSymlinkToAShm) {
  Make("delete");
  WriteFile(directory_ / "b", std::string(kRegionBytes, '\0'));
  ASSERT_EQ(symlink("b", (directory_ / "a.db-shm").c_str()), 0);
  SqliteDatabaseFile file(fd_.get(), dir_fd_.get(), "a.db-shm");
  void volatile* start = nullptr;
  EXPECT_EQ(file.ShmMap(0, kRegionBytes, &start), SQLITE_CANTOPEN);
}

}  // namespace
}  // namespace volstream
