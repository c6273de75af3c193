// EntryStream::OfDirectory.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/beneath.h"
#include "stages/entry_stream.h"
#include "stages/scanned_entry.h"
#include "stages/volume_walk.h"
#include "stages/warnings.h"

namespace volstream {
namespace {

// Descriptors that are kept, one for each directory on the way; those above are opened again.
constexpr size_t kMaxOpenDirectories = 64;

bool HasVanished(int error) { return error == ENOENT || error == ENOTDIR || error == ELOOP; }

struct CloseDir {
  void operator()(DIR* dir) const { closedir(dir); }
};

TarType TypeOf(uint32_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return TarType::kDirectory;
    case S_IFLNK:
      return TarType::kSymlink;
    case S_IFIFO:
      return TarType::kFifo;
    case S_IFCHR:
      return TarType::kCharDevice;
    case S_IFBLK:
      return TarType::kBlockDevice;
    default:
      return TarType::kFile;
  }
}

EntryInfo InfoOf(const ScannedEntry& entry, std::string path) {
  EntryInfo info;
  info.type = TypeOf(entry.mode);
  info.path = std::move(path);
  info.link_target = entry.link_target;
  info.mode = entry.mode & 07777u;
  info.uid = entry.uid;
  info.gid = entry.gid;
  info.bytes = info.type == TarType::kFile ? entry.bytes : 0;
  info.mtime_seconds = entry.mtime_seconds;
  info.mtime_nanoseconds = entry.mtime_nanoseconds;
  return info;
}

class DirectoryStream : public EntryStream {
 public:
  DirectoryStream(std::string root, UniqueFd root_fd)
      : root_(std::move(root)), root_fd_(std::move(root_fd)) {}

  absl::StatusOr<const EntryInfo*> Next() override {
    if (!begun_) {
      begun_ = true;
      ScannedEntry entry;
      if (!StatInto(root_fd_.get(), "", AT_EMPTY_PATH, false, &entry)) {
        return Unreadable("", entry.error);
      }
      return Give(entry, "");
    }
    if (std::exchange(enter_, false)) VS_RETURN_IF_ERROR(Enter());
    while (!frames_.empty()) {
      Frame& top = frames_.back();
      if (top.next == top.names.size()) {
        frames_.pop_back();
        continue;
      }
      if (!top.fd.valid()) {
        top.fd =
            OpenBeneath(root_fd_.get(), top.path.empty() ? "." : top.path, O_RDONLY | O_DIRECTORY);
        if (!top.fd.valid() && !HasVanished(errno)) return Unreadable(top.path, errno);
      }
      ScannedEntry entry;
      entry.name = std::move(top.names[top.next++]);
      if (!top.fd.valid() || !Stat(top.fd.get(), &entry)) {
        if (top.fd.valid() && !HasVanished(entry.error)) {
          return Unreadable(Below(top.path, entry.name), entry.error);
        }
        continue;
      }
      if (S_ISSOCK(entry.mode)) continue;
      return Give(entry, Below(top.path, entry.name));
    }
    return nullptr;
  }

  absl::StatusOr<EntryInfo> Resolve(const EntryInfo& link) override {
    EntryInfo info = resolved_;
    info.path = link.path;
    return info;
  }

  bool exact_times() const override { return true; }

 private:
  // A directory whose children are being given.
  struct Frame {
    std::string path;
    uint64_t device = 0;
    uint64_t inode = 0;
    UniqueFd fd;  // may be closed meanwhile
    std::vector<std::string> names;
    size_t next = 0;
  };

  static std::string Below(const std::string& directory, const std::string& name) {
    return directory.empty() ? name : absl::StrCat(directory, "/", name);
  }

  absl::Status Unreadable(const std::string& path, int error) const {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot look at ", path.empty() ? "the root" : PrintablePath(path), " of ",
                     root_, ": ", strerror(error), ": run as a user who may read it"));
  }

  static bool Stat(int dir_fd, ScannedEntry* entry) {
    if (!StatInto(dir_fd, entry->name.c_str(), AT_SYMLINK_NOFOLLOW, false, entry)) return false;
    return !S_ISLNK(entry->mode) || ReadLinkInto(dir_fd, false, entry);
  }

  const EntryInfo* Give(const ScannedEntry& entry, std::string path) {
    current_ = InfoOf(entry, std::move(path));
    device_ = entry.device;
    inode_ = entry.inode;
    enter_ = current_.type == TarType::kDirectory;
    if (!enter_ && entry.link_count > 1) {
      const auto [first, is_first] =
          first_names_.try_emplace(std::make_pair(entry.device, entry.inode), current_.path);
      if (!is_first) {
        resolved_ = current_;
        current_.type = TarType::kHardLink;
        current_.link_target = first->second;
        current_.bytes = 0;
      }
    }
    return &current_;
  }

  // Reads the names of the directory that was given last.
  absl::Status Enter() {
    for (const Frame& frame : frames_) {
      if (frame.device == device_ && frame.inode == inode_) {
        return absl::FailedPreconditionError(absl::StrCat(
            root_, " holds itself: ", PrintablePath(current_.path), " is ",
            frame.path.empty() ? "its root" : PrintablePath(frame.path), " again (a bind mount)"));
      }
    }
    Frame frame{current_.path, device_, inode_, UniqueFd(), {}, 0};
    frame.fd =
        OpenBeneath(root_fd_.get(), frame.path.empty() ? "." : frame.path, O_RDONLY | O_DIRECTORY);
    if (!frame.fd.valid()) {
      return HasVanished(errno) ? absl::OkStatus() : Unreadable(frame.path, errno);
    }
    const int copy = fcntl(frame.fd.get(), F_DUPFD_CLOEXEC, 0);
    const std::unique_ptr<DIR, CloseDir> dir(copy < 0 ? nullptr : fdopendir(copy));
    if (dir == nullptr) {
      const int error = errno;
      if (copy >= 0) close(copy);
      return Unreadable(frame.path, error);
    }
    errno = 0;
    while (const dirent* name = readdir(dir.get())) {
      if (strcmp(name->d_name, ".") != 0 && strcmp(name->d_name, "..") != 0) {
        frame.names.emplace_back(name->d_name);
      }
      errno = 0;
    }
    if (errno != 0) return Unreadable(frame.path, errno);
    std::sort(frame.names.begin(), frame.names.end());
    frames_.push_back(std::move(frame));
    if (frames_.size() > kMaxOpenDirectories) {
      frames_[frames_.size() - kMaxOpenDirectories - 1].fd.Reset();
    }
    return absl::OkStatus();
  }

  const std::string root_;
  const UniqueFd root_fd_;
  bool begun_ = false;
  bool enter_ = false;  // what was given last is a directory
  EntryInfo current_;
  EntryInfo resolved_;  // of the last hard link
  uint64_t device_ = 0;
  uint64_t inode_ = 0;
  std::vector<Frame> frames_;
  absl::flat_hash_map<std::pair<uint64_t, uint64_t>, std::string> first_names_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<EntryStream>> EntryStream::OfDirectory(std::string root) {
  VS_ASSIGN_OR_RETURN(UniqueFd fd, OpenVolume(root));
  return std::make_unique<DirectoryStream>(std::move(root), std::move(fd));
}

}  // namespace volstream
