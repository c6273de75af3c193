#include "stages/scanned_entry.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "stages/beneath.h"

namespace volstream {
namespace {

// A symlink's whole target; its length is not known beforehand on every file system. Nullopt with
// errno.
std::optional<std::string> ReadLink(int dir_fd, const char* name) {
  std::string target(256, '\0');
  while (true) {
    const ssize_t bytes = readlinkat(dir_fd, name, target.data(), target.size());
    if (bytes < 0) return std::nullopt;
    if (static_cast<size_t>(bytes) < target.size()) {
      target.resize(static_cast<size_t>(bytes));
      return target;
    }
    target.resize(2 * target.size());
  }
}

}  // namespace

bool StatInto(int dir_fd, const char* name, int flags, bool sparse, ScannedEntry* entry) {
  struct stat info {};
  if (fstatat(dir_fd, name, &info, flags | AT_SYMLINK_NOFOLLOW) != 0) {
    entry->error = errno;
    return false;
  }
  entry->mode = static_cast<uint16_t>(info.st_mode);
  entry->link_count = static_cast<uint32_t>(std::min<nlink_t>(info.st_nlink, UINT32_MAX));
  entry->uid = info.st_uid;
  entry->gid = info.st_gid;
  entry->bytes = S_ISREG(info.st_mode) ? static_cast<uint64_t>(info.st_size) : 0;
  entry->device = info.st_dev;
  entry->inode = info.st_ino;
  entry->mtime_seconds = info.st_mtim.tv_sec;
  entry->mtime_nanoseconds = static_cast<uint32_t>(info.st_mtim.tv_nsec);
  entry->device_number = info.st_rdev;
  // Fewer blocks than bytes: holes, or a file system that compresses; the map tells.
  constexpr uint64_t kBlock = 512;
  if (sparse && S_ISREG(info.st_mode) &&
      static_cast<uint64_t>(info.st_blocks) * kBlock + 8 * kKiB <=
          static_cast<uint64_t>(info.st_size)) {
    const UniqueFd fd(openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat opened {};
    if (fd.valid() && fstat(fd.get(), &opened) == 0 && opened.st_ino == info.st_ino &&
        opened.st_dev == info.st_dev) {
      if (std::optional<SparseMap> map = SparseMap::Of(fd.get(), entry->bytes); map.has_value()) {
        entry->sparse = std::make_unique<SparseMap>(*std::move(map));
      }
    }
  }
  return true;
}

bool ReadLinkInto(int dir_fd, bool sparse, ScannedEntry* entry) {
  std::optional<std::string> target = ReadLink(dir_fd, entry->name.c_str());
  // EINVAL: no symlink any more; then it is what it is now.
  if (!target.has_value() && errno == EINVAL) {
    if (!StatInto(dir_fd, entry->name.c_str(), 0, sparse, entry)) return false;
    if (!S_ISLNK(entry->mode)) return true;
    errno = EINVAL;
  }
  if (!target.has_value()) {
    entry->error = errno;
    return false;
  }
  entry->link_target = *std::move(target);
  return true;
}

}  // namespace volstream
