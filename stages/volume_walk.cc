#include "stages/volume_walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "engine/check.h"
#include "stages/error_kind.h"

namespace volstream {
namespace {

// Directories kept open at a time: far below the usual limit of 1,024 descriptors, far above the
// depth of ordinary trees. Deeper ones are reopened on the way back.
constexpr size_t kMaxOpenFrames = 64;

struct CloseDir {
  void operator()(DIR* dir) const { closedir(dir); }
};

// Names in the directory but "." and "..", in descending order. The descriptor stays open.
absl::StatusOr<std::vector<std::string>> NamesOf(int fd) {
  const int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0) return absl::ErrnoToStatus(errno, "cannot open directory");
  std::unique_ptr<DIR, CloseDir> dir(fdopendir(copy));
  if (dir == nullptr) {
    close(copy);
    return absl::ErrnoToStatus(errno, "cannot open directory");
  }
  std::vector<std::string> names;
  while (true) {
    errno = 0;
    const dirent* entry = readdir(dir.get());
    if (entry == nullptr) break;
    const std::string_view name(entry->d_name);
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return absl::ErrnoToStatus(errno, "cannot read directory");
  std::sort(names.begin(), names.end(), std::greater<>());
  return names;
}

// A symlink's whole target; its length is not known beforehand on every file system.
absl::StatusOr<std::string> ReadLink(int dir_fd, const std::string& name) {
  std::string target(256, '\0');
  while (true) {
    const ssize_t bytes = readlinkat(dir_fd, name.c_str(), target.data(), target.size());
    if (bytes < 0) return absl::ErrnoToStatus(errno, "cannot read symlink");
    if (static_cast<size_t>(bytes) < target.size()) {
      target.resize(bytes);
      return target;
    }
    target.resize(2 * target.size());
  }
}

std::string Join(const std::string& directory, const std::string& name) {
  return directory.empty() ? name : directory + "/" + name;
}

}  // namespace

absl::Status VolumeWalk::Run(const std::string& root) {
  // With O_RDONLY, so that an unreadable source fails here and not as an empty backup.
  UniqueFd fd(open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) {
    const int error = errno;
    const std::string remedy =
        error == ENOTDIR ? "is not a directory: give the directory that holds it"
        : error == ENOENT
            ? "does not exist: check the path"
            : absl::StrCat("cannot be read (", strerror(error), "): run as a user who may");
    return MakeError(ErrorKind::kVolumeNotFound, absl::StatusCode::kNotFound,
                     absl::StrCat("source ", root, " ", remedy));
  }
  struct stat info {};
  if (fstat(fd.get(), &info) != 0) return absl::ErrnoToStatus(errno, absl::StrCat("stat ", root));
  plan_->root_fd_ = UniqueFd(fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
  if (!plan_->root_fd_.valid()) return absl::ErrnoToStatus(errno, absl::StrCat("dup ", root));
  const uint32_t index = Append(VolumePlan::kNone, "", "", info);
  absl::Status status = PushDirectory(index, std::move(fd));
  if (!status.ok()) {
    return MakeError(ErrorKind::kVolumeNotFound, absl::StatusCode::kNotFound,
                     absl::StrCat("source ", root, ": ", status.message()));
  }
  while (!frames_.empty()) {
    if (cancelled_ != nullptr && cancelled_->load()) {
      return MakeError(ErrorKind::kInterrupted, absl::StatusCode::kCancelled, "interrupted");
    }
    Frame& top = frames_.back();
    if (top.names.empty() || !EnsureOpen(&top)) {
      frames_.pop_back();
      continue;
    }
    const std::string name = std::move(top.names.back());
    top.names.pop_back();
    Visit(name);
  }
  plan_->tar_bytes_ = next_offset_ + kTarEndBytes;
  return absl::OkStatus();
}

absl::Status VolumeWalk::PushDirectory(uint32_t index, UniqueFd fd) {
  absl::StatusOr<std::vector<std::string>> names = NamesOf(fd.get());
  if (!names.ok()) return names.status();
  if (frames_.size() >= kMaxOpenFrames) frames_[frames_.size() - kMaxOpenFrames].fd.Reset();
  frames_.push_back(Frame{index, std::move(fd), *std::move(names)});
  return absl::OkStatus();
}

bool VolumeWalk::EnsureOpen(Frame* frame) {
  if (frame->fd.valid()) return true;
  const std::string path = plan_->PathOf(frame->index);
  frame->fd = OpenBeneath(plan_->root_fd(), path, O_RDONLY | O_DIRECTORY);
  if (!frame->fd.valid()) {
    warnings_->AddMissing(
        path, absl::StrCat("directory left out from \"", PrintablePath(frame->names.back()),
                           "\" on: ", strerror(errno)));
  }
  return frame->fd.valid();
}

void VolumeWalk::Visit(const std::string& name) {
  const Frame& frame = frames_.back();
  const uint32_t parent = frame.index;
  const auto path = [&] { return Join(plan_->PathOf(parent), name); };
  struct stat info {};
  if (fstatat(frame.fd.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) {
      warnings_->Add(path(), "vanished during the walk; left out");
    } else {
      warnings_->AddMissing(path(), absl::StrCat("left out: ", strerror(errno)));
    }
    return;
  }
  if (S_ISSOCK(info.st_mode)) {
    warnings_->Add(path(), "is a socket, which has no content; left out");
    return;
  }
  std::string link_target;
  if (S_ISLNK(info.st_mode)) {
    absl::StatusOr<std::string> target = ReadLink(frame.fd.get(), name);
    if (!target.ok()) {
      warnings_->AddMissing(path(), absl::StrCat("left out: ", target.status().message()));
      return;
    }
    link_target = *std::move(target);
  }
  UniqueFd directory;
  if (S_ISDIR(info.st_mode)) {
    directory = UniqueFd(
        openat(frame.fd.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!directory.valid() && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)) {
      warnings_->Add(path(), "vanished during the walk; left out");
      return;
    }
    if (!directory.valid()) {
      warnings_->AddMissing(path(),
                            absl::StrCat("directory's contents left out: ", strerror(errno)));
    } else if (fstat(directory.get(), &info) != 0) {
      warnings_->AddMissing(path(), absl::StrCat("directory left out: ", strerror(errno)));
      return;
    }
  }
  const uint32_t index = Append(parent, name, link_target, info);
  if (directory.valid()) {
    const absl::Status status = PushDirectory(index, std::move(directory));
    if (!status.ok()) {
      warnings_->AddMissing(path(),
                            absl::StrCat("directory's contents left out: ", status.message()));
    }
  }
}

uint32_t VolumeWalk::Append(uint32_t parent, std::string_view name, std::string_view link_target,
                            const struct stat& info) {
  VolumePlan::Entry entry;
  entry.tar_offset = next_offset_;
  entry.device = info.st_dev;
  entry.inode = info.st_ino;
  entry.mtime_seconds = info.st_mtim.tv_sec;
  entry.mtime_nanoseconds = static_cast<uint32_t>(info.st_mtim.tv_nsec);
  entry.name_offset = plan_->names_.size();
  entry.name_bytes = static_cast<uint32_t>(name.size());
  entry.link_bytes = static_cast<uint32_t>(link_target.size());
  plan_->names_.append(name).append(link_target);
  entry.parent = parent;
  entry.mode = static_cast<uint16_t>(info.st_mode);
  entry.uid = info.st_uid;
  entry.gid = info.st_gid;
  NoteOwnerNames(entry.uid, entry.gid);
  if (S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode)) {
    entry.device_number = static_cast<uint32_t>(plan_->device_numbers_.size());
    plan_->device_numbers_.push_back(info.st_rdev);
  }
  const uint32_t index = static_cast<uint32_t>(plan_->entries_.size());
  VS_CHECK(index != VolumePlan::kNone);
  if (!S_ISDIR(info.st_mode) && info.st_nlink > 1) {
    const auto [first, is_new] = hard_links_.try_emplace({entry.device, entry.inode}, index);
    if (!is_new) {
      entry.link_to = first->second;
      plan_->entries_[first->second].has_links = true;
    }
  }
  if (S_ISREG(info.st_mode) && entry.link_to == VolumePlan::kNone) {
    entry.bytes = static_cast<uint64_t>(info.st_size);
    plan_->file_bytes_ += entry.bytes;
  }
  plan_->entries_.push_back(entry);
  VolumePlan::Entry& added = plan_->entries_.back();
  added.header_bytes = static_cast<uint32_t>(plan_->HeaderOf(index).size());
  next_offset_ = added.end_offset();
  return index;
}

void VolumeWalk::NoteOwnerNames(uint32_t uid, uint32_t gid) {
  if (const auto [user, is_new] = plan_->user_names_.try_emplace(uid); is_new) {
    const passwd* found = getpwuid(uid);
    if (found != nullptr) user->second = found->pw_name;
  }
  if (const auto [group, is_new] = plan_->group_names_.try_emplace(gid); is_new) {
    const ::group* found = getgrgid(gid);
    if (found != nullptr) group->second = found->gr_name;
  }
}

}  // namespace volstream
