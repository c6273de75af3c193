#include "stages/sqlite_snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/error_kind.h"
#include "stages/sqlite_connection.h"
#include "stages/sqlite_database_file.h"
#include "stages/sqlite_vfs.h"

namespace volstream {
namespace {

// fileformat2.html section 1.3: magic, then the page size, big-endian, where 1 stands for 65536.
constexpr size_t kHeaderBytes = 18;
// Attempts when somebody opens a database that nobody had open; one should do.
constexpr int kAttempts = 4;

// Takes a read lock, if there is none yet, without looking at the schema.
constexpr char kReadTransaction[] = "BEGIN; PRAGMA schema_version";

// Whatever is wrong with the spool, the database is not, and is to be copied without it.
absl::Status SpoolError(const absl::Status& status) {
  return absl::ResourceExhaustedError(status.message());
}

class BackupHandle {
 public:
  BackupHandle(sqlite3* to, sqlite3* from) : to_(to) {
    backup_ = sqlite3_backup_init(to, "main", from, "main");
  }
  ~BackupHandle() { Finish(); }
  BackupHandle(const BackupHandle&) = delete;
  BackupHandle& operator=(const BackupHandle&) = delete;

  int Step(int pages) {
    return backup_ == nullptr ? sqlite3_extended_errcode(to_) : sqlite3_backup_step(backup_, pages);
  }
  int pages_done() const {
    return sqlite3_backup_pagecount(backup_) - sqlite3_backup_remaining(backup_);
  }
  int Finish() { return sqlite3_backup_finish(std::exchange(backup_, nullptr)); }

 private:
  sqlite3* const to_;
  sqlite3_backup* backup_ = nullptr;
};

// One database, one call.
class Snapshot {
 public:
  Snapshot(int dir_fd, const std::string& name, dev_t device, ino_t inode,
           const std::atomic<bool>* cancelled, const SnapshotOptions& options)
      : dir_fd_(dir_fd),
        name_(name),
        device_(device),
        inode_(inode),
        options_(options),
        patience_(options.patience, cancelled) {}

  absl::StatusOr<std::unique_ptr<SpoolFile>> Take(Spool* spool);

 private:
  absl::Status OpenDatabase();
  // OK if the name still leads to the file.
  absl::Status CheckInPlace() const;
  absl::Status CheckCancelled() const;

  // OK with `*again` set: the copy is not sound, try anew.
  absl::Status Attempt(SpoolFile* copy, bool* again);
  // Of an open source connection with or without a read transaction.
  absl::Status CopyPages(const SqliteVfs& vfs, SqliteConnection* from, SpoolFile* copy,
                         bool* locked);
  // Copies the file as it is while its hot journal cannot be touched, and rolls the copy back.
  absl::Status CopyAndRollBack(SqliteVfs* vfs, SpoolFile* copy, bool* again);
  // Runs `sql` until it no longer meets others' locks, or patience ends.
  int ExecPatiently(SqliteConnection* connection, const char* sql);
  absl::Status ErrorOf(int code, const SqliteVfs& vfs, const SqliteConnection& connection) const;

