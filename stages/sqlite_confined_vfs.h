// ConfinedSqliteVfs: the system's files as SQLite may see them while it opens one database of
// unknown origin: that database, its -journal and its -wal, as regular files, and no others.
//
// A journal may name a super-journal anywhere, which SQLite looks at, reads and deletes; this is
// where that ends: such a name is refused without a look at the file system, and noted. The -shm is
// out of reach too: open with PRAGMA locking_mode=EXCLUSIVE, which keeps it in memory.
//
// Threads: one. Lifetime: its connections must be closed before it goes.
// Sources: sqlite.org/c3ref/vfs.html, fileformat2.html#the_rollback_journal, walformat.html.
#ifndef VOLSTREAM_STAGES_SQLITE_CONFINED_VFS_H_
#define VOLSTREAM_STAGES_SQLITE_CONFINED_VFS_H_

#include <sqlite3.h>

#include <string>
#include <string_view>

namespace volstream {

class ConfinedSqliteVfs {
 public:
  // The database `name` in `directory_fd`, which must stay open and into which nobody else may
  // write. Needs /proc.
  ConfinedSqliteVfs(int directory_fd, std::string_view name);
  ~ConfinedSqliteVfs();
  ConfinedSqliteVfs(const ConfinedSqliteVfs&) = delete;
  ConfinedSqliteVfs& operator=(const ConfinedSqliteVfs&) = delete;

  // For sqlite3_open_v2: the file, and the VFS.
  const char* path() const { return path_.c_str(); }
  const char* vfs_name() const { return vfs_name_.c_str(); }

  // True if SQLite asked for another file, as for a super-journal, or for one of these that is no
  // regular file. Then what it says of the database is worth nothing.
  bool refused() const { return refused_; }

 private:
  friend struct ConfinedSqliteVfsCalls;

  // Whether it is one of the files above, and nothing but a regular file lies there.
  bool Allows(const char* name);

  const std::string path_;
  std::string vfs_name_;
  sqlite3_vfs vfs_ = {};
  bool refused_ = false;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_SQLITE_CONFINED_VFS_H_
