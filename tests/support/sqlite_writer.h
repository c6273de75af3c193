// SqliteWriter: another process that commits numbered rows to a SQLite database as fast as it can,
// as an application does during a backup. ReadCommits says which of its commits a copy holds.
//
// The tables: `commits` gets the row n with commit n; `ballast` has rows of 900 random bytes, and
// commit n writes n into the first, the last and some other row; `tally` says n. A copy in which
// these do not agree was torn.
// Threads: one. Lifetime: the destructor kills what still runs.
#ifndef VOLSTREAM_TESTS_SUPPORT_SQLITE_WRITER_H_
#define VOLSTREAM_TESTS_SUPPORT_SQLITE_WRITER_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace volstream {

struct SqliteWriterOptions {
  // delete, truncate, persist or wal: what PRAGMA journal_mode takes.
  std::string mode = "wal";
  // Of the ballast, about.
  uint64_t bytes = 1 << 20;
  uint32_t page_bytes = 4096;
  // After this many commits it begins one more, lets part of it reach the database file, and waits
  // to be killed: 0 for never.
  uint64_t unfinished_after = 0;
  // After this many commits it holds still, with the database open: 0 for never.
  uint64_t pause_after = 0;
  // Keeps an exclusive lock from its first commit on.
  bool exclusive = false;
};

class SqliteWriter {
 public:
  // Starts it on `path`, which it makes unless it is there; returns once the database is ready.
  explicit SqliteWriter(const std::string& path, const SqliteWriterOptions& options = {});
  ~SqliteWriter();
  SqliteWriter(const SqliteWriter&) = delete;
  SqliteWriter& operator=(const SqliteWriter&) = delete;

  // Commits that it knows to be done; one more may be under way.
  uint64_t confirmed() const;
  // Waits until `count` are confirmed; false if it ended before.
  bool AwaitConfirmed(uint64_t count);
  // Waits until it holds still as unfinished_after or pause_after say.
  bool AwaitStill();
  // Ends it after its commit; it closes the database as an application does. Returns what was
  // confirmed in the end.
  uint64_t Stop();
  // Ends it as a power failure would, from the application's point of view.
  void Kill();

 private:
  struct Shared;

  // Waits for the next sign of life; false if there will be none.
  bool AwaitSign();
  void Reap();

  Shared* shared_ = nullptr;
  pid_t pid_ = -1;
  int signs_fd_ = -1;
};

struct SqliteCommits {
  std::string integrity;   // "ok", or what PRAGMA integrity_check found, or why it could not look
  bool is_prefix = false;  // exactly the commits 1 to count
  uint64_t count = 0;
};

// Opens the database at `path` as an application would, so also with the -wal beside it, if any.
SqliteCommits ReadCommits(const std::string& path);

// The single value that `sql` gives there, as text; "error: ..." if it fails.
std::string SqliteValue(const std::string& path, const std::string& sql);

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_SQLITE_WRITER_H_
