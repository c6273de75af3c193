#include "stages/volume_files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/mutex.h"

namespace volstream {
namespace {

// O_NONBLOCK: a FIFO that took the file's place must not hang the run. O_NOATIME leaves the volume
// as it was, where the caller owns the file.
constexpr int kReadFlags = O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY;

UniqueFd OpenForReading(int dir_fd, std::string_view name) {
  std::array<char, PATH_MAX> path;  // some file systems have names longer than NAME_MAX
  if (name.size() >= path.size()) {
    errno = ENAMETOOLONG;
    return UniqueFd();
  }
  path[name.copy(path.data(), path.size())] = '\0';
  UniqueFd fd(openat(dir_fd, path.data(), kReadFlags | O_NOATIME));
  if (!fd.valid() && errno == EPERM) fd = UniqueFd(openat(dir_fd, path.data(), kReadFlags));
  return fd;
}

// fstat of what was opened; a file of which nothing can be known is as good as not opened.
void StatOpened(UniqueFd* fd, int* error, struct stat* info) {
  if (!fd->valid() || fstat(fd->get(), info) == 0) return;
  *error = errno;
  fd->Reset();
}

// Errors that mean "no longer there as a file", as opposed to "there, but not for us".
bool MeansGone(int error) {
  return error == ENOENT || error == ENOTDIR || error == ELOOP || error == ENXIO;
}

}  // namespace

VolumeFiles::VolumeFiles(const VolumePlan* plan, Warnings* warnings)
    : plan_(plan),
      warnings_(warnings),
      max_pending_(std::min(kMaxPending, DescriptorLimit() / 4)) {}

UniqueFd VolumeFiles::OpenIn(DirectoryHint* hint, uint32_t index) {
  const VolumePlan::Entry& entry = plan_->entries()[index];
  if (hint->index != entry.parent || !hint->fd.valid()) {
    hint->index = entry.parent;
    hint->fd = OpenBeneath(plan_->root_fd(), plan_->PathOf(entry.parent), O_PATH | O_DIRECTORY);
    if (!hint->fd.valid()) return UniqueFd();
  }
  return OpenForReading(hint->fd.get(), plan_->NameOf(entry));
}

UniqueFd VolumeFiles::OpenFile(uint32_t index) {
  DirectoryHint hint;
  {
    MutexLock lock(&mu_);
    if (!hints_.empty()) {
      hint = std::move(hints_.back());
      hints_.pop_back();
    }
  }
  UniqueFd fd = OpenIn(&hint, index);
  const int error = errno;
  if (hint.fd.valid()) {
    MutexLock lock(&mu_);
    hints_.push_back(std::move(hint));
  }
  errno = error;
  return fd;
}

std::shared_ptr<VolumeFiles::File> VolumeFiles::SlotLocked(uint32_t index) {
  for (const auto& [open, file] : shared_) {
    if (open == index) return file;
  }
  return shared_.emplace_back(index, std::make_shared<File>()).second;
}

UniqueFd VolumeFiles::OpenByAnotherName(uint32_t index) {
  // Not a search for each: whole trees of hard links go at once where snapshots are rotated.
  std::call_once(links_once_, [this] {
    const Chunked<VolumePlan::Entry>& entries = plan_->entries();
    for (uint32_t link = 0; link < entries.size(); ++link) {
      if (entries[link].link_to != VolumePlan::kNone) {
        links_.emplace_back(entries[link].link_to, link);
      }
    }
    std::sort(links_.begin(), links_.end());
  });
  for (auto it = std::lower_bound(links_.begin(), links_.end(), std::pair(index, uint32_t{0}));
       it != links_.end() && it->first == index; ++it) {
    UniqueFd fd = OpenFile(it->second);
    struct stat info {};
    if (fd.valid() && fstat(fd.get(), &info) == 0 && IsPlanned(index, info)) {
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
    if (const std::optional<bool> decided = LinkedPresence(index); decided.has_value()) {
      return *decided;
    }
    // Whoever decides it notes that before the slot is forgotten.
    file = SlotLocked(index);
  }
  Decide(index, file.get());
  return file->present();
}

std::optional<bool> VolumeFiles::LinkedPresence(uint32_t index) const {
  if (linked_.empty()) return std::nullopt;
  const int bits = linked_[index / 4] >> (index % 4 * 2);
  if ((bits & 1) == 0) return std::nullopt;
  return (bits & 2) != 0;
}

void VolumeFiles::NoteLinkedPresence(uint32_t index, bool present) {
  if (linked_.empty()) linked_.resize(plan_->entries().size() / 4 + 1);
  linked_[index / 4] |= static_cast<uint8_t>((present ? 3 : 1) << (index % 4 * 2));
}

void VolumeFiles::Decide(uint32_t index, File* file) {
  const VolumePlan::Entry& entry = plan_->entries()[index];
  // Two threads may meet here; the second waits until the first has decided.
  MutexLock file_lock(&file->mu_);
  if (std::exchange(file->decided_, true)) return;
  file->bytes_left_ = entry.end_offset() - entry.tar_offset;
  UniqueFd fd = OpenFile(index);
  int error = errno;
  struct stat info {};
  StatOpened(&fd, &error, &info);
  if ((!fd.valid() || !IsPlanned(index, info)) && entry.has_links) {
    if (UniqueFd other = OpenByAnotherName(index); other.valid()) {
      fd = std::move(other);
      StatOpened(&fd, &error, &info);
    }
  }
  Accept(index, std::move(fd), error, info, file);
  if (entry.has_links) {
    MutexLock lock(&mu_);
    NoteLinkedPresence(index, file->present());
  }
}

bool VolumeFiles::IsPlanned(uint32_t index, const struct stat& info) const {
  const VolumePlan::Entry& entry = plan_->entries()[index];
  return S_ISREG(info.st_mode) && info.st_dev == entry.device && info.st_ino == entry.inode;
}

void VolumeFiles::Accept(uint32_t index, UniqueFd fd, int error, const struct stat& info,
                         File* file) {
  if (!fd.valid()) {
    if (MeansGone(error)) {
      warnings_->Add(plan_->PathOf(index), "vanished before it was read; left out");
    } else {
      warnings_->AddMissing(plan_->PathOf(index),
                            absl::StrCat("cannot be read, left out: ", strerror(error)));
    }
    return;
  }
  if (!S_ISREG(info.st_mode)) {
    warnings_->Add(plan_->PathOf(index), "is no longer a file; left out");
    return;
  }
  if (!IsPlanned(index, info)) {
    WarnOnce(index, file,
             "was replaced by another file; the new content was stored at the old size", false);
  }
  file->fd_ = std::move(fd);
}

void VolumeFiles::Read(uint32_t index, File* file, uint64_t offset, MutableByteSpan out) {
  const SparseMap* const map = plan_->SparseOf(plan_->entries()[index]);
  if (map == nullptr) {
    ReadRange(index, file, offset, out);
    return;
  }
  while (!out.empty()) {
    size_t bytes = 0;
    if (offset < map->text.size()) {
      bytes = map->text.copy(reinterpret_cast<char*>(out.data()), out.size(), offset);
    } else {
      const auto after = std::upper_bound(
          map->segments.begin(), map->segments.end(), offset,
          [](uint64_t wanted, const auto& segment) { return wanted < segment.stored_offset; });
      const SparseMap::Segment& segment = *(after - 1);
      const uint64_t within = offset - segment.stored_offset;
      bytes = std::min<uint64_t>(segment.bytes - within, out.size());
      ReadRange(index, file, segment.file_offset + within, out.first(bytes));
    }
    offset += bytes;
    out = out.subspan(bytes);
  }
}

void VolumeFiles::ReadRange(uint32_t index, File* file, uint64_t offset, MutableByteSpan out) {
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

bool VolumeFiles::Batch::Read(uint32_t index, MutableByteSpan out) {
  VolumeFiles& files = *files_;
  UniqueFd fd = files.OpenIn(&hint_, index);
  if (!fd.valid() && (errno == EMFILE || errno == ENFILE) && !pending_.empty()) {
    Collect();
    fd = files.OpenIn(&hint_, index);
  }
  int error = errno;
  ssize_t count = 0;
  if (fd.valid() && !out.empty() && files.nowait_works_.load(std::memory_order_relaxed)) {
    const iovec target{out.data(), out.size()};
    count = preadv2(fd.get(), &target, 1, 0, RWF_NOWAIT);
    if (count < 0 && errno == EOPNOTSUPP) files.nowait_works_ = false;
  }
  struct stat info {};
  StatOpened(&fd, &error, &info);
  // The common case, without a File: the planned one, all of it in the cache, unchanged since.
  const bool whole = count == static_cast<ssize_t>(out.size());
  const VolumePlan::Entry& entry = files.plan_->entries()[index];
  if (fd.valid() && whole && files.IsPlanned(index, info) &&
      static_cast<uint64_t>(info.st_size) == entry.bytes &&
      info.st_mtim.tv_sec == entry.mtime_seconds &&
      info.st_mtim.tv_nsec == entry.mtime_nanoseconds) {
    return true;
  }
  auto file = std::make_unique<File>();
  files.Accept(index, std::move(fd), error, info, file.get());
  if (!file->present()) return false;
  if (whole) {
    files.Compare(index, file.get(), info);
    return true;
  }
  posix_fadvise(file->fd_.get(), 0, 0, POSIX_FADV_WILLNEED);
  const size_t done = count > 0 ? static_cast<size_t>(count) : 0;
  pending_.push_back(Pending{index, std::move(file), done, out.subspan(done)});
  if (files.pending_count_.fetch_add(1) >= files.max_pending_) Collect();
  return true;
}

void VolumeFiles::Batch::Collect() {
  for (Pending& pending : pending_) {
    files_->ReadRange(pending.index, pending.file.get(), pending.offset, pending.out);
    files_->CheckUnchanged(pending.index, pending.file.get());
    pending.file.reset();
  }
  files_->pending_count_ -= static_cast<int>(pending_.size());
  pending_.clear();
}

void VolumeFiles::Produced(uint32_t index, const std::shared_ptr<File>& file, uint64_t bytes) {
  {
    MutexLock lock(&file->mu_);
    file->bytes_left_ -= bytes;
    if (file->bytes_left_ > 0) return;
  }
  if (file->present()) CheckUnchanged(index, file.get());
  MutexLock lock(&mu_);
  std::erase_if(shared_, [index](const auto& slot) { return slot.first == index; });
}

void VolumeFiles::CheckUnchanged(uint32_t index, File* file) {
  struct stat info {};
  if (fstat(file->fd_.get(), &info) == 0) Compare(index, file, info);
}

void VolumeFiles::Compare(uint32_t index, File* file, const struct stat& info) {
  const VolumePlan::Entry& entry = plan_->entries()[index];
  const SparseMap* const map = plan_->SparseOf(entry);
  const uint64_t planned = map != nullptr ? map->file_bytes : entry.bytes;
  const uint64_t bytes = static_cast<uint64_t>(info.st_size);
  if (bytes > planned) {
    WarnOnce(index, file, absl::StrCat("grew to ", bytes, " bytes; cut at ", planned), false);
  } else if (info.st_mtim.tv_sec != entry.mtime_seconds ||
             info.st_mtim.tv_nsec != entry.mtime_nanoseconds) {
    WarnOnce(index, file, "changed since the backup began", false);
  }
}

void VolumeFiles::WarnOnce(uint32_t index, File* file, std::string_view what, bool missing) {
  // Not under the file's lock, which whoever decides on it holds.
  // That something is missing must be counted, whatever was said before.
  const bool warned = file->warned_.exchange(true);
  if (missing ? file->missing_.exchange(true) : warned) return;
  if (missing) {
    warnings_->AddMissing(plan_->PathOf(index), what);
  } else {
    warnings_->Add(plan_->PathOf(index), what);
  }
}

}  // namespace volstream
