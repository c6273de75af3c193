#include "stages/sqlite_vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <atomic>
#include <new>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/check.h"
#include "stages/sqlite_database_file.h"
#include "stages/sqlite_system.h"

namespace volstream {
namespace {

constexpr int kSectorBytes = 4096;
constexpr int kLongestName = 256;  // "database-journal" and the like

// A sqlite3_file as SQLite allocates it, with what it stands for.
struct Handle {
  sqlite3_file base;
  SqliteVfsFile* file;
  SqliteVfs* vfs;
  bool is_wal;
};

SqliteVfsFile* FileOf(sqlite3_file* file) { return reinterpret_cast<Handle*>(file)->file; }

std::string_view Suffix(std::string_view name, std::string_view base) {
  return name.substr(0, base.size()) == base ? name.substr(base.size()) : std::string_view("?");
}

}  // namespace

// The C functions that SQLite calls. No exception leaves them.
struct SqliteVfsCalls {
  static SqliteVfs* VfsOf(sqlite3_vfs* vfs) { return static_cast<SqliteVfs*>(vfs->pAppData); }

  static int Close(sqlite3_file* file) {
    Handle* const handle = reinterpret_cast<Handle*>(file);
    handle->vfs->Closed(handle->file, handle->is_wal);
    delete handle->file;
    handle->file = nullptr;
    return SQLITE_OK;
  }
  static int Read(sqlite3_file* file, void* out, int bytes, sqlite3_int64 offset) {
    return FileOf(file)->Read(
        static_cast<uint64_t>(offset),
        MutableByteSpan(static_cast<uint8_t*>(out), static_cast<size_t>(bytes)));
  }
  static int Write(sqlite3_file* file, const void* data, int bytes, sqlite3_int64 offset) {
    return FileOf(file)->Write(
        static_cast<uint64_t>(offset),
        ByteSpan(static_cast<const uint8_t*>(data), static_cast<size_t>(bytes)));
  }
  static int Truncate(sqlite3_file* file, sqlite3_int64 bytes) {
    return FileOf(file)->Truncate(static_cast<uint64_t>(bytes));
  }
  // Nothing that SQLite sees here has to survive the process.
  static int Sync(sqlite3_file*, int) { return SQLITE_OK; }
  static int FileSize(sqlite3_file* file, sqlite3_int64* bytes) {
    uint64_t result = 0;
    const int code = FileOf(file)->FileSize(&result);
    *bytes = static_cast<sqlite3_int64>(result);
    return code;
  }
  static int Lock(sqlite3_file* file, int level) { return FileOf(file)->Lock(level); }
  static int Unlock(sqlite3_file* file, int level) { return FileOf(file)->Unlock(level); }
  static int CheckReservedLock(sqlite3_file* file, int* out) {
    bool held = false;
    const int code = FileOf(file)->CheckReservedLock(&held);
    *out = held ? 1 : 0;
    return code;
  }
  static int FileControl(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
  static int SectorSize(sqlite3_file*) { return kSectorBytes; }
  static int DeviceCharacteristics(sqlite3_file*) { return 0; }
  static int ShmMap(sqlite3_file* file, int region, int bytes, int /*extend*/,
                    void volatile** out) {
    return FileOf(file)->ShmMap(region, static_cast<size_t>(bytes), out);
  }
  static int ShmLock(sqlite3_file* file, int first, int count, int flags) {
    return FileOf(file)->ShmLock(first, count, flags);
  }
  // Not std::atomic_thread_fence, which GCC refuses to build for ThreadSanitizer.
  static void ShmBarrier(sqlite3_file*) { __sync_synchronize(); }
  static int ShmUnmap(sqlite3_file* file, int /*remove*/) {
    FileOf(file)->ShmUnmap();
    return SQLITE_OK;
  }

  // Version 2 has the -shm functions, which only the database needs: without them SQLite never
  // goes into WAL mode on the copy.
  static sqlite3_io_methods Methods(int version) {
    sqlite3_io_methods methods = {};
    methods.iVersion = version;
    methods.xClose = Close;
    methods.xRead = Read;
    methods.xWrite = Write;
    methods.xTruncate = Truncate;
    methods.xSync = Sync;
    methods.xFileSize = FileSize;
    methods.xLock = Lock;
    methods.xUnlock = Unlock;
    methods.xCheckReservedLock = CheckReservedLock;
    methods.xFileControl = FileControl;
    methods.xSectorSize = SectorSize;
    methods.xDeviceCharacteristics = DeviceCharacteristics;
    methods.xShmMap = ShmMap;
    methods.xShmLock = ShmLock;
    methods.xShmBarrier = ShmBarrier;
    methods.xShmUnmap = ShmUnmap;
    return methods;
  }

  static int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags,
                  int* out_flags) {
    static const sqlite3_io_methods plain = Methods(1);
    static const sqlite3_io_methods with_shm = Methods(2);
    file->pMethods = nullptr;
    if (name == nullptr) return SQLITE_CANTOPEN;  // a temporary file
    int granted = flags;
    int code = SQLITE_OK;
    std::unique_ptr<SqliteVfsFile> opened = VfsOf(vfs)->Open(name, flags, &granted, &code);
    if (opened == nullptr) return code;
    Handle* const handle = reinterpret_cast<Handle*>(file);
    handle->is_wal = (flags & SQLITE_OPEN_WAL) != 0;
    handle->vfs = VfsOf(vfs);
    handle->file = opened.release();
    file->pMethods = std::string_view(name) == SqliteVfs::kDatabase ? &with_shm : &plain;
    if (out_flags != nullptr) *out_flags = granted;
    return SQLITE_OK;
  }
  static int Delete(sqlite3_vfs* vfs, const char* name, int) { return VfsOf(vfs)->Delete(name); }
  static int Access(sqlite3_vfs* vfs, const char* name, int, int* out) {
    bool exists = false;
    const int code = VfsOf(vfs)->Access(name, &exists);
    *out = exists ? 1 : 0;
    return code;
  }
  static int FullPathname(sqlite3_vfs*, const char* name, int bytes, char* out) {
    const size_t needed = strlen(name) + 1;
    if (needed > static_cast<size_t>(bytes)) return SQLITE_CANTOPEN;
    memcpy(out, name, needed);
    return SQLITE_OK;
  }

