// SqliteConnection: a handle of SQLite that is closed at the end of its scope, and the patience
// with which it waits for locks.
//
// Threads: one. Results are SQLite's extended codes (sqlite.org/rescode.html).
#ifndef VOLSTREAM_STAGES_SQLITE_CONNECTION_H_
#define VOLSTREAM_STAGES_SQLITE_CONNECTION_H_

#include <sqlite3.h>

#include <atomic>
#include <string>

#include "absl/time/time.h"
#include "stages/sqlite_vfs.h"

namespace volstream {

// Bounds the waiting of one snapshot as a whole. Locks of other processes wake nobody, so this
// polls: after 1 ms, then doubled up to 32 ms.
class SqlitePatience {
 public:
  // `cancelled` may be null.
  SqlitePatience(absl::Duration total, const std::atomic<bool>* cancelled)
      : left_(total), cancelled_(cancelled) {}

  bool cancelled() const { return cancelled_ != nullptr && cancelled_->load(); }
  // Sleeps before try number `tries` + 1; false when there is no more time, or upon cancellation.
  bool Wait(int tries);

 private:
  absl::Duration left_;
  const std::atomic<bool>* const cancelled_;
};

class SqliteConnection {
 public:
  SqliteConnection() = default;
  ~SqliteConnection() { Close(); }
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  // Opens a name of `vfs`. Both pointers must outlive the connection; `patience` waits for it.
  int Open(const SqliteVfs& vfs, const char* name, int flags, SqlitePatience* patience);
  int Exec(const char* sql);
  void Close();

  sqlite3* get() const { return db_; }
  // What SQLite says about the last error.
  std::string ErrorText() const;

 private:
  sqlite3* db_ = nullptr;
};

// True for codes that may pass when others let go of their locks.
bool IsBusy(int code);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_SQLITE_CONNECTION_H_
