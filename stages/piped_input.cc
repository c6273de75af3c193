#include "stages/piped_input.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"

namespace volstream {

absl::StatusOr<std::unique_ptr<PipedInput>> PipedInput::Open(int fd) {
  if (isatty(fd) != 0) {
    return absl::FailedPreconditionError(
        "standard input is a terminal: pipe a stream into volstream, or name a directory");
  }
  UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.valid()) return absl::ErrnoToStatus(errno, "cannot make an eventfd");
  std::unique_ptr<PipedInput> input(new PipedInput(fd, std::move(wake)));
  input->first_.resize(kTarBlockBytes);
  size_t bytes = 0;
  while (bytes < input->first_.size()) {
    VS_ASSIGN_OR_RETURN(const size_t count,
                        input->ReadPipe(MutableByteSpan(input->first_).subspan(bytes)));
    if (count == 0) break;
    bytes += count;
  }
  if (bytes == 0) {
    return absl::FailedPreconditionError(
        "standard input gave no bytes, so nothing is stored: see whether the command before the "
        "pipe failed");
  }
  input->first_.resize(bytes);
  input->is_tar_ =
      bytes == kTarBlockBytes && !IsZero(input->first_) && TarWatch().Feed(input->first_).ok();
  return input;
}

absl::StatusOr<size_t> PipedInput::ReadPipe(MutableByteSpan out) {
  while (true) {
    pollfd waiting[2] = {{fd_, POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    if (poll(waiting, 2, -1) < 0) {
      if (errno == EINTR) continue;
      return absl::ErrnoToStatus(errno, "cannot wait for standard input");
    }
    if (waiting[1].revents != 0) return absl::CancelledError("cancelled");
    const ssize_t count = read(fd_, out.data(), out.size());
    if (count >= 0) return static_cast<size_t>(count);
    if (errno != EINTR && errno != EAGAIN) {
      return absl::ErrnoToStatus(errno, "cannot read standard input");
    }
  }
}

absl::StatusOr<size_t> PipedInput::Read(MutableByteSpan out) {
  size_t bytes = 0;
  if (taken_ < first_.size()) {
    bytes = std::min(out.size(), first_.size() - taken_);
    std::copy_n(first_.begin() + static_cast<ptrdiff_t>(taken_), bytes, out.begin());
    taken_ += bytes;
  } else {
    VS_ASSIGN_OR_RETURN(bytes, ReadPipe(out));
  }
  if (!is_tar_) return bytes;
  const absl::Status status = bytes == 0 ? watch_.Finish() : watch_.Feed(out.first(bytes));
  if (status.ok()) return bytes;
  return absl::DataLossError(absl::StrCat(
      "standard input began as a tar stream and is not a whole one: ", status.message(),
      "; see whether the command before the pipe failed"));
}

void PipedInput::Cancel() {
  // Only fails when the counter is full: it is readable then as well.
  eventfd_write(wake_.get(), 1);
}

}  // namespace volstream