  static int GetLastError(sqlite3_vfs*, int, char*) { return errno; }
};

SqliteVfs::SqliteVfs(int dir_fd, std::string name, int database_fd, SpoolFile* copy)
    : dir_fd_(dir_fd), name_(std::move(name)), database_fd_(database_fd), copy_(copy) {
  static std::atomic<uint64_t> next_number = 0;
  vfs_name_ = absl::StrCat("volstream-", next_number.fetch_add(1));
  SetSystemCalls(&vfs_);
  vfs_.szOsFile = sizeof(Handle);
  vfs_.mxPathname = kLongestName;
  vfs_.zName = vfs_name_.c_str();
  vfs_.pAppData = this;
  vfs_.xOpen = SqliteVfsCalls::Open;
  vfs_.xDelete = SqliteVfsCalls::Delete;
  vfs_.xAccess = SqliteVfsCalls::Access;
  vfs_.xFullPathname = SqliteVfsCalls::FullPathname;
  vfs_.xGetLastError = SqliteVfsCalls::GetLastError;
  // Fails only when SQLite cannot start at all; opening a connection then says so.
  sqlite3_vfs_register(&vfs_, /*makeDflt=*/0);
}

SqliteVfs::~SqliteVfs() {
  VS_CHECK(database_ == nullptr && wal_files_ == 0);
  sqlite3_vfs_unregister(&vfs_);
}

bool SqliteVfs::WasDisturbed() const {
  if (!read_without_shm_ && (database_ == nullptr || !database_->read_without_shm())) return false;
  struct stat info {};
  return fstatat(dir_fd_, OnVolume("-shm").c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 ||
         errno != ENOENT;
}

std::unique_ptr<SqliteVfsFile> SqliteVfs::Open(const std::string& name, int flags, int* out_flags,
                                               int* code) {
  *code = SQLITE_CANTOPEN;
  const int read_only =
      (flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
  if (name == kCopy) return std::make_unique<SqliteCopyFile>(copy_, &spool_error_);
  if (name == kDatabase) {
    *out_flags = read_only;
    auto file = std::make_unique<SqliteDatabaseFile>(database_fd_, dir_fd_, OnVolume("-shm"));
    database_ = file.get();
    return file;
  }
  if (Suffix(name, kDatabase) == "-wal") {
    *out_flags = read_only;
    ++wal_files_;
    return std::make_unique<SqliteVolumeFile>(dir_fd_, OnVolume("-wal"));
  }
  if (Suffix(name, kDatabase) == "-journal" && (flags & SQLITE_OPEN_READONLY) != 0) {
    return std::make_unique<SqliteVolumeFile>(dir_fd_, OnVolume("-journal"));
  }
  if (Suffix(name, kCopy) == "-journal" && journal_lent_) {
    return std::make_unique<SqliteVolumeFile>(dir_fd_, OnVolume("-journal"));
  }
  return nullptr;
}

void SqliteVfs::Closed(SqliteVfsFile* file, bool is_wal) {
  if (is_wal) --wal_files_;
  if (file != database_) return;
  read_without_shm_ = read_without_shm_ || database_->read_without_shm();
  database_ = nullptr;
}

int SqliteVfs::ExistsOnVolume(const char* suffix, bool* exists) const {
  struct stat info {};
  *exists = fstatat(dir_fd_, OnVolume(suffix).c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
            (!S_ISREG(info.st_mode) || info.st_size > 0);
  return SQLITE_OK;
}

int SqliteVfs::Access(const std::string& name, bool* exists) {
  *exists = false;
  const std::string_view suffix = Suffix(name, kDatabase);
  if (suffix == "-wal" || suffix == "-journal") return ExistsOnVolume(suffix.data(), exists);
  if (Suffix(name, kCopy) == "-journal") {
    return journal_lent_ ? ExistsOnVolume("-journal", exists) : SQLITE_OK;
  }
  if (Suffix(name, kCopy) == "-wal") return SQLITE_OK;
  asked_elsewhere_ = true;
  return SQLITE_IOERR_ACCESS;
}

int SqliteVfs::Delete(const std::string& name) {
  if (Suffix(name, kCopy) != "-journal" || !journal_lent_) return SQLITE_IOERR_DELETE;
  journal_lent_ = false;
  return SQLITE_OK;
}

}  // namespace volstream
