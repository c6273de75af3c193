#include "stages/local_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "engine/status_macros.h"
#include "stages/beneath.h"
#include "stages/digest.h"
#include "stages/error_kind.h"
#include "stages/local_file.h"

namespace volstream {
namespace {

// Times that the file may be replaced under our eyes by runs that end, before that is an error.
constexpr int kMaxTries = 100;
constexpr size_t kMaxLockBytes = 4096;

std::string PathOf(const std::string& directory, std::string_view stem) {
  return absl::StrCat(directory, "/.", LockNameOf(stem));
}

// What flock cannot do everywhere: some network and user-space file systems have no locks.
bool IsUnsupported(int error) {
  return error == EOPNOTSUPP || error == ENOLCK || error == ENOSYS || error == EINVAL;
}

// Whether the path still leads to the open file: its last holder removes it when it ends.
bool IsStillThere(int fd, const std::string& path) {
  struct stat open {};
  struct stat named {};
  return fstat(fd, &open) == 0 && lstat(path.c_str(), &named) == 0 && open.st_dev == named.st_dev &&
         open.st_ino == named.st_ino;
}

LockInfo Describe(int fd, const std::string& path, std::string_view stem) {
  LockInfo info;
  info.stem = std::string(stem);
  info.url = path;
  std::string text(kMaxLockBytes, '\0');
  const ssize_t bytes = pread(fd, text.data(), text.size(), 0);
  text.resize(bytes < 0 ? 0 : static_cast<size_t>(bytes));
  if (absl::StatusOr<LockOwner> owner = LockOwner::FromJson(text); owner.ok()) {
    info.owner = *std::move(owner);
  }
  return info;
}

class LocalLock : public StorageLock {
 public:
  LocalLock(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  void AddNote(std::string text) { notes_.push_back(std::move(text)); }

  absl::Status Refresh() override {
    if (IsStillThere(fd_.get(), path_)) return absl::OkStatus();
    return MakeError(
        ErrorKind::kBusy, absl::StatusCode::kAborted,
        absl::StrCat("the lock ", path_, " was removed: another run may be at work there"));
  }

  absl::Status Release() override {
    absl::Status status;
    // Removed while it is locked: whoever has opened it meanwhile sees that the name is gone.
    if (IsStillThere(fd_.get(), path_) && unlink(path_.c_str()) != 0 && errno != ENOENT) {
      status = FileError(errno, absl::StrCat("cannot remove the lock ", path_));
    }
    fd_.Reset();
    return status;
  }

 private:
  UniqueFd fd_;
  const std::string path_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<StorageLock>> TakeLocalLock(const std::string& directory,
                                                           std::string_view stem) {
  const std::string path = PathOf(directory, stem);
  for (int i = 0; i < kMaxTries; ++i) {
    UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644));
    if (!fd.valid()) return FileError(errno, absl::StrCat("cannot make the lock ", path));
    bool supported = true;
    if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) {
        // Else it was given up before it was looked at.
        if (!IsStillThere(fd.get(), path)) continue;
        LockInfo info = Describe(fd.get(), path, stem);
        info.held = true;
        return LockHeldError(info, directory);
      }
      if (!IsUnsupported(errno)) {
        return FileError(errno, absl::StrCat("cannot lock ", path));
      }
      supported = false;
    }
    if (!IsStillThere(fd.get(), path)) continue;
    // On a full disk the lock says less of its holder, and holds all the same.
    const std::string text = LockOwner::OfThisProcess(absl::Now(), absl::ZeroDuration()).ToJson();
    if (ftruncate(fd.get(), 0) == 0) WriteAt(fd.get(), 0, AsBytes(text), path).IgnoreError();
    auto lock = std::make_unique<LocalLock>(std::move(fd), path);
    if (!supported) {
      lock->AddNote(absl::StrCat("the file system of ", directory,
                                 " has no locks: see to it yourself that no two runs work there at "
                                 "once"));
    }
    return lock;
  }
  return absl::AbortedError(
      absl::StrCat("the lock ", path, " changes hands all the time: run again later"));
}

std::vector<LockInfo> FindLocalLocks(const std::string& directory,
                                     const std::vector<std::string>& names, std::string_view stem) {
  std::vector<LockInfo> locks;
  for (const std::string& name : names) {
    if (!name.starts_with('.')) continue;
    const std::string_view found = StemOfLock(std::string_view(name).substr(1));
    if (found.empty() || (!stem.empty() && found != stem)) continue;
    const std::string path = PathOf(directory, found);
    const UniqueFd fd(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd.valid()) continue;
    LockInfo info = Describe(fd.get(), path, found);
    // A shared lock for a moment would keep out a run that begins just now, hence the second way.
    info.held = StateOf(info.owner) == ProcessState::kRuns ||
                (flock(fd.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK);
    locks.push_back(std::move(info));
  }
  return locks;
}

absl::Status BreakLocalLock(const std::string& directory, std::string_view stem) {
  const std::string path = PathOf(directory, stem);
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!fd.valid()) {
    return errno == ENOENT ? absl::OkStatus() : FileError(errno, path);
  }
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    return LockHeldError(Describe(fd.get(), path, stem), directory);
  }
  if (!IsStillThere(fd.get(), path)) return absl::OkStatus();
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return FileError(errno, path);
  return absl::OkStatus();
}

}  // namespace volstream
