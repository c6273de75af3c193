// Checks the SQLite databases of a restored tree by SQLite itself.
#ifndef VOLSTREAM_STAGES_SQLITE_CHECK_H_
#define VOLSTREAM_STAGES_SQLITE_CHECK_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace volstream {

// Runs `PRAGMA integrity_check` on each regular file below `root_fd` that begins as databases do,
// with the journal or WAL that lies beside it; that one may be played back, so the tree must be the
// caller's own and closed to others (stages/private_tree.h). No symlink is followed, and no file is
// opened, asked for or removed but the database's own: one whose journal belongs to a commit over
// several databases fails, since it names the file that would tell whether the commit took place.
// `on_failure` hears of each that does not pass, by its path below the directory, and what SQLite
// says. Returns how many were checked.
// Errors: the directory cannot be read; kCancelled once `*cancelled` (may be null) is true.
absl::StatusOr<uint64_t> CheckSqliteDatabases(
    int root_fd, const std::atomic<bool>* cancelled,
    const std::function<void(std::string_view path, std::string_view what)>& on_failure);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_SQLITE_CHECK_H_
