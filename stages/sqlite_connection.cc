#include "stages/sqlite_connection.h"

#include <algorithm>

#include "absl/time/clock.h"

namespace volstream {
namespace {

int WaitForLock(void* patience, int tries) {
  return static_cast<SqlitePatience*>(patience)->Wait(tries) ? 1 : 0;
}

}  // namespace

bool SqlitePatience::Wait(int tries) {
  if (cancelled() || left_ <= absl::ZeroDuration()) return false;
  const absl::Duration nap = std::min(absl::Milliseconds(1 << std::clamp(tries, 0, 5)), left_);
  absl::SleepFor(nap);
  left_ -= nap;
  return !cancelled();
}

int SqliteConnection::Open(const SqliteVfs& vfs, const char* name, int flags,
                           SqlitePatience* patience) {
  const int code = sqlite3_open_v2(name, &db_, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                                   vfs.vfs_name());
  if (code != SQLITE_OK) return code;
  return sqlite3_busy_handler(db_, WaitForLock, patience);
}

int SqliteConnection::Exec(const char* sql) {
  return sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
}

void SqliteConnection::Close() {
  sqlite3_close(db_);
  db_ = nullptr;
}

std::string SqliteConnection::ErrorText() const {
  return db_ == nullptr ? "out of memory" : sqlite3_errmsg(db_);
}

bool IsBusy(int code) {
  const int primary = code & 0xff;
  return primary == SQLITE_BUSY || primary == SQLITE_LOCKED || primary == SQLITE_PROTOCOL ||
         code == SQLITE_READONLY_RECOVERY || code == SQLITE_READONLY_CANTINIT;
}

}  // namespace volstream