  const int dir_fd_;
  const std::string& name_;
  const dev_t device_;
  const ino_t inode_;
  const SnapshotOptions& options_;
  SqlitePatience patience_;
  UniqueFd fd_;
  uint64_t bytes_ = 0;
  int step_pages_ = 1;
  bool left_hot_ = false;  // by a writer that was killed between two steps
};

absl::Status Snapshot::CheckCancelled() const {
  if (!patience_.cancelled()) return absl::OkStatus();
  return InterruptedError();
}

absl::Status Snapshot::OpenDatabase() {
  fd_ = SqliteVolumeFile::OpenRegular(dir_fd_, name_);
  if (!fd_.valid()) {
    if (errno == ELOOP) return absl::AbortedError("is no longer a file");
    return absl::ErrnoToStatus(errno, "cannot open the database");
  }
  struct stat info {};
  if (fstat(fd_.get(), &info) != 0) return absl::ErrnoToStatus(errno, "stat");
  if (info.st_dev != device_ || info.st_ino != inode_) {
    return absl::AbortedError("was replaced by another file");
  }
  bytes_ = static_cast<uint64_t>(info.st_size);
  uint8_t header[kHeaderBytes];
  if (ReadAllAt(fd_.get(), 0, header) != SQLITE_OK || !IsSqliteHeader(header)) {
    return absl::InvalidArgumentError("is not a SQLite database");
  }
  // Its users may know it by another name, and so keep its -wal where we do not look.
  if (info.st_nlink > 1) {
    return absl::FailedPreconditionError(
        "database has several names (hard links), whose -wal and -journal cannot be told apart: "
        "keep one of them");
  }
  const int stored = header[16] << 8 | header[17];
  const uint64_t page_bytes = stored == 1 ? 65536 : std::max(stored, 512);
  step_pages_ =
      static_cast<int>(std::clamp<uint64_t>(options_.step_bytes / page_bytes, 1, 1 << 20));
  return absl::OkStatus();
}

absl::Status Snapshot::CheckInPlace() const {
  struct stat info {};
  if (fstatat(dir_fd_, name_.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    return absl::ErrnoToStatus(errno, "database went away while it was copied");
  }
  if (info.st_dev != device_ || info.st_ino != inode_) {
    return absl::AbortedError("was replaced by another file while it was copied");
  }
  return absl::OkStatus();
}

absl::Status Snapshot::ErrorOf(int code, const SqliteVfs& vfs,
                               const SqliteConnection& connection) const {
  VS_RETURN_IF_ERROR(CheckCancelled());
  if (!vfs.spool_error().ok()) return SpoolError(vfs.spool_error());
  if (vfs.asked_elsewhere()) {
    return absl::FailedPreconditionError(
        "database was left in the middle of a commit over several databases: open it once with its "
        "application");
  }
  const std::string text = absl::StrCat(connection.ErrorText(), ", code ", code);
  if (IsBusy(code)) {
    return absl::UnavailableError(absl::StrCat("database stayed locked for ",
                                               absl::FormatDuration(options_.patience), " (", text,
                                               "): back up when it is less busy"));
  }
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(absl::StrCat("database is damaged or encrypted (", text,
                                              "): check it with PRAGMA integrity_check"));
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
      return absl::PermissionDeniedError(
          absl::StrCat("database's -wal, -shm or -journal cannot be opened (", text,
                       "): run as a user who may"));
    case SQLITE_IOERR:
      if (code == SQLITE_IOERR_RDLOCK || code == SQLITE_IOERR_SHMLOCK ||
          code == SQLITE_IOERR_CHECKRESERVEDLOCK) {
        return absl::UnavailableError(absl::StrCat(
            "database cannot be locked on this file system (", text, "): stop its application"));
      }
      break;
    default:
      break;
  }
  return absl::InternalError(absl::StrCat("SQLite cannot copy the database (", text, ")"));
}

int Snapshot::ExecPatiently(SqliteConnection* connection, const char* sql) {
  int code = connection->Exec(sql);
  for (int tries = 0; IsBusy(code) && patience_.Wait(tries); ++tries) {
    if (sqlite3_get_autocommit(connection->get()) == 0) connection->Exec("ROLLBACK");
    code = connection->Exec(sql);
  }
  return code;
}

absl::StatusOr<std::unique_ptr<SpoolFile>> Snapshot::Take(Spool* spool) {
  VS_RETURN_IF_ERROR(CheckCancelled());
  VS_RETURN_IF_ERROR(OpenDatabase());
  if (const uint64_t left = spool->bytes_left(); bytes_ > left) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "database of ", bytes_, " bytes is larger than what is left of the spool (", left,
        " bytes): raise its bound with --spool-memory, or --spool-dir and --spool-size"));
  }
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    std::unique_ptr<SpoolFile> copy = spool->NewFile();
    bool again = false;
    absl::Status status = Attempt(copy.get(), &again);
    if (!again) VS_RETURN_IF_ERROR(status);
    VS_RETURN_IF_ERROR(CheckInPlace());
    if (!again) return copy;
  }
  return absl::UnavailableError(
      "database was opened anew each time that it was copied: back up when it is less busy");
}

absl::Status Snapshot::Attempt(SpoolFile* copy, bool* again) {
  left_hot_ = false;
  SqliteVfs vfs(dir_fd_, name_, fd_.get(), copy);
  SqliteConnection from;
  int code = from.Open(vfs, SqliteVfs::kDatabase, SQLITE_OPEN_READONLY, &patience_);
  if (code == SQLITE_OK) code = ExecPatiently(&from, kReadTransaction);
  absl::Status status;
  if (code == SQLITE_READONLY_ROLLBACK) {
    from.Close();
    return CopyAndRollBack(&vfs, copy, again);
  }
  if (code == SQLITE_OK) {
    bool locked = true;
    // A reader in WAL mode is in nobody's way.
    if (!vfs.uses_wal() && bytes_ > options_.single_lock_bytes) {
      code = from.Exec("COMMIT");
      locked = false;
    }
    status = code == SQLITE_OK ? CopyPages(vfs, &from, copy, &locked) : absl::OkStatus();
  }
  if (code != SQLITE_OK) status = ErrorOf(code, vfs, from);
  *again = (vfs.WasDisturbed() || left_hot_) && !patience_.cancelled();
  return status;
}

