// The process behind SqliteWriter.
// usage: volstream_sqlite_writer PATH MODE BYTES PAGE_BYTES UNFINISHED_AFTER PAUSE_AFTER EXCLUSIVE
#include <signal.h>
#include <sqlite3.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>

#include "tests/support/sqlite_writer_shared.h"

namespace volstream {
namespace {

constexpr int kBusyTimeoutMs = 60'000;
constexpr uint64_t kRowBytes = 1000;

SqliteWriterShared* shared = nullptr;

void Sign() {
  const char byte = 0;
  // A full pipe has signs enough in it.
  if (write(kWriterSignsFd, &byte, 1) < 0) return;
}

class Database {
 public:
  explicit Database(const char* path) {
    if (sqlite3_open(path, &db_) != SQLITE_OK) Fail("open");
    sqlite3_busy_timeout(db_, kBusyTimeoutMs);
  }
  ~Database() { sqlite3_close(db_); }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  void Run(const std::string& sql) {
    if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) Fail(sql);
  }
  uint64_t Value(const std::string& sql) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(db_, sql.c_str(), -1, &statement, nullptr) != SQLITE_OK) Fail(sql);
    if (sqlite3_step(statement) != SQLITE_ROW) Fail(sql);
    const uint64_t value = static_cast<uint64_t>(sqlite3_column_int64(statement, 0));
    sqlite3_finalize(statement);
    return value;
  }

 private:
  [[noreturn]] void Fail(const std::string& what) {
    fprintf(stderr, "sqlite_writer: %s: %s\n", what.c_str(), sqlite3_errmsg(db_));
    _exit(1);
  }
  sqlite3* db_ = nullptr;
};

void HoldStill() {
  shared->still = true;
  Sign();
  sigset_t wakes;
  sigemptyset(&wakes);
  sigaddset(&wakes, kWriterWakes);
  int signal_number = 0;
  while (!shared->stop) sigwait(&wakes, &signal_number);
}

void Write(const char* path, const std::string& mode, uint64_t bytes, const std::string& page_bytes,
           uint64_t unfinished_after, uint64_t pause_after, bool exclusive) {
  Database db(path);
  db.Run("PRAGMA page_size=" + page_bytes);
  if (exclusive) db.Run("PRAGMA locking_mode=EXCLUSIVE");
  db.Run("PRAGMA journal_mode=" + mode);
  // No fsync: what is tested here are locks, not power failures.
  db.Run("PRAGMA synchronous=OFF");
  const uint64_t rows = bytes / kRowBytes + 2;
  db.Run(
      "BEGIN IMMEDIATE;"
      "CREATE TABLE IF NOT EXISTS commits(n INTEGER PRIMARY KEY, note TEXT);"
      "CREATE TABLE IF NOT EXISTS tally(n INTEGER);"
      "CREATE TABLE IF NOT EXISTS ballast(id INTEGER PRIMARY KEY, n INTEGER, data BLOB)");
  if (db.Value("SELECT count(*) FROM ballast") == 0) {
    db.Run(
        "INSERT INTO tally VALUES(0);"
        "WITH RECURSIVE i(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM i WHERE x<" +
        std::to_string(rows) + ") INSERT INTO ballast SELECT x, 0, randomblob(900) FROM i");
  }
  db.Run("COMMIT");
  uint64_t n = db.Value("SELECT count(*) FROM commits");
  const uint64_t first = n;
  shared->confirmed = n;
  shared->ready = true;
  Sign();
  while (!shared->stop) {
    const std::string number = std::to_string(++n);
    db.Run("BEGIN IMMEDIATE; INSERT INTO commits VALUES(" + number + ", hex(randomblob(20)));" +
           "UPDATE ballast SET n=" + number + " WHERE id IN (1, " + std::to_string(rows) + ", " +
           std::to_string(n * 7919 % rows + 1) + "); UPDATE tally SET n=" + number + "; COMMIT");
    shared->confirmed = n;
    Sign();
    if (n - first == pause_after) HoldStill();
    if (n - first == unfinished_after) {
      // A cache of one page makes SQLite write to the file before the commit, after the journal.
      db.Run(
          "PRAGMA cache_size=1; PRAGMA cache_spill=1; BEGIN IMMEDIATE; UPDATE ballast SET n=-1,"
          "data=randomblob(900); UPDATE tally SET n=-1");
      HoldStill();
    }
  }
}

int Main(char** argv) {
  void* const mapping = mmap(nullptr, sizeof(SqliteWriterShared), PROT_READ | PROT_WRITE,
                             MAP_SHARED, kWriterSharedFd, 0);
  if (mapping == MAP_FAILED) return 1;
  shared = static_cast<SqliteWriterShared*>(mapping);
  sigset_t wakes;
  sigemptyset(&wakes);
  sigaddset(&wakes, kWriterWakes);
  sigprocmask(SIG_BLOCK, &wakes, nullptr);
  Write(argv[1], argv[2], std::strtoull(argv[3], nullptr, 10), argv[4],
        std::strtoull(argv[5], nullptr, 10), std::strtoull(argv[6], nullptr, 10),
        std::string(argv[7]) == "1");
  return 0;
}

}  // namespace
}  // namespace volstream

int main(int argc, char** argv) { return argc == 8 ? volstream::Main(argv) : 2; }
