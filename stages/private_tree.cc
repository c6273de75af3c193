#include "stages/private_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/beneath.h"
#include "stages/local_file.h"

namespace volstream {
namespace {

constexpr int kDirectory = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

// A directory on the way down.
struct Level {
  dev_t device = 0;
  ino_t inode = 0;
  std::vector<std::string> directories;  // in it, still to be walked
  size_t path_bytes = 0;                 // of its own path
};

class Walk {
 public:
  explicit Walk(const PrivateTreeVisitor& visitor) : visitor_(visitor) {}

  absl::Status Run(int root_fd) {
    VS_RETURN_IF_ERROR(Enter(root_fd, "."));
    while (true) {
      Level& level = levels_.back();
      if (level.directories.empty()) {
        if (levels_.size() == 1) return absl::OkStatus();
        VS_RETURN_IF_ERROR(Leave());
        continue;
      }
      const std::string name = std::move(level.directories.back());
      level.directories.pop_back();
      absl::StrAppend(&path_, path_.empty() ? "" : "/", name);
      VS_RETURN_IF_ERROR(Enter(current_.get(), name));
    }
  }

 private:
  // Makes `name`, whose path is path_, the current directory.
  absl::Status Enter(int parent_fd, const std::string& name) {
    UniqueFd opened(openat(parent_fd, name.c_str(), O_PATH | kDirectory));
    struct stat info {};
    if (!opened.valid() || fstat(opened.get(), &info) != 0) return Error();
    // O_PATH has no fchmod(2).
    if ((info.st_mode & S_IRWXU) != S_IRWXU) {
      // Where it may not be, reading it says so.
      std::ignore = chmod(absl::StrCat("/proc/self/fd/", opened.get()).c_str(),
                          (info.st_mode & 07777) | S_IRWXU);
    }
    current_ = std::move(opened);
    levels_.push_back({.device = info.st_dev,
                       .inode = info.st_ino,
                       .directories = {},
                       .path_bytes = path_.size()});
    return Read();
  }

  absl::Status Read() {
    const int fd = openat(current_.get(), ".", O_RDONLY | kDirectory);
    if (fd < 0) return Error();
    const std::unique_ptr<DIR, CloseDirectory> directory(fdopendir(fd));  // takes it
    if (directory == nullptr) {
      const absl::Status error = Error();
      close(fd);
      return error;
    }
    while (true) {
      errno = 0;
      const dirent* const entry = readdir(directory.get());
      if (entry == nullptr) return errno == 0 ? absl::OkStatus() : Error();
      const std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      struct stat info {};
      if (fstatat(current_.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT) continue;  // the visitor removed it
        return Error();
      }
      if (S_ISDIR(info.st_mode)) {
        levels_.back().directories.push_back(name);
        continue;
      }
      VS_RETURN_IF_ERROR(visitor_.on_entry(
          current_.get(), name, absl::StrCat(path_, path_.empty() ? "" : "/", name), info));
    }
  }

  // Makes the directory above the current one.
  absl::Status Leave() {
    levels_.pop_back();
    const Level& above = levels_.back();
    UniqueFd opened(openat(current_.get(), "..", O_PATH | kDirectory));
    struct stat info {};
    if (!opened.valid() || fstat(opened.get(), &info) != 0) return Error();
    if (info.st_dev != above.device || info.st_ino != above.inode) {
      return absl::AbortedError(absl::StrCat(path_, " was moved while it was read"));
    }
    current_ = std::move(opened);
    const size_t begin = above.path_bytes == 0 ? 0 : above.path_bytes + 1;
    const std::string name = path_.substr(begin);
    if (visitor_.on_left) VS_RETURN_IF_ERROR(visitor_.on_left(current_.get(), name));
    path_.resize(above.path_bytes);
    return absl::OkStatus();
  }

  absl::Status Error() const {
    return ReadError(errno, absl::StrCat("cannot read ", path_.empty() ? "." : path_));
  }

  const PrivateTreeVisitor& visitor_;
  UniqueFd current_;
  std::string path_;  // of the current directory, below the root
  std::vector<Level> levels_;
};

absl::Status RemoveFrom(int directory_fd, const std::string& name, int flags) {
  if (unlinkat(directory_fd, name.c_str(), flags) == 0 || errno == ENOENT) return absl::OkStatus();
  return FileError(errno, absl::StrCat("cannot remove ", name));
}

}  // namespace

absl::Status WalkPrivateTree(int root_fd, const PrivateTreeVisitor& visitor) {
  return Walk(visitor).Run(root_fd);
}

absl::Status EmptyPrivateTree(int root_fd) {
  return WalkPrivateTree(
      root_fd, {.on_entry = [](int directory_fd, const std::string& name, const std::string&,
                               const struct stat&) { return RemoveFrom(directory_fd, name, 0); },
                .on_left =
                    [](int directory_fd, const std::string& name) {
                      return RemoveFrom(directory_fd, name, AT_REMOVEDIR);
                    }});
}

}  // namespace volstream
