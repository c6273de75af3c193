// SqliteVfs: the files that SQLite may see while one snapshot is taken, and no others: the database
// on the volume and its -wal and -journal, read-only, and the copy in the spool. Every other name
// is refused, so that SQLite cannot leave the directory or make a file anywhere.
//
// Names: kDatabase is opened with SQLITE_OPEN_READONLY, kCopy with READWRITE | CREATE, both with
// vfs_name(). They are names in this VFS alone, which is why no path can be exchanged under it.
//
// Threads: one. Lifetime: its connections must be closed before it goes.
// Sources: sqlite.org/c3ref/vfs.html, vfs.html.
#ifndef VOLSTREAM_STAGES_SQLITE_VFS_H_
#define VOLSTREAM_STAGES_SQLITE_VFS_H_

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "stages/spool.h"
#include "stages/sqlite_vfs_file.h"

namespace volstream {

class SqliteDatabaseFile;

class SqliteVfs {
 public:
  static constexpr char kDatabase[] = "database";
  static constexpr char kCopy[] = "copy";

  // `database_fd` is the file `name` in `dir_fd`, opened read-only. All outlive it.
  SqliteVfs(int dir_fd, std::string name, int database_fd, SpoolFile* copy);
  ~SqliteVfs();
  SqliteVfs(const SqliteVfs&) = delete;
  SqliteVfs& operator=(const SqliteVfs&) = delete;

  const char* vfs_name() const { return vfs_name_.c_str(); }

  // Shows the volume's NAME-journal as the copy's, for SQLite to roll it back into the copy. What
  // SQLite then does to the journal, it does not do to the volume's.
  void LendJournalToCopy() { journal_lent_ = true; }

  // True while the database's connection has its -wal open.
  bool uses_wal() const { return wal_files_ > 0; }
  // True if nobody had the database open in WAL mode when it was read, but somebody may have
  // opened it meanwhile.
  bool WasDisturbed() const;
  // True if SQLite asked for a name that it may not see: a commit over several databases.
  bool asked_elsewhere() const { return asked_elsewhere_; }
  // The first failure of the spool, which SQLite reports as a mere I/O error.
  const absl::Status& spool_error() const { return spool_error_; }

 private:
  friend struct SqliteVfsCalls;

  // Opens one of the names; null and an SQLite code when it may not.
  std::unique_ptr<SqliteVfsFile> Open(const std::string& name, int flags, int* out_flags,
                                      int* code);
  int Access(const std::string& name, bool* exists);
  int Delete(const std::string& name);
  // Whether the volume has NAME and `suffix` with something in it.
  int ExistsOnVolume(const char* suffix, bool* exists) const;
  std::string OnVolume(const char* suffix) const { return name_ + suffix; }
  void Closed(SqliteVfsFile* file, bool is_wal);

  const int dir_fd_;
  const std::string name_;
  const int database_fd_;
  SpoolFile* const copy_;
  std::string vfs_name_;
  sqlite3_vfs vfs_ = {};
  SqliteDatabaseFile* database_ = nullptr;  // owned by SQLite's handle
  bool read_without_shm_ = false;
  bool journal_lent_ = false;
  bool asked_elsewhere_ = false;
  int wal_files_ = 0;
  absl::Status spool_error_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_SQLITE_VFS_H_
