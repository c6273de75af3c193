#include "tools/output.h"

#include <errno.h>

#include "engine/status_macros.h"
#include "stages/local_file.h"
#include "tools/commands.h"

namespace volstream {
namespace {

constexpr size_t kBufferBytes = 64 * kKiB;

}  // namespace

absl::Status Output::Write(std::string_view text) {
  VS_RETURN_IF_ERROR(status_);
  buffer_.append(text);
  return buffer_.size() < kBufferBytes ? absl::OkStatus() : Flush();
}

absl::Status Output::WriteThrough(ByteSpan bytes) {
  VS_RETURN_IF_ERROR(Flush());
  return WriteAll(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

absl::Status Output::Flush() {
  VS_RETURN_IF_ERROR(status_);
  const absl::Status status = WriteAll(buffer_.data(), buffer_.size());
  buffer_.clear();
  return status;
}

absl::Status Output::WriteAll(const char* data, size_t size) {
  while (size > 0 && status_.ok()) {
    const ssize_t count = write(fd_, data, size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      reader_gone_ = errno == EPIPE;
      status_ = FileError(errno, "cannot write to standard output");
      break;
    }
    data += count;
    size -= static_cast<size_t>(count);
  }
  return status_;
}

int Output::Finish(Log* log, const absl::Status& status) {
  const absl::Status flushed = Flush();
  if (reader_gone_) return kExitReaderGone;
  if (!status.ok()) return Fail(log, status);
  return flushed.ok() ? 0 : Fail(log, flushed);
}

}  // namespace volstream
