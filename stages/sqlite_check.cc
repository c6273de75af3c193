#include "stages/sqlite_check.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <memory>

#include "absl/strings/str_cat.h"
#include "stages/beneath.h"
#include "stages/error_kind.h"
#include "stages/sqlite_snapshot.h"

namespace volstream {
namespace {

namespace fs = std::filesystem;

struct CloseDatabase {
  void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
};

bool IsDatabase(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  std::array<uint8_t, kSqliteMagicBytes> start = {};
  return fd.valid() &&
         pread(fd.get(), start.data(), start.size(), 0) == static_cast<ssize_t>(start.size()) &&
         IsSqliteHeader(start);
}

// Empty if the database passes; else what SQLite says first.
std::string IntegrityOf(const std::string& path, const std::atomic<bool>* cancelled) {
  sqlite3* raw = nullptr;
  const int opened =
      sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, nullptr);
  const std::unique_ptr<sqlite3, CloseDatabase> db(raw);
  if (opened != SQLITE_OK) return raw == nullptr ? "no memory" : sqlite3_errmsg(raw);
  if (cancelled != nullptr) {
    sqlite3_progress_handler(
        raw, 10'000,
        [](void* flag) { return static_cast<const std::atomic<bool>*>(flag)->load() ? 1 : 0; },
        const_cast<std::atomic<bool>*>(cancelled));
  }
  std::string said;
  const int result = sqlite3_exec(
      raw, "PRAGMA integrity_check(1)",
      [](void* out, int, char** values, char**) {
        *static_cast<std::string*>(out) = values[0] == nullptr ? "" : values[0];
        return 0;
      },
      &said, nullptr);
  if (result != SQLITE_OK) return sqlite3_errmsg(raw);
  return said == "ok" ? "" : said;
}

}  // namespace

absl::StatusOr<uint64_t> CheckSqliteDatabases(
    const std::string& directory, const std::atomic<bool>* cancelled,
    const std::function<void(std::string_view path, std::string_view what)>& on_failure) {
  uint64_t count = 0;
  std::error_code error;
  fs::recursive_directory_iterator entry(directory, error);
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    if (cancelled != nullptr && cancelled->load()) return InterruptedError();
    std::error_code ignored;
    const std::string path = entry->path().string();
    if (entry->symlink_status(ignored).type() != fs::file_type::regular || !IsDatabase(path)) {
      continue;
    }
    ++count;
    const std::string what = IntegrityOf(path, cancelled);
    if (cancelled != nullptr && cancelled->load()) return InterruptedError();
    if (!what.empty()) on_failure(std::string_view(path).substr(directory.size() + 1), what);
  }
  if (error) {
    return absl::UnknownError(absl::StrCat("cannot read ", directory, ": ", error.message()));
  }
  return count;
}

}  // namespace volstream
