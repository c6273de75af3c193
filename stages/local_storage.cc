#include "stages/local_storage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/archive_name.h"
#include "stages/beneath.h"
#include "stages/digest.h"
#include "stages/error_kind.h"
#include "stages/local_file.h"
#include "stages/local_lock.h"
#include "stages/local_sink.h"

namespace volstream {
namespace {

struct CloseDir {
  void operator()(DIR* dir) const { closedir(dir); }
};

class LocalStorage : public Storage {
 public:
  explicit LocalStorage(std::string directory) : directory_(std::move(directory)) {
    while (directory_.size() > 1 && directory_.back() == '/') directory_.pop_back();
  }

  StorageKind kind() const override { return StorageKind::kLocal; }
  std::string Url() const override { return directory_; }
  std::string UrlOf(std::string_view name) const override {
    return std::string(directory_ == "/" ? "" : directory_).append("/").append(name);
  }

  PartLimits part_limits() const override { return kNoPartLimits; }

  absl::Status Check() override;
  absl::Status ForEach(std::string_view name_prefix, const ObjectVisitor& visit) override;
  absl::StatusOr<ObjectInfo> Stat(std::string_view name) override;
  absl::StatusOr<std::unique_ptr<PartSink>> NewSink(std::string_view name) override {
    return std::make_unique<LocalSink>(directory_, std::string(name));
  }
  absl::StatusOr<std::string> ReadAll(std::string_view name) override;
  absl::Status Write(std::string_view name, std::string_view contents) override;
  absl::StatusOr<size_t> ReadAt(std::string_view name, uint64_t offset,
                                MutableByteSpan out) override;
  absl::Status RemoveEach(const std::vector<std::string>& names,
                          const RemovalFailure& failed) override;
  absl::StatusOr<std::unique_ptr<StorageLock>> Lock(std::string_view stem) override {
    return TakeLocalLock(directory_, stem);
  }
  absl::StatusOr<std::vector<LockInfo>> Locks(std::string_view stem) override {
    VS_ASSIGN_OR_RETURN(const UniqueFd dir, OpenDirectory());
    VS_ASSIGN_OR_RETURN(const std::vector<std::string> names, NamesIn(dir.get()));
    return FindLocalLocks(directory_, names, stem);
  }
  absl::Status BreakLock(std::string_view stem) override {
    return BreakLocalLock(directory_, stem);
  }
  absl::StatusOr<std::vector<std::string>> RemoveStale(std::string_view stem,
                                                       absl::Time older_than) override;

 private:
  absl::StatusOr<UniqueFd> OpenDirectory() const;
  absl::StatusOr<std::vector<std::string>> NamesIn(int dir_fd) const;

