// SqliteDatabaseFile: a live database of the volume as a SQLite connection of ours sees it: read,
// locked and, in WAL mode, with the -shm file that its other users share. It writes nothing and
// creates nothing, so that neither a read-only mount nor another user's files are in the way.
//
// Locks are SQLite's own bytes (lockingv3.html; for -shm, walformat.html section 2.3), taken as
// open file description locks: they meet the POSIX locks of other processes in the kernel as
// equals, but are not lost when this process closes another descriptor of the same file.
//
// A -shm that is there but that nobody has mapped, and one that is missing, cannot be made sound
// without writing; ShmMap says SQLITE_READONLY_CANTINIT, on which SQLite reads the -wal by itself
// into memory of its own (wal.html, "read-only databases").
//
// Threads: one at a time.
#ifndef VOLSTREAM_STAGES_SQLITE_DATABASE_FILE_H_
#define VOLSTREAM_STAGES_SQLITE_DATABASE_FILE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "stages/beneath.h"
#include "stages/sqlite_vfs_file.h"

namespace volstream {

class SqliteDatabaseFile : public SqliteVfsFile {
 public:
  // `fd` is the database, opened read-only; `shm_name` lies below `dir_fd`. Both must stay open,
  // and `fd` alone carries the locks: no other object may use it for locks at the same time.
  SqliteDatabaseFile(int fd, int dir_fd, std::string shm_name)
      : fd_(fd), dir_fd_(dir_fd), shm_name_(std::move(shm_name)) {}
  // Gives up all locks.
  ~SqliteDatabaseFile() override;

  int Read(uint64_t offset, MutableByteSpan out) override;
  int FileSize(uint64_t* bytes) override;
  // Nothing above SQLITE_LOCK_SHARED is ever given.
  int Lock(int level) override;
  int Unlock(int level) override;
  int CheckReservedLock(bool* held) override;
  int ShmMap(int region, size_t region_bytes, void volatile** out) override;
  int ShmLock(int first, int count, int flags) override;
  void ShmUnmap() override;

  // True once locks of a -shm that was not there were "taken": from then on the copy is sound only
  // if none has come by its end (whoever opens the database in WAL mode makes one).
  bool read_without_shm() const { return read_without_shm_; }

 private:
  struct Region {
    void* mapping = nullptr;
    size_t mapped_bytes = 0;
    uint8_t* start = nullptr;
  };

  // SQLITE_OK once the -shm is open and others keep it sound.
  int AttachShm();

  const int fd_;
  const int dir_fd_;
  const std::string shm_name_;
  int level_ = SQLITE_LOCK_NONE;
  UniqueFd shm_;
  bool attached_ = false;
  bool read_without_shm_ = false;
  std::vector<Region> regions_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_SQLITE_DATABASE_FILE_H_
