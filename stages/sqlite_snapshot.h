// Takes one consistent copy of a SQLite database while the application that owns it goes on
// writing, by SQLite's online backup API. docs/sqlite.md says what it does for every kind of
// database, what an application may notice, and what the fallback risks.
//
// Nothing on the volume is created, written, renamed or removed: the database, its -wal, -shm and
// -journal are opened read-only, below the given directory, without following a symlink
// (stages/sqlite_vfs.h). Only locks are taken, the ones of any SQLite reader.
//
// Locks are open file description locks, which belong to the descriptor and not to the process:
// other threads may open, read and close the same files meanwhile. But a process that itself holds
// a database open by SQLite must not back up that volume: SQLite's own locks are lost when anyone
// in the process closes any descriptor of the file (sqlite.org/howtocorrupt.html, 2.2), and the
// plain reading of a file does that.
//
// Sources: sqlite.org/backup.html, c3ref/backup_finish.html, lockingv3.html, walformat.html,
// wal.html#readonly, fileformat2.html, howtocorrupt.html.
// Threads: all functions are safe for concurrent calls. Memory: the spool, and 4 MiB a call.
#ifndef VOLSTREAM_STAGES_SQLITE_SNAPSHOT_H_
#define VOLSTREAM_STAGES_SQLITE_SNAPSHOT_H_

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/bytes.h"
#include "stages/spool.h"
#include "stages/sqlite_header.h"

namespace volstream {

// True for names that databases usually have: .db .db3 .sqlite .sqlite3 .sqlitedb .s3db .sl3,
// whatever the case. Cheap: to be asked for every file.
bool LooksLikeSqliteName(std::string_view name);

// The database that `name` belongs to as its NAME-wal, NAME-shm or NAME-journal; empty if it has
// no such name. A file that owns one of these is a candidate whatever its own name is.
std::string_view SqliteOwnerOf(std::string_view name);

// NAME-journal, NAME-shm and NAME-wal, sorted. Beside a snapshot of NAME they must not go into the
// archive: SQLite would apply them to a database that they do not belong to.
std::array<std::string, 3> SqliteSiblingsOf(std::string_view name);

struct SnapshotOptions {
  // How long locks of others are waited for, in all.
  absl::Duration patience = absl::Seconds(10);
  // Copied between two looks at `cancelled`, and, in rollback mode, under one lock.
  uint64_t step_bytes = 1 * kMiB;
  // In rollback mode a database of up to this size is copied under one lock, as are larger ones
  // that writers made the API begin anew more than `restarts` times.
  uint64_t single_lock_bytes = 8 * kMiB;
  int restarts = 2;
  // For tests: called after each step, with or without the lock.
  std::function<void(bool locked)> after_step;
};

// A copy of the database `name` in the directory `dir_fd`, as it was after some commit made before
// the call or during it. The file must be the one with this device and inode. Its header, page
// size, auto_vacuum, user_version and application_id are kept; only the schema cookie and the
// change counter may differ. Rolls back, in the copy alone, what a killed writer left in a hot
// journal.
//
// `cancelled` may be null. The Spool must outlive the result.
//
// Errors, in all of which the volume is untouched and the spool given back; the caller then copies
// NAME, -wal, -shm and -journal plainly (see WarnsOfSnapshot):
//   kInvalidArgument     no SQLite header, so an ordinary file; also an empty one
//   kNotFound            gone
//   kAborted             a symlink or another file is in its place, or took it meanwhile
//   kResourceExhausted   larger than what is left of the spool, or its directory failed
//   kUnavailable         locked by others for all of `patience`, or no locks on this file system
//   kFailedPrecondition  has several names (hard links), or part of a commit over several databases
//   kDataLoss            has the header, but is damaged or encrypted
//   kPermissionDenied    the database, its -wal or its -shm is not readable
//   kInternal            anything else that SQLite says
// and kCancelled of ErrorKind::kInterrupted, upon which the backup ends.
absl::StatusOr<std::unique_ptr<SpoolFile>> TakeSnapshot(int dir_fd, const std::string& name,
                                                        dev_t device, ino_t inode, Spool* spool,
                                                        const std::atomic<bool>* cancelled,
                                                        const SnapshotOptions& options = {});

// Whether the plain copy that follows this error of TakeSnapshot deserves a warning: true unless
// there was no database, or the plain copy will find by itself that the file is gone or replaced.
bool WarnsOfSnapshot(const absl::Status& status);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_SQLITE_SNAPSHOT_H_