  std::string directory_;
};

absl::Status LocalStorage::Check() {
  struct stat info {};
  if (stat(directory_.c_str(), &info) != 0) {
    if (errno != ENOENT) return FileError(errno, absl::StrCat("destination ", directory_));
    if (mkdir(directory_.c_str(), 0777) != 0) {
      if (errno == ENOENT) {
        return absl::NotFoundError(absl::StrCat(
            "destination ", directory_, " and its parent do not exist: make the directory"));
      }
      return FileError(errno, absl::StrCat("cannot make destination ", directory_));
    }
    return absl::OkStatus();
  }
  if (!S_ISDIR(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat("destination ", directory_, " is not a directory: give a directory"));
  }
  if (access(directory_.c_str(), R_OK | W_OK | X_OK) != 0) {
    return FileError(errno, absl::StrCat("destination ", directory_));
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> LocalStorage::OpenDirectory() const {
  UniqueFd fd(open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) {
    if (errno == ENOENT) {
      return absl::NotFoundError(absl::StrCat(directory_, " does not exist: check the path"));
    }
    return ReadError(errno, directory_);
  }
  return fd;
}

absl::StatusOr<std::vector<std::string>> LocalStorage::NamesIn(int dir_fd) const {
  const int copy = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
  std::unique_ptr<DIR, CloseDir> dir(copy < 0 ? nullptr : fdopendir(copy));
  if (dir == nullptr) {
    const int error = errno;
    if (copy >= 0) close(copy);
    return ReadError(error, directory_);
  }
  std::vector<std::string> names;
  while (true) {
    errno = 0;
    const dirent* entry = readdir(dir.get());
    if (entry == nullptr) break;
    names.emplace_back(entry->d_name);
  }
  if (errno != 0) return ReadError(errno, directory_);
  std::sort(names.begin(), names.end());
  return names;
}

absl::Status LocalStorage::ForEach(std::string_view name_prefix, const ObjectVisitor& visit) {
  VS_ASSIGN_OR_RETURN(const UniqueFd dir, OpenDirectory());
  VS_ASSIGN_OR_RETURN(const std::vector<std::string> names, NamesIn(dir.get()));
  for (const std::string& name : names) {
    if (name.starts_with('.') || !name.starts_with(name_prefix)) continue;
    struct stat info {};
    // A symlink to an archive is an archive; a name that vanished meanwhile is none.
    if (fstatat(dir.get(), name.c_str(), &info, 0) != 0 || !S_ISREG(info.st_mode)) continue;
    VS_RETURN_IF_ERROR(visit(ObjectInfo{name, static_cast<uint64_t>(info.st_size),
                                        absl::TimeFromTimespec(info.st_mtim), ""}));
  }
  return absl::OkStatus();
}

absl::StatusOr<ObjectInfo> LocalStorage::Stat(std::string_view name) {
  const std::string path = UrlOf(name);
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return ReadError(errno, path);
  if (!S_ISREG(info.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(path, " is not a file"));
  }
  return ObjectInfo{std::string(name), static_cast<uint64_t>(info.st_size),
                    absl::TimeFromTimespec(info.st_mtim), ""};
}

absl::StatusOr<std::string> LocalStorage::ReadAll(std::string_view name) {
  // Receipts: the warnings in one are bounded, and so is the receipt.
  constexpr uint64_t kMaxBytes = 64 * kMiB;
  VS_ASSIGN_OR_RETURN(const ObjectInfo info, Stat(name));
  if (info.bytes > kMaxBytes) {
    return absl::ResourceExhaustedError(absl::StrCat(UrlOf(name), " is too large to be a receipt"));
  }
  std::string contents(info.bytes, '\0');
  VS_ASSIGN_OR_RETURN(
      const size_t bytes,
      ReadAt(name, 0,
             MutableByteSpan(reinterpret_cast<uint8_t*>(contents.data()), contents.size())));
  contents.resize(bytes);
  return contents;
}

absl::Status LocalStorage::Write(std::string_view name, std::string_view contents) {
  const std::string what = UrlOf(name);
  const std::string partial = PartialNameOf(name);
  VS_ASSIGN_OR_RETURN(const UniqueFd dir, OpenDirectory());
  UniqueFd file(openat(dir.get(), partial.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  // The lock tells RemoveStale of another run that this one lives.
  if (!file.valid() || flock(file.get(), LOCK_EX | LOCK_NB) != 0) return FileError(errno, what);
  if (ftruncate(file.get(), 0) != 0) return FileError(errno, what);
  absl::Status status = WriteAt(file.get(), 0, AsBytes(contents), what);
  if (status.ok()) {
    status = Publish(dir.get(), file.get(), partial, std::string(name), /*replace=*/true, what);
  }
  if (!status.ok()) unlinkat(dir.get(), partial.c_str(), 0);
  return status;
}

absl::StatusOr<size_t> LocalStorage::ReadAt(std::string_view name, uint64_t offset,
                                            MutableByteSpan out) {
  const std::string path = UrlOf(name);
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ReadError(errno, path);
  size_t total = 0;
  while (total < out.size()) {
    const ssize_t count =
        pread(fd.get(), out.data() + total, out.size() - total, static_cast<off_t>(offset + total));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ReadError(errno, path);
    if (count == 0) break;
    total += static_cast<size_t>(count);
  }
  return total;
}

absl::Status LocalStorage::RemoveEach(const std::vector<std::string>& names,
                                      const RemovalFailure& failed) {
  if (names.empty()) return absl::OkStatus();
  VS_ASSIGN_OR_RETURN(const UniqueFd dir, OpenDirectory());
  for (const std::string& name : names) {
    if (unlinkat(dir.get(), name.c_str(), 0) != 0 && errno != ENOENT) {
      failed(name, FileError(errno, absl::StrCat("cannot remove ", UrlOf(name))));
    }
  }
  if (fsync(dir.get()) != 0) return FileError(errno, directory_);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> LocalStorage::RemoveStale(std::string_view stem,
                                                                   absl::Time older_than) {
  (void)older_than;  // the lock says whether the writer lives, whatever its age
  VS_ASSIGN_OR_RETURN(const UniqueFd dir, OpenDirectory());
  VS_ASSIGN_OR_RETURN(const std::vector<std::string> names, NamesIn(dir.get()));
  std::vector<std::string> removed;
  for (const std::string& name : names) {
    const std::string_view final_name = NameOfPartial(name);
    if (!BelongsTo(final_name, stem)) continue;
    const UniqueFd file(
        openat(dir.get(), name.c_str(), O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!file.valid() || flock(file.get(), LOCK_EX | LOCK_NB) != 0) continue;
    if (unlinkat(dir.get(), name.c_str(), 0) == 0) {
      removed.push_back(absl::StrCat("the unfinished ", UrlOf(name), " of a run that died"));
    }
  }
  return removed;
}

}  // namespace

std::unique_ptr<Storage> OpenLocalStorage(std::string directory) {
  return std::make_unique<LocalStorage>(std::move(directory));
}

}  // namespace volstream
