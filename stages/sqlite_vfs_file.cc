#include "stages/sqlite_vfs_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace volstream {

int ReadAllAt(int fd, uint64_t offset, MutableByteSpan out) {
  while (!out.empty()) {
    const ssize_t count = pread(fd, out.data(), out.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return SQLITE_IOERR_READ;
    if (count == 0) {
      std::fill(out.begin(), out.end(), uint8_t{0});
      return SQLITE_IOERR_SHORT_READ;
    }
    offset += static_cast<uint64_t>(count);
    out = out.subspan(static_cast<size_t>(count));
  }
  return SQLITE_OK;
}

UniqueFd SqliteVolumeFile::OpenRegular(int dir_fd, const std::string& name) {
  UniqueFd fd(openat(dir_fd, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat info {};
  if (fd.valid() && (fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode))) {
    fd.Reset();
    errno = ELOOP;
  }
  return fd;
}

int SqliteVolumeFile::EnsureOpen() {
  if (fd_.valid()) return SQLITE_OK;
  fd_ = OpenRegular(dir_fd_, name_);
  return fd_.valid() || errno == ENOENT ? SQLITE_OK : SQLITE_CANTOPEN;
}

int SqliteVolumeFile::Read(uint64_t offset, MutableByteSpan out) {
  if (const int code = EnsureOpen(); code != SQLITE_OK) return code;
  if (fd_.valid()) return ReadAllAt(fd_.get(), offset, out);
  std::fill(out.begin(), out.end(), uint8_t{0});
  return SQLITE_IOERR_SHORT_READ;
}

int SqliteVolumeFile::FileSize(uint64_t* bytes) {
  *bytes = 0;
  if (const int code = EnsureOpen(); code != SQLITE_OK || !fd_.valid()) return code;
  struct stat info {};
  if (fstat(fd_.get(), &info) != 0) return SQLITE_IOERR_FSTAT;
  *bytes = static_cast<uint64_t>(info.st_size);
  return SQLITE_OK;
}

int SqliteCopyFile::Report(const absl::Status& status, int code) {
  if (status.ok()) return SQLITE_OK;
  if (error_->ok()) *error_ = status;
  return code;
}

int SqliteCopyFile::Read(uint64_t offset, MutableByteSpan out) {
  const uint64_t there = copy_->bytes() > offset ? copy_->bytes() - offset : 0;
  const size_t count = static_cast<size_t>(std::min<uint64_t>(there, out.size()));
  if (count > 0) {
    const int code = Report(copy_->Read(offset, out.first(count)), SQLITE_IOERR_READ);
    if (code != SQLITE_OK) return code;
  }
  if (count == out.size()) return SQLITE_OK;
  std::fill(out.begin() + static_cast<ptrdiff_t>(count), out.end(), uint8_t{0});
  return SQLITE_IOERR_SHORT_READ;
}

int SqliteCopyFile::FileSize(uint64_t* bytes) {
  *bytes = copy_->bytes();
  return SQLITE_OK;
}

int SqliteCopyFile::Write(uint64_t offset, ByteSpan data) {
  return Report(copy_->Write(offset, data), SQLITE_IOERR_WRITE);
}

int SqliteCopyFile::Truncate(uint64_t bytes) {
  return Report(copy_->Truncate(bytes), SQLITE_IOERR_TRUNCATE);
}

}  // namespace volstream
