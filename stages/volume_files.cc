#include "stages/volume_files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/mutex.h"

namespace volstream {
namespace {

// O_NONBLOCK: a FIFO that took the file's place must not hang the run. O_NOATIME leaves the volume
// as it was, where the caller owns the file.
constexpr int kReadFlags = O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY;

UniqueFd OpenForReading(int dir_fd, const std::string& name) {
  UniqueFd fd(openat(dir_fd, name.c_str(), kReadFlags | O_NOATIME));
  if (!fd.valid() && errno == EPERM) fd = UniqueFd(openat(dir_fd, name.c_str(), kReadFlags));
  return fd;
}

// Errors that mean "no longer there as a file", as opposed to "there, but not for us".
bool MeansGone(int error) {
  return error == ENOENT || error == ENOTDIR || error == ELOOP || error == ENXIO;
}

}  // namespace

UniqueFd VolumeFiles::OpenFile(uint32_t index) {
  const VolumePlan::Entry& entry = plan_->entries()[index];
  DirectoryHint hint;
  {
    MutexLock lock(&mu_);
    if (!hints_.empty()) {
      hint = std::move(hints_.back());
      hints_.pop_back();
    }
  }
  if (hint.index != entry.parent || !hint.fd.valid()) {
    hint.index = entry.parent;
    hint.fd = OpenBeneath(plan_->root_fd(), plan_->PathOf(entry.parent), O_PATH | O_DIRECTORY);
  }
  UniqueFd fd;
  int error = errno;
  if (hint.fd.valid()) {
    fd = OpenForReading(hint.fd.get(), std::string(plan_->NameOf(entry)));
    error = errno;
    MutexLock lock(&mu_);
    hints_.push_back(std::move(hint));
  }
  errno = error;
  return fd;
}

std::shared_ptr<VolumeFiles::File> VolumeFiles::SlotLocked(uint32_t index) {
  std::shared_ptr<File>& slot = shared_[index];
  if (slot == nullptr) slot = std::make_shared<File>();
  return slot;
}

UniqueFd VolumeFiles::OpenByAnotherName(uint32_t index) {
  const std::vector<VolumePlan::Entry>& entries = plan_->entries();
  for (uint32_t link = index + 1; link < entries.size(); ++link) {
    if (entries[link].link_to != index) continue;
    UniqueFd fd = OpenFile(link);
    struct stat info {};
    if (fd.valid() && fstat(fd.get(), &info) == 0 && info.st_dev == entries[index].device &&
        info.st_ino == entries[index].inode) {
      return fd;
    }
  }
  return UniqueFd();
}

std::shared_ptr<VolumeFiles::File> VolumeFiles::Open(uint32_t index) {
  std::shared_ptr<File> file;
  {
    MutexLock lock(&mu_);
    file = SlotLocked(index);
  }
  Decide(index, file.get());
  return file;
}

bool VolumeFiles::IsPresent(uint32_t index) {
  std::shared_ptr<File> file;
  {
    MutexLock lock(&mu_);
    const auto decided = linked_present_.find(index);
    if (decided != linked_present_.end()) return decided->second;
    // Whoever decides it notes that before the slot is forgotten.
    file = SlotLocked(index);
  }
  Decide(index, file.get());
  return file->present();
}

void VolumeFiles::Decide(uint32_t index, File* file) {
  const VolumePlan::Entry& entry = plan_->entries()[index];
  // Two threads may meet here; the second waits until the first has decided.
  MutexLock file_lock(&file->mu_);
  if (std::exchange(file->decided_, true)) return;
  file->bytes_left_ = entry.end_offset() - entry.tar_offset;
  UniqueFd fd = OpenFile(index);
  const int error = errno;
  struct stat info {};
  const auto is_planned_file = [&] {
    return fd.valid() && fstat(fd.get(), &info) == 0 && S_ISREG(info.st_mode) &&
           info.st_dev == entry.device && info.st_ino == entry.inode;
  };
  bool planned_file = is_planned_file();
  if (!planned_file && entry.has_links) {
    if (UniqueFd other = OpenByAnotherName(index); other.valid()) {
      fd = std::move(other);
      planned_file = is_planned_file();
    }
  }
  if (planned_file) {
    file->fd_ = std::move(fd);
  } else if (!fd.valid()) {
    if (MeansGone(error)) {
      warnings_->Add(plan_->PathOf(index), "vanished before it was read; left out");
    } else {
      warnings_->AddMissing(plan_->PathOf(index),
                            absl::StrCat("cannot be read, left out: ", strerror(error)));
    }
  } else if (!S_ISREG(info.st_mode)) {
    warnings_->Add(plan_->PathOf(index), "is no longer a file; left out");
  } else {
    file->warned_ = true;
    warnings_->Add(plan_->PathOf(index),
                   "was replaced by another file; the new content was stored at the old size");
    file->fd_ = std::move(fd);
  }
  if (entry.has_links) {
    MutexLock lock(&mu_);
    linked_present_[index] = file->present();
  }
}

void VolumeFiles::Read(uint32_t index, File* file, uint64_t offset, MutableByteSpan out) {
  while (!out.empty()) {
    const ssize_t count =
        pread(file->fd_.get(), out.data(), out.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      if (count < 0) {
        WarnOnce(index, file,
                 absl::StrCat("read error at byte ", offset, ", zeros stored: ", strerror(errno)),
                 true);
      } else {
        WarnOnce(index, file,
                 absl::StrCat("shrank to ", offset,
                              " bytes while it was read; zeros stored for the rest"),
                 false);
      }
      std::fill(out.begin(), out.end(), uint8_t{0});
      return;
    }
    offset += static_cast<uint64_t>(count);
    out = out.subspan(static_cast<size_t>(count));
  }
}

void VolumeFiles::Produced(uint32_t index, const std::shared_ptr<File>& file, uint64_t bytes) {
  {
    MutexLock lock(&file->mu_);
    file->bytes_left_ -= bytes;
    if (file->bytes_left_ > 0) return;
  }
  if (file->present()) CheckUnchanged(index, file.get());
  MutexLock lock(&mu_);
  shared_.erase(index);
}

void VolumeFiles::CheckUnchanged(uint32_t index, File* file) {
  const VolumePlan::Entry& entry = plan_->entries()[index];
  struct stat info {};
  if (fstat(file->fd_.get(), &info) != 0) return;
  const uint64_t bytes = static_cast<uint64_t>(info.st_size);
  if (bytes > entry.bytes) {
    WarnOnce(index, file, absl::StrCat("grew to ", bytes, " bytes; cut at ", entry.bytes), false);
  } else if (info.st_mtim.tv_sec != entry.mtime_seconds ||
             info.st_mtim.tv_nsec != entry.mtime_nanoseconds) {
    WarnOnce(index, file, "changed since the backup began", false);
  }
}

void VolumeFiles::WarnOnce(uint32_t index, File* file, std::string_view what, bool missing) {
  {
    MutexLock lock(&file->mu_);
    if (std::exchange(file->warned_, true)) return;
  }
  if (missing) {
    warnings_->AddMissing(plan_->PathOf(index), what);
  } else {
    warnings_->Add(plan_->PathOf(index), what);
  }
}

}  // namespace volstream
