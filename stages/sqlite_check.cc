#include "stages/sqlite_check.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <array>
#include <memory>

#include "engine/status_macros.h"
#include "stages/beneath.h"
#include "stages/error_kind.h"
#include "stages/private_tree.h"
#include "stages/sqlite_confined_vfs.h"
#include "stages/sqlite_snapshot.h"

namespace volstream {
namespace {

constexpr char kElsewhere[] =
    "its journal names a file elsewhere, as one of a commit over several databases does, or is no "
    "regular file, and is not played back";

struct CloseDatabase {
  void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
};

bool IsDatabase(int directory_fd, const std::string& name) {
  const UniqueFd fd(
      openat(directory_fd, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  std::array<uint8_t, kSqliteMagicBytes> start = {};
  return fd.valid() &&
         pread(fd.get(), start.data(), start.size(), 0) == static_cast<ssize_t>(start.size()) &&
         IsSqliteHeader(start);
}

// The schema is the archive's: nothing in it may do more than be read.
int Distrust(sqlite3* db) {
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, nullptr);
  sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
  // EXCLUSIVE comes before the first read, so that a WAL's index is kept in memory; nothing here
  // has to survive the process.
  return sqlite3_exec(db,
                      "PRAGMA temp_store=MEMORY; PRAGMA locking_mode=EXCLUSIVE; "
                      "PRAGMA synchronous=OFF; PRAGMA cell_size_check=ON",
                      nullptr, nullptr, nullptr);
}

// Empty if the database passes; else what SQLite says first.
std::string SaidOf(const ConfinedSqliteVfs& vfs, const std::atomic<bool>* cancelled) {
  sqlite3* raw = nullptr;
  const int opened = sqlite3_open_v2(vfs.path(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW,
                                     vfs.vfs_name());
  const std::unique_ptr<sqlite3, CloseDatabase> db(raw);
  if (opened != SQLITE_OK) return raw == nullptr ? "no memory" : sqlite3_errmsg(raw);
  if (cancelled != nullptr) {
    sqlite3_progress_handler(
        raw, 10'000,
        [](void* flag) { return static_cast<const std::atomic<bool>*>(flag)->load() ? 1 : 0; },
        const_cast<std::atomic<bool>*>(cancelled));
  }
  std::string said;
  if (Distrust(raw) != SQLITE_OK || sqlite3_exec(
                                        raw, "PRAGMA integrity_check(1)",
                                        [](void* out, int, char** values, char**) {
                                          *static_cast<std::string*>(out) =
                                              values[0] == nullptr ? "" : values[0];
                                          return 0;
                                        },
                                        &said, nullptr) != SQLITE_OK) {
    return sqlite3_errmsg(raw);
  }
  return said == "ok" ? "" : said;
}

std::string IntegrityOf(int directory_fd, const std::string& name,
                        const std::atomic<bool>* cancelled) {
  const ConfinedSqliteVfs vfs(directory_fd, name);
  const std::string said = SaidOf(vfs, cancelled);
  return vfs.refused() ? kElsewhere : said;
}

}  // namespace

absl::StatusOr<uint64_t> CheckSqliteDatabases(
    int root_fd, const std::atomic<bool>* cancelled,
    const std::function<void(std::string_view path, std::string_view what)>& on_failure) {
  uint64_t count = 0;
  const auto on_entry = [&](int directory_fd, const std::string& name, const std::string& path,
                            const struct stat& info) -> absl::Status {
    if (cancelled != nullptr && cancelled->load()) return InterruptedError();
    if (!S_ISREG(info.st_mode) || !IsDatabase(directory_fd, name)) return absl::OkStatus();
    ++count;
    const std::string what = IntegrityOf(directory_fd, name, cancelled);
    if (cancelled != nullptr && cancelled->load()) return InterruptedError();
    if (!what.empty()) on_failure(path, what);
    return absl::OkStatus();
  };
  VS_RETURN_IF_ERROR(WalkPrivateTree(root_fd, {.on_entry = on_entry, .on_left = nullptr}));
  return count;
}

}  // namespace volstream