absl::Status Snapshot::CopyPages(const SqliteVfs& vfs, SqliteConnection* from, SpoolFile* copy,
                                 bool* locked) {
  SqliteConnection to;
  int code = to.Open(vfs, SqliteVfs::kCopy, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &patience_);
  if (code == SQLITE_OK) code = to.Exec("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF");
  if (code != SQLITE_OK) return ErrorOf(code, vfs, to);
  BackupHandle backup(to.get(), from->get());
  int done = 0;
  int tries = 0;
  int restarts = 0;
  while ((code = backup.Step(step_pages_)) != SQLITE_DONE) {
    VS_RETURN_IF_ERROR(CheckCancelled());
    if (IsBusy(code) && patience_.Wait(tries++)) continue;
    left_hot_ = code == SQLITE_READONLY_ROLLBACK;
    if (code != SQLITE_OK) return ErrorOf(code, vfs, code == SQLITE_NOMEM ? to : *from);
    tries = 0;
    if (options_.after_step) options_.after_step(*locked);
    if (backup.pages_done() <= done) ++restarts;
    done = backup.pages_done();
    if (!*locked && restarts > options_.restarts) {
      code = ExecPatiently(from, kReadTransaction);
      left_hot_ = code == SQLITE_READONLY_ROLLBACK;
      if (code != SQLITE_OK) return ErrorOf(code, vfs, *from);
      *locked = true;
    }
  }
  code = backup.Finish();
  if (code != SQLITE_OK) return ErrorOf(code, vfs, to);
  if (copy->bytes() == 0) return absl::InternalError("SQLite copied nothing");
  return absl::OkStatus();
}

absl::Status Snapshot::CopyAndRollBack(SqliteVfs* vfs, SpoolFile* copy, bool* again) {
  // Under a shared lock nobody can roll back or write: both take an exclusive one.
  SqliteDatabaseFile database(fd_.get(), dir_fd_, name_ + "-shm");
  int code = database.Lock(SQLITE_LOCK_SHARED);
  for (int tries = 0; code == SQLITE_BUSY && patience_.Wait(tries); ++tries) {
    code = database.Lock(SQLITE_LOCK_SHARED);
  }
  SqliteConnection to;
  if (code != SQLITE_OK) return ErrorOf(code, *vfs, to);
  // Someone may have rolled it back before we had the lock, and may be writing again.
  bool reserved = false;
  code = database.CheckReservedLock(&reserved);
  if (code != SQLITE_OK) return ErrorOf(code, *vfs, to);
  SqliteVolumeFile journal(dir_fd_, name_ + "-journal");
  uint8_t first = 0;
  code = journal.Read(0, MutableByteSpan(&first, 1));
  if (code != SQLITE_OK && code != SQLITE_IOERR_SHORT_READ) return ErrorOf(code, *vfs, to);
  if (reserved || first == 0) {
    *again = true;
    return absl::OkStatus();
  }
  uint64_t bytes = 0;
  code = database.FileSize(&bytes);
  if (code != SQLITE_OK) return ErrorOf(code, *vfs, to);
  std::vector<uint8_t> buffer(kSpoolChunkBytes);
  for (uint64_t offset = 0; offset < bytes;) {
    VS_RETURN_IF_ERROR(CheckCancelled());
    const MutableByteSpan part(buffer.data(), std::min<uint64_t>(buffer.size(), bytes - offset));
    code = database.Read(offset, part);
    if (code != SQLITE_OK) return ErrorOf(code, *vfs, to);
    if (absl::Status status = copy->Write(offset, part); !status.ok()) return SpoolError(status);
    offset += part.size();
  }
  vfs->LendJournalToCopy();
  code = to.Open(*vfs, SqliteVfs::kCopy, SQLITE_OPEN_READWRITE, &patience_);
  if (code == SQLITE_OK) code = to.Exec("PRAGMA schema_version");
  if (code != SQLITE_OK) return ErrorOf(code, *vfs, to);
  to.Close();
  return absl::OkStatus();
}

}  // namespace

bool LooksLikeSqliteName(std::string_view name) {
  constexpr absl::string_view kEndings[] = {".db",       ".db3",  ".sqlite", ".sqlite3",
                                            ".sqlitedb", ".s3db", ".sl3"};
  return std::any_of(std::begin(kEndings), std::end(kEndings), [&](absl::string_view ending) {
    return absl::EndsWithIgnoreCase(absl::string_view(name.data(), name.size()), ending);
  });
}

std::string_view SqliteOwnerOf(std::string_view name) {
  for (const std::string_view suffix : {"-wal", "-shm", "-journal"}) {
    if (name.size() > suffix.size() && name.substr(name.size() - suffix.size()) == suffix) {
      return name.substr(0, name.size() - suffix.size());
    }
  }
  return {};
}

std::array<std::string, 3> SqliteSiblingsOf(std::string_view name) {
  const std::string base(name);
  return {base + "-journal", base + "-shm", base + "-wal"};
}

absl::StatusOr<std::unique_ptr<SpoolFile>> TakeSnapshot(int dir_fd, const std::string& name,
                                                        dev_t device, ino_t inode, Spool* spool,
                                                        const std::atomic<bool>* cancelled,
                                                        const SnapshotOptions& options) {
  return Snapshot(dir_fd, name, device, inode, cancelled, options).Take(spool);
}

bool WarnsOfSnapshot(const absl::Status& status) {
  return !status.ok() && status.code() != absl::StatusCode::kInvalidArgument &&
         status.code() != absl::StatusCode::kNotFound &&
         status.code() != absl::StatusCode::kAborted;
}

}  // namespace volstream
