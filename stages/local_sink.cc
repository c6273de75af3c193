#include "stages/local_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/mutex.h"
#include "engine/status_macros.h"
#include "stages/error_kind.h"
#include "stages/local_file.h"

namespace volstream {

LocalSink::LocalSink(std::string directory, std::string name)
    : directory_(std::move(directory)),
      name_(std::move(name)),
      partial_(PartialNameOf(name_)),
      path_(absl::StrCat(directory_, "/", name_)) {}

LocalSink::~LocalSink() { StopWriter(); }

absl::Status LocalSink::Begin(const StreamShape& shape) {
  (void)shape;
  dir_fd_ = UniqueFd(open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!dir_fd_.valid()) return FileError(errno, absl::StrCat("destination ", directory_));
  file_fd_ = UniqueFd(
      openat(dir_fd_.get(), partial_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file_fd_.valid()) return FileError(errno, path_);
  if (flock(file_fd_.get(), LOCK_EX | LOCK_NB) != 0) {
    const absl::Status status = FileError(errno, absl::StrCat("cannot lock ", path_));
    unlinkat(dir_fd_.get(), partial_.c_str(), 0);
    return status;
  }
  // Between its creation and the lock another run may have taken the file for a dead one's.
  struct stat info {};
  if (fstat(file_fd_.get(), &info) != 0 || info.st_nlink == 0) {
    return absl::AbortedError(absl::StrCat(path_, ": another run removed it: run again"));
  }
  writer_ = std::thread([this] { WriteLoop(); });
  return absl::OkStatus();
}

void LocalSink::Put(std::shared_ptr<const Part> part, Done done) {
  {
    MutexLock lock(&mu_);
    if (!cancelled_) {
      jobs_.push_back(Job{std::move(part), std::move(done)});
      return;
    }
  }
  part.reset();
  done(absl::CancelledError(absl::StrCat(path_, ": cancelled")));
}

void LocalSink::Cancel() {
  MutexLock lock(&mu_);
  cancelled_ = true;
}

void LocalSink::WriteLoop() {
  while (true) {
    Job job;
    bool cancelled = false;
    {
      MutexLock lock(&mu_);
      mu_.Await([this] { return HasWork(); });
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
      cancelled = cancelled_;
    }
    absl::Status status =
        cancelled ? absl::CancelledError(absl::StrCat(path_, ": cancelled")) : WritePart(*job.part);
    job.part.reset();
    job.done(std::move(status));
  }
}

absl::Status LocalSink::WritePart(const Part& part) {
  VS_RETURN_IF_ERROR(WriteAt(file_fd_.get(), part.offset, part.data(), path_));
  // Starts the write-back now, so that the fsync at the end finds little to do. Advice only.
  (void)sync_file_range(file_fd_.get(), static_cast<off64_t>(part.offset),
                        static_cast<off64_t>(part.bytes), SYNC_FILE_RANGE_WRITE);
  return absl::OkStatus();
}

void LocalSink::StopWriter() {
  {
    MutexLock lock(&mu_);
    ending_ = true;
  }
  if (writer_.joinable()) writer_.join();
}

absl::StatusOr<std::string> LocalSink::Finish(const StreamSummary& summary) {
  StopWriter();
  struct stat info {};
  absl::Status status;
  if (fstat(file_fd_.get(), &info) != 0) {
    status = FileError(errno, path_);
  } else if (static_cast<uint64_t>(info.st_size) != summary.bytes) {
    status = MakeError(ErrorKind::kIntegrity, absl::StatusCode::kDataLoss,
                       absl::StrCat(path_, ": ", summary.bytes, " bytes written, but the file has ",
                                    info.st_size));
  } else {
    status = Publish(dir_fd_.get(), file_fd_.get(), partial_, name_, /*replace=*/false, path_);
  }
  if (!status.ok()) {
    unlinkat(dir_fd_.get(), partial_.c_str(), 0);
    return status;
  }
  file_fd_.Reset();
  return std::string();
}

absl::Status LocalSink::Abort() {
  StopWriter();
  if (unlinkat(dir_fd_.get(), partial_.c_str(), 0) != 0 && errno != ENOENT) {
    return FileError(errno, absl::StrCat("cannot remove ", directory_, "/", partial_));
  }
  file_fd_.Reset();
  return absl::OkStatus();
}

}  // namespace volstream
