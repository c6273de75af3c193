// SqliteSnapshot of databases that nobody writes at the time: what is detected, what a snapshot
// keeps, what is refused, and that the volume stays as it was.
#include "stages/sqlite_snapshot.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "stages/error_kind.h"
#include "tests/support/sqlite_fixture.h"

namespace volstream {
namespace {

using SqliteSnapshot = SqliteFixture;

// An open connection of this process. It must not be used for writing while a test reads the files.
class Connection {
 public:
  explicit Connection(const std::string& path) {
    EXPECT_EQ(sqlite3_open(path.c_str(), &db_), SQLITE_OK);
  }
  ~Connection() { sqlite3_close(db_); }
  void Run(const std::string& sql) {
    EXPECT_EQ(sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sql << ": " << sqlite3_errmsg(db_);
  }

 private:
  sqlite3* db_ = nullptr;
};

void MakeDatabase(const std::string& path, const std::string& sql) {
  Connection(path).Run(sql + "; CREATE TABLE t(a); INSERT INTO t VALUES('kept')");
}

TEST(SqliteNames, KnowsUsualOnesWhateverTheCase) {
  for (const char* name : {"webui.db", "a.DB", "chroma.sqlite3", "x.sqlite", "y.db3", "z.sl3"}) {
    EXPECT_TRUE(LooksLikeSqliteName(name)) << name;
  }
  for (const char* name : {"db", "a.dbx", "a.txt", "", "webui.db-wal"}) {
    EXPECT_FALSE(LooksLikeSqliteName(name)) << name;
  }
}

TEST(SqliteNames, KnowsSiblingsAndWhoseTheyAre) {
  EXPECT_EQ(SqliteOwnerOf("a.db-wal"), "a.db");
  EXPECT_EQ(SqliteOwnerOf("history-shm"), "history");
  EXPECT_EQ(SqliteOwnerOf("x-journal"), "x");
  for (const char* name : {"-wal", "a.db", "", "a-walk"})
    EXPECT_EQ(SqliteOwnerOf(name), "") << name;
  for (const std::string& sibling : SqliteSiblingsOf("a.db")) {
    EXPECT_EQ(SqliteOwnerOf(sibling), "a.db");
  }
}

TEST(SqliteNames, HeaderIsAllSixteenBytes) {
  const std::string magic("SQLite format 3\0", 16);
  const auto is_header = [](const std::string& text) {
    return IsSqliteHeader(ByteSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
  };
  EXPECT_TRUE(is_header(magic));
  EXPECT_TRUE(is_header(magic + "more"));
  EXPECT_FALSE(is_header(magic.substr(0, 15)));
  EXPECT_FALSE(is_header("SQLite format 4" + std::string(1, '\0')));
}

TEST_F(SqliteSnapshot, KeepsTheDatabasesProperties) {
  for (const char* mode : {"delete", "wal"}) {
    for (const char* page_size : {"512", "4096", "65536"}) {
      const std::string path = InVolume("a.db");
      MakeDatabase(path, std::string("PRAGMA page_size=") + page_size +
                             "; PRAGMA auto_vacuum=INCREMENTAL; PRAGMA application_id=77; PRAGMA "
                             "user_version=123; PRAGMA encoding='UTF-16'; PRAGMA journal_mode=" +
                             mode);
      const Tree before = SnapshotTree(volume_);
      const auto snapshot = Take("a.db");
      ASSERT_TRUE(snapshot.ok()) << snapshot.status();
      EXPECT_EQ(DiffTrees(before, SnapshotTree(volume_)), "");
      const std::string restored = Restore(**snapshot);
      EXPECT_EQ(SqliteValue(restored, "PRAGMA page_size"), page_size);
      EXPECT_EQ(SqliteValue(restored, "PRAGMA auto_vacuum"), "2");
      EXPECT_EQ(SqliteValue(restored, "PRAGMA application_id"), "77");
      EXPECT_EQ(SqliteValue(restored, "PRAGMA user_version"), "123");
      EXPECT_EQ(SqliteValue(restored, "PRAGMA encoding"), "UTF-16le");
      EXPECT_EQ(SqliteValue(restored, "PRAGMA journal_mode"), mode);
      EXPECT_EQ(SqliteValue(restored, "SELECT a FROM t"), "kept");
      EXPECT_EQ(SqliteValue(restored, "PRAGMA integrity_check"), "ok");
      std::filesystem::remove(path);
    }
  }
}

TEST_F(SqliteSnapshot, ReadsAWalThatAnOpenApplicationHasNotCheckpointed) {
  Connection application(InVolume("a.db"));
  application.Run("PRAGMA journal_mode=wal; PRAGMA wal_autocheckpoint=0; CREATE TABLE t(a)");
  application.Run("INSERT INTO t VALUES('in the wal')");
  const Tree before = SnapshotTree(volume_);
  ASSERT_EQ(before.size(), 4u);
  const auto snapshot = Take("a.db");
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(SqliteValue(Restore(**snapshot), "SELECT a FROM t"), "in the wal");
  EXPECT_EQ(DiffTrees(before, SnapshotTree(volume_)), "");
}

TEST_F(SqliteSnapshot, GoesPastTheLockPage) {
  // SQLite leaves out the page at 1 GiB, which has its lock bytes. The file is sparse: a small
  // database whose header says that there are more pages (fileformat2.html section 1.3.8).
  const std::string path = InVolume("a.db");
  MakeDatabase(path, "PRAGMA page_size=65536");
  const uint32_t pages = 16384 + 20;
  const uint8_t count[4] = {0, 0, pages >> 8, pages & 0xff};
  const UniqueFd fd(open(path.c_str(), O_WRONLY));
  ASSERT_EQ(pwrite(fd.get(), count, 4, 28), 4);
  ASSERT_EQ(ftruncate(fd.get(), off_t{pages} * 65536), 0);
  ASSERT_EQ(pwrite(fd.get(), "last", 4, off_t{pages - 1} * 65536), 4);
  Spool spool(
      SpoolOptions{.memory_bytes = 0, .disk_bytes = 2 * kGiB, .directory = directory_ / "out"});
  struct stat info {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  const auto snapshot =
      TakeSnapshot(dir_fd_.get(), "a.db", info.st_dev, info.st_ino, &spool, nullptr);
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ((*snapshot)->bytes(), uint64_t{pages} * 65536);
  uint8_t last[4];
  ASSERT_TRUE((*snapshot)->Read(uint64_t{pages - 1} * 65536, last).ok());
  EXPECT_EQ(std::string(last, last + 4), "last");
}

TEST_F(SqliteSnapshot, OrdinaryAndEmptyFilesAreNoDatabases) {
  WriteFile(InVolume("a.db"), "some text that is longer than a header of SQLite");
  WriteFile(InVolume("b.db"), "");
  WriteFile(InVolume("c.db"), "SQLite");
  for (const char* name : {"a.db", "b.db", "c.db"}) {
    const absl::Status status = Take(name).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_FALSE(WarnsOfSnapshot(status));
  }
}

TEST_F(SqliteSnapshot, DamagedDatabaseIsAnErrorThatWarns) {
  WriteFile(InVolume("a.db"), std::string("SQLite format 3\0", 16) + std::string(8192, 'x'));
  MakeDatabase(InVolume("b.db"), "PRAGMA page_size=4096");
  std::filesystem::resize_file(InVolume("b.db"), 4096);
  const Tree before = SnapshotTree(volume_);
  for (const char* name : {"a.db", "b.db"}) {
    const absl::Status status = Take(name).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_TRUE(WarnsOfSnapshot(status));
    EXPECT_EQ(status.message().find('\n'), std::string::npos);
  }
  EXPECT_EQ(DiffTrees(before, SnapshotTree(volume_)), "");
  EXPECT_EQ(spool_.memory_bytes_used(), 0u);
}

TEST_F(SqliteSnapshot, SymlinkOrAnotherFileInItsPlaceIsRefused) {
  MakeDatabase(InVolume("a.db"), "PRAGMA journal_mode=delete");
  MakeDatabase(InVolume("b.db"), "PRAGMA journal_mode=delete");
  struct stat info {};
  ASSERT_EQ(stat(InVolume("a.db").c_str(), &info), 0);
  const auto take = [&] {
    return TakeSnapshot(dir_fd_.get(), "a.db", info.st_dev, info.st_ino, &spool_, nullptr).status();
  };
  std::filesystem::rename(InVolume("a.db"), InVolume("c.db"));
  EXPECT_EQ(take().code(), absl::StatusCode::kNotFound);
  std::filesystem::create_symlink("c.db", InVolume("a.db"));
  EXPECT_EQ(take().code(), absl::StatusCode::kAborted);
  std::filesystem::rename(InVolume("b.db"), InVolume("a.db"));
  EXPECT_EQ(take().code(), absl::StatusCode::kAborted);
  std::filesystem::remove(InVolume("a.db"));
  ASSERT_EQ(mkfifo(InVolume("a.db").c_str(), 0600), 0);
  EXPECT_EQ(take().code(), absl::StatusCode::kAborted);
  EXPECT_FALSE(WarnsOfSnapshot(take()));
}

TEST_F(SqliteSnapshot, AnotherFileThatTakesItsPlaceMeanwhileIsRefused) {
  for (const char* name : {"a.db", "b.db"}) {
    MakeDatabase(InVolume(name), "CREATE TABLE big(a); INSERT INTO big VALUES(zeroblob(100000))");
  }
  SnapshotOptions options;
  options.step_bytes = 4096;
  options.after_step = [&](bool) {
    if (Exists(InVolume("b.db"))) std::filesystem::rename(InVolume("b.db"), InVolume("a.db"));
  };
  const auto snapshot = Take("a.db", options);
  EXPECT_EQ(snapshot.status().code(), absl::StatusCode::kAborted) << snapshot.status();
}

TEST_F(SqliteSnapshot, HardLinkedDatabaseIsRefused) {
  MakeDatabase(InVolume("a.db"), "PRAGMA journal_mode=wal");
  std::filesystem::create_hard_link(InVolume("a.db"), InVolume("b.db"));
  const absl::Status status = Take("b.db").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_TRUE(WarnsOfSnapshot(status));
}

TEST_F(SqliteSnapshot, OverTheBoundIsRefusedAndGivenBack) {
  MakeDatabase(InVolume("a.db"), "CREATE TABLE big(a); INSERT INTO big VALUES(zeroblob(300000))");
  Spool spool(SpoolOptions{.memory_bytes = 2 * kSpoolChunkBytes, .disk_bytes = 0, .directory = ""});
  struct stat info {};
  ASSERT_EQ(stat(InVolume("a.db").c_str(), &info), 0);
  const auto take = [&] {
    return TakeSnapshot(dir_fd_.get(), "a.db", info.st_dev, info.st_ino, &spool, nullptr).status();
  };
  EXPECT_EQ(take().code(), absl::StatusCode::kResourceExhausted) << take();
  EXPECT_TRUE(WarnsOfSnapshot(take()));
  EXPECT_EQ(spool.memory_bytes_used(), 0u);
}

TEST_F(SqliteSnapshot, DatabaseThatIsLargerWithItsWalIsHeldToTheBoundToo) {
  Connection application(InVolume("a.db"));
  application.Run("PRAGMA journal_mode=wal; PRAGMA wal_autocheckpoint=0; CREATE TABLE t(a)");
  application.Run("INSERT INTO t VALUES(zeroblob(300000))");
  struct stat info {};
  ASSERT_EQ(stat(InVolume("a.db").c_str(), &info), 0);
  ASSERT_LT(info.st_size, 10'000);
  Spool spool(SpoolOptions{.memory_bytes = 2 * kSpoolChunkBytes, .disk_bytes = 0, .directory = ""});
  const absl::Status status =
      TakeSnapshot(dir_fd_.get(), "a.db", info.st_dev, info.st_ino, &spool, nullptr).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_EQ(spool.memory_bytes_used(), 0u);
}

TEST_F(SqliteSnapshot, FullSpoolDirectoryIsAnError) {
  MakeDatabase(InVolume("a.db"), "CREATE TABLE big(a); INSERT INTO big VALUES(zeroblob(300000))");
  struct stat info {};
  ASSERT_EQ(stat(InVolume("a.db").c_str(), &info), 0);
  Spool spool(
      SpoolOptions{.memory_bytes = 0, .disk_bytes = kGiB, .directory = directory_ / "gone"});
  const absl::Status status =
      TakeSnapshot(dir_fd_.get(), "a.db", info.st_dev, info.st_ino, &spool, nullptr).status();
  EXPECT_NE(status.message().find("spool directory"), std::string::npos) << status;
  EXPECT_TRUE(WarnsOfSnapshot(status)) << status;
}

TEST_F(SqliteSnapshot, CancellationEndsIt) {
  MakeDatabase(InVolume("a.db"), "CREATE TABLE big(a); INSERT INTO big VALUES(zeroblob(300000))");
  int steps = 0;
  SnapshotOptions options;
  options.step_bytes = 4096;
  options.after_step = [&](bool) { cancelled_ = ++steps == 3; };
  const absl::Status status = Take("a.db", options).status();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(KindOf(status), ErrorKind::kInterrupted);
  EXPECT_EQ(steps, 3);
  EXPECT_EQ(spool_.memory_bytes_used(), 0u);
}

TEST_F(SqliteSnapshot, LockedDatabaseIsGivenUpAfterSomePatience) {
  MakeDatabase(InVolume("a.db"), "PRAGMA journal_mode=delete");
  Connection application(InVolume("a.db"));
  application.Run("BEGIN EXCLUSIVE");
  SnapshotOptions options;
  options.patience = absl::Milliseconds(20);
  const absl::Status status = Take("a.db", options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_TRUE(WarnsOfSnapshot(status));
  application.Run("COMMIT");
  EXPECT_TRUE(Take("a.db").ok());
}

TEST_F(SqliteSnapshot, ReadOnlyDirectoryOfAnotherUserIsEnough) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  for (const char* mode : {"delete", "wal"}) {
    MakeDatabase(InVolume("a.db"), std::string("PRAGMA journal_mode=") + mode);
    ASSERT_EQ(chmod(volume_.c_str(), 0555), 0);
    const Tree before = SnapshotTree(volume_);
    {
      SqliteAsNobody nobody;
      const auto snapshot = Take("a.db");
      ASSERT_TRUE(snapshot.ok()) << mode << snapshot.status();
    }
    EXPECT_EQ(DiffTrees(before, SnapshotTree(volume_)), "");
    std::filesystem::remove(InVolume("a.db"));
  }
}

TEST_F(SqliteSnapshot, UnreadableShmIsAnErrorThatSaysSo) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  Connection application(InVolume("a.db"));
  application.Run("PRAGMA journal_mode=wal; CREATE TABLE t(a)");
  ASSERT_EQ(chmod(InVolume("a.db-shm").c_str(), 0600), 0);
  SqliteAsNobody nobody;
  const absl::Status status = Take("a.db").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << status;
}

TEST_F(SqliteSnapshot, StrangeNamesAreNoTrouble) {
  for (const std::string name : {"a?mode=rw&x=%20.db", "file:a.db", ":memory:.db", "sp ace\n.db"}) {
    MakeDatabase(InVolume("plain"), "PRAGMA journal_mode=wal");
    std::filesystem::rename(InVolume("plain"), InVolume(name));
    const auto snapshot = Take(name);
    ASSERT_TRUE(snapshot.ok()) << name << snapshot.status();
    EXPECT_EQ(SqliteValue(Restore(**snapshot), "SELECT a FROM t"), "kept");
  }
}

}  // namespace
}  // namespace volstream
