#include "stages/sqlite_confined_vfs.h"

#include <string.h>
#include <sys/stat.h>

#include <atomic>

#include "absl/strings/str_cat.h"
#include "stages/absl_text.h"
#include "stages/sqlite_system.h"

namespace volstream {
// The C functions that SQLite calls. No exception leaves them.
struct ConfinedSqliteVfsCalls {
  static ConfinedSqliteVfs* VfsOf(sqlite3_vfs* vfs) {
    return static_cast<ConfinedSqliteVfs*>(vfs->pAppData);
  }

  static int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags,
                  int* out_flags) {
    file->pMethods = nullptr;
    // Without a name: a temporary file, for which the system finds one that is not taken.
    if (name != nullptr && !VfsOf(vfs)->Allows(name)) return SQLITE_CANTOPEN;
    return SystemSqliteVfs()->xOpen(SystemSqliteVfs(), name, file, flags, out_flags);
  }
  static int Delete(sqlite3_vfs* vfs, const char* name, int sync_directory) {
    if (!VfsOf(vfs)->Allows(name) || strcmp(name, VfsOf(vfs)->path()) == 0) {
      return SQLITE_IOERR_DELETE;
    }
    return SystemSqliteVfs()->xDelete(SystemSqliteVfs(), name, sync_directory);
  }
  static int Access(sqlite3_vfs* vfs, const char* name, int flags, int* out) {
    *out = 0;
    if (!VfsOf(vfs)->Allows(name)) return SQLITE_IOERR_ACCESS;
    return SystemSqliteVfs()->xAccess(SystemSqliteVfs(), name, flags, out);
  }
  // The system's would follow the symlink of /proc.
  static int FullPathname(sqlite3_vfs* vfs, const char* name, int bytes, char* out) {
    const size_t needed = strlen(name) + 1;
    if (strcmp(name, VfsOf(vfs)->path()) != 0 || needed > static_cast<size_t>(bytes)) {
      return SQLITE_CANTOPEN;
    }
    memcpy(out, name, needed);
    return SQLITE_OK;
  }

  static int GetLastError(sqlite3_vfs*, int bytes, char* out) {
    return SystemSqliteVfs()->xGetLastError(SystemSqliteVfs(), bytes, out);
  }
};

ConfinedSqliteVfs::ConfinedSqliteVfs(int directory_fd, std::string_view name)
    : path_(absl::StrCat("/proc/self/fd/", directory_fd, "/", ToAbsl(name))) {
  static std::atomic<uint64_t> next_number = 0;
  sqlite3_initialize();
  vfs_name_ = absl::StrCat("volstream-confined-", next_number.fetch_add(1));
  SetSystemCalls(&vfs_);
  vfs_.szOsFile = SystemSqliteVfs()->szOsFile;
  vfs_.mxPathname = SystemSqliteVfs()->mxPathname;
  vfs_.zName = vfs_name_.c_str();
  vfs_.pAppData = this;
  vfs_.xOpen = ConfinedSqliteVfsCalls::Open;
  vfs_.xDelete = ConfinedSqliteVfsCalls::Delete;
  vfs_.xAccess = ConfinedSqliteVfsCalls::Access;
  vfs_.xFullPathname = ConfinedSqliteVfsCalls::FullPathname;
  vfs_.xGetLastError = ConfinedSqliteVfsCalls::GetLastError;
  // Fails only when SQLite cannot start at all; opening a connection then says so.
  sqlite3_vfs_register(&vfs_, /*makeDflt=*/0);
}

ConfinedSqliteVfs::~ConfinedSqliteVfs() { sqlite3_vfs_unregister(&vfs_); }

bool ConfinedSqliteVfs::Allows(const char* name) {
  std::string_view suffix = name;
  bool allowed = suffix.starts_with(path_);
  if (allowed) {
    suffix.remove_prefix(path_.size());
    allowed = suffix.empty() || suffix == "-journal" || suffix == "-wal";
  }
  struct stat info {};
  if (allowed && lstat(name, &info) == 0) allowed = S_ISREG(info.st_mode);
  refused_ = refused_ || !allowed;
  return allowed;
}

}  // namespace volstream
