// SqliteVfsFile: what SQLite reads, writes and locks, as SqliteVfs gives it to it. The functions
// are those of sqlite3_io_methods and return SQLite's result codes; what a kind of file does not
// do, it refuses.
//
// Threads: those of the connection that opened it, one at a time.
// Sources: sqlite.org/c3ref/io_methods.html.
#ifndef VOLSTREAM_STAGES_SQLITE_VFS_FILE_H_
#define VOLSTREAM_STAGES_SQLITE_VFS_FILE_H_

#include <sqlite3.h>
#include <sys/types.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "engine/bytes.h"
#include "stages/beneath.h"
#include "stages/spool.h"

namespace volstream {

class SqliteVfsFile {
 public:
  virtual ~SqliteVfsFile() = default;

  // Fills what lies past the end with zeros and then returns SQLITE_IOERR_SHORT_READ.
  virtual int Read(uint64_t offset, MutableByteSpan out) = 0;
  virtual int FileSize(uint64_t* bytes) = 0;

  virtual int Write(uint64_t /*offset*/, ByteSpan /*data*/) { return SQLITE_READONLY; }
  virtual int Truncate(uint64_t /*bytes*/) { return SQLITE_READONLY; }

  virtual int Lock(int /*level*/) { return SQLITE_OK; }
  virtual int Unlock(int /*level*/) { return SQLITE_OK; }
  virtual int CheckReservedLock(bool* held) {
    *held = false;
    return SQLITE_OK;
  }

  virtual int ShmMap(int /*region*/, size_t /*region_bytes*/, void volatile** /*out*/) {
    return SQLITE_IOERR_SHMMAP;
  }
  virtual int ShmLock(int /*first*/, int /*count*/, int /*flags*/) { return SQLITE_IOERR_SHMLOCK; }
  virtual void ShmUnmap() {}
};

// A file of the volume, or one that is not there and reads as empty until it comes. Never writes.
class SqliteVolumeFile : public SqliteVfsFile {
 public:
  // Opens `name` below `dir_fd` at the first use, and again at each use until it is there.
  SqliteVolumeFile(int dir_fd, std::string name) : dir_fd_(dir_fd), name_(std::move(name)) {}

  int Read(uint64_t offset, MutableByteSpan out) override;
  int FileSize(uint64_t* bytes) override;

  // Opens a regular file read-only, without following a symlink and without waiting for a FIFO's
  // writer. An invalid fd and errno on failure.
  static UniqueFd OpenRegular(int dir_fd, const std::string& name);

 private:
  // SQLITE_OK whether or not the file is there.
  int EnsureOpen();

  const int dir_fd_;
  const std::string name_;
  UniqueFd fd_;
};

// The copy, in the spool.
class SqliteCopyFile : public SqliteVfsFile {
 public:
  // `error` gets the first failure of the spool, which SQLite's codes cannot say. Both outlive it.
  SqliteCopyFile(SpoolFile* copy, absl::Status* error) : copy_(copy), error_(error) {}

  int Read(uint64_t offset, MutableByteSpan out) override;
  int FileSize(uint64_t* bytes) override;
  int Write(uint64_t offset, ByteSpan data) override;
  int Truncate(uint64_t bytes) override;

 private:
  int Report(const absl::Status& status, int code);

  SpoolFile* const copy_;
  absl::Status* const error_;
};

// pread(2) of the whole of `out`, as SqliteVfsFile::Read.
int ReadAllAt(int fd, uint64_t offset, MutableByteSpan out);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_SQLITE_VFS_FILE_H_
