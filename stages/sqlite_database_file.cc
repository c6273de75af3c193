#include "stages/sqlite_database_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace volstream {
namespace {

// The database's lock bytes; lockingv3.html and fileformat2.html section 1.3 ("lock-byte page").
constexpr off_t kPendingByte = 0x40000000;
constexpr off_t kReservedByte = kPendingByte + 1;
constexpr off_t kSharedFirst = kPendingByte + 2;
constexpr off_t kSharedBytes = 510;

// The lock bytes of -shm; walformat.html section 2.3. After the eight locks comes the one that
// every process holds that has the file mapped (the "dead man's switch").
constexpr off_t kShmFirstLock = 120;
constexpr off_t kShmInUseByte = 128;

struct flock Range(short type, off_t start, off_t bytes) {
  struct flock range {};
  range.l_type = type;
  range.l_whence = SEEK_SET;
  range.l_start = start;
  range.l_len = bytes;
  return range;
}

// SQLITE_OK, SQLITE_BUSY when another holds it, SQLITE_IOERR_RDLOCK when there are no such locks.
int ReadLock(int fd, off_t start, off_t bytes) {
  struct flock range = Range(F_RDLCK, start, bytes);
  if (fcntl(fd, F_OFD_SETLK, &range) == 0) return SQLITE_OK;
  return errno == EAGAIN || errno == EACCES ? SQLITE_BUSY : SQLITE_IOERR_RDLOCK;
}

void Release(int fd, off_t start, off_t bytes) {
  struct flock range = Range(F_UNLCK, start, bytes);
  fcntl(fd, F_OFD_SETLK, &range);
}

// What another holds there that a writer would meet: F_UNLCK, F_RDLCK or F_WRLCK; -1 on failure.
int HeldByOthers(int fd, off_t start, off_t bytes) {
  struct flock range = Range(F_WRLCK, start, bytes);
  return fcntl(fd, F_OFD_GETLK, &range) == 0 ? range.l_type : -1;
}

}  // namespace

SqliteDatabaseFile::~SqliteDatabaseFile() {
  ShmUnmap();
  Unlock(SQLITE_LOCK_NONE);
}

int SqliteDatabaseFile::Read(uint64_t offset, MutableByteSpan out) {
  return ReadAllAt(fd_, offset, out);
}

int SqliteDatabaseFile::FileSize(uint64_t* bytes) {
  struct stat info {};
  if (fstat(fd_, &info) != 0) return SQLITE_IOERR_FSTAT;
  *bytes = static_cast<uint64_t>(info.st_size);
  return SQLITE_OK;
}

int SqliteDatabaseFile::Lock(int level) {
  if (level <= level_) return SQLITE_OK;
  if (level > SQLITE_LOCK_SHARED) return SQLITE_READONLY;
  // A writer that waits for its readers holds the pending byte, so that no new one comes.
  if (const int code = ReadLock(fd_, kPendingByte, 1); code != SQLITE_OK) return code;
  const int code = ReadLock(fd_, kSharedFirst, kSharedBytes);
  Release(fd_, kPendingByte, 1);
  if (code == SQLITE_OK) level_ = SQLITE_LOCK_SHARED;
  return code;
}

int SqliteDatabaseFile::Unlock(int level) {
  if (level >= level_) return SQLITE_OK;
  Release(fd_, kPendingByte, kSharedFirst + kSharedBytes - kPendingByte);
  level_ = SQLITE_LOCK_NONE;
  return SQLITE_OK;
}

int SqliteDatabaseFile::CheckReservedLock(bool* held) {
  const int type = HeldByOthers(fd_, kReservedByte, 1);
  *held = type != F_UNLCK;
  return type < 0 ? SQLITE_IOERR_CHECKRESERVEDLOCK : SQLITE_OK;
}

int SqliteDatabaseFile::AttachShm() {
  if (attached_) return SQLITE_OK;
  // Nobody deletes it meanwhile: that takes an exclusive lock on the database, and SQLite holds a
  // shared one whenever it comes here.
  if (!shm_.valid()) {
    shm_ = SqliteVolumeFile::OpenRegular(dir_fd_, shm_name_);
    if (!shm_.valid()) return errno == ENOENT ? SQLITE_READONLY_CANTINIT : SQLITE_CANTOPEN;
  }
  switch (HeldByOthers(shm_.get(), kShmInUseByte, 1)) {
    case F_UNLCK:
      return SQLITE_READONLY_CANTINIT;
    case F_RDLCK:
      break;
    case F_WRLCK:  // someone is the first and makes it sound just now
      return SQLITE_BUSY;
    default:
      return SQLITE_IOERR_SHMLOCK;
  }
  const int code = ReadLock(shm_.get(), kShmInUseByte, 1);
  attached_ = code == SQLITE_OK;
  return code;
}

int SqliteDatabaseFile::ShmMap(int region, size_t region_bytes, void volatile** out) {
  *out = nullptr;
  if (const int code = AttachShm(); code != SQLITE_OK) return code;
  const size_t index = static_cast<size_t>(region);
  if (index < regions_.size() && regions_[index].start != nullptr) {
    *out = regions_[index].start;
    return SQLITE_READONLY;
  }
  const size_t offset = index * region_bytes;
  struct stat info {};
  if (fstat(shm_.get(), &info) != 0) return SQLITE_IOERR_SHMSIZE;
  // Not there yet, which SQLite sees from the null pointer.
  if (static_cast<uint64_t>(info.st_size) < offset + region_bytes) return SQLITE_READONLY;
  // A mapping begins at a page, which may be larger than a region.
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t skip = offset % page;
  void* const mapping = mmap(nullptr, region_bytes + skip, PROT_READ, MAP_SHARED, shm_.get(),
                             static_cast<off_t>(offset - skip));
  if (mapping == MAP_FAILED) return SQLITE_IOERR_SHMMAP;
  if (index >= regions_.size()) regions_.resize(index + 1);
  regions_[index] = Region{mapping, region_bytes + skip, static_cast<uint8_t*>(mapping) + skip};
  *out = regions_[index].start;
  return SQLITE_READONLY;
}

int SqliteDatabaseFile::ShmLock(int first, int count, int flags) {
  if (!shm_.valid()) {
    // Nothing to lock. The copy is looked at again at its end.
    read_without_shm_ = true;
    return SQLITE_OK;
  }
  if ((flags & SQLITE_SHM_UNLOCK) != 0) {
    Release(shm_.get(), kShmFirstLock + first, count);
    return SQLITE_OK;
  }
  // An exclusive one is for those who write.
  if ((flags & SQLITE_SHM_EXCLUSIVE) != 0) return SQLITE_BUSY;
  const int code = ReadLock(shm_.get(), kShmFirstLock + first, count);
  return code == SQLITE_IOERR_RDLOCK ? SQLITE_IOERR_SHMLOCK : code;
}

void SqliteDatabaseFile::ShmUnmap() {
  for (const Region& region : regions_) {
    if (region.mapping != nullptr) munmap(region.mapping, region.mapped_bytes);
  }
  regions_.clear();
  shm_.Reset();  // and with it all its locks
  attached_ = false;
}

}  // namespace volstream
