#include "stages/local_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace volstream {
namespace {

constexpr std::string_view kPartialSuffix = ".partial";

std::string_view RemedyFor(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return ": free some space or choose another destination";
    case EFBIG:
      return ": raise the file size limit or choose another destination";
    case EACCES:
    case EPERM:
      return ": run as a user who may write there or choose another destination";
    case EROFS:
      return ": choose a destination that can be written to";
    case ENOENT:
    case ENOTDIR:
      return ": check the path";
    case EIO:
      return ": check the disk";
    case EEXIST:
      return ": another backup took this name; run again";
    default:
      return "";
  }
}

}  // namespace

absl::Status FileError(int error, std::string_view what) {
  const std::string_view remedy = RemedyFor(error);
  return absl::Status(absl::ErrnoToStatusCode(error),
                      std::string(what).append(": ").append(strerror(error)).append(remedy));
}

absl::Status ReadError(int error, std::string_view what) {
  if (error != EACCES && error != EPERM) return FileError(error, what);
  return absl::Status(absl::ErrnoToStatusCode(error),
                      std::string(what)
                          .append(": ")
                          .append(strerror(error))
                          .append(": run as a user who may read it"));
}

absl::Status WriteAt(int fd, uint64_t offset, ByteSpan bytes, std::string_view what) {
  while (!bytes.empty()) {
    const ssize_t count = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return FileError(errno, what);
    offset += static_cast<uint64_t>(count);
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
  return absl::OkStatus();
}

std::string PartialNameOf(std::string_view name) {
  return std::string(".").append(name).append(kPartialSuffix);
}

std::string_view NameOfPartial(std::string_view partial) {
  if (partial.size() <= 1 + kPartialSuffix.size() || !partial.starts_with('.') ||
      !partial.ends_with(kPartialSuffix)) {
    return "";
  }
  partial.remove_prefix(1);
  partial.remove_suffix(kPartialSuffix.size());
  return partial;
}

absl::Status Publish(int dir_fd, int file_fd, const std::string& partial, const std::string& name,
                     bool replace, std::string_view what) {
  if (fsync(file_fd) != 0) return FileError(errno, what);
  int result =
      renameat2(dir_fd, partial.c_str(), dir_fd, name.c_str(), replace ? 0 : RENAME_NOREPLACE);
  if (result != 0 && !replace && (errno == EINVAL || errno == ENOSYS)) {
    // A file system without RENAME_NOREPLACE: link(2) refuses an existing name as well.
    result = linkat(dir_fd, partial.c_str(), dir_fd, name.c_str(), 0);
    if (result == 0) unlinkat(dir_fd, partial.c_str(), 0);
  }
  if (result != 0) return FileError(errno, what);
  if (fsync(dir_fd) != 0) {
    const absl::Status status = FileError(errno, what);
    // The name may be gone after a crash, so nobody must rely on it now.
    if (!replace) unlinkat(dir_fd, name.c_str(), 0);
    return status;
  }
  return absl::OkStatus();
}

}  // namespace volstream
