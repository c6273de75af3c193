#include "stages/file_write.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "stages/entry_path.h"

namespace volstream {
namespace {

// 0 or an errno.
int WriteAll(int fd, uint64_t offset, ByteSpan bytes) {
  while (!bytes.empty()) {
    const ssize_t count = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    offset += static_cast<uint64_t>(count);
    bytes = bytes.subspan(static_cast<size_t>(count));
  }
  return 0;
}

void RaiseTo(uint64_t value, std::atomic<uint64_t>* maximum) {
  uint64_t before = maximum->load();
  while (before < value && !maximum->compare_exchange_weak(before, value)) {
  }
}

}  // namespace

FileWrite::FileWrite(FileWriteContext* context, Plan plan)
    : context_(context),
      plan_(std::move(plan)),
      name_(plan_.directory->fd(), std::string(Split(plan_.path).name)) {}

void FileWrite::Report(std::string_view what, int error) {
  context_->error->Set(context_->problems->Failed(plan_.path, what, error));
}

bool FileWrite::Open() {
  if (context_->error->failed()) return false;
  mode_is_set_ = CanBeMadeWithMode(plan_.metadata, plan_.directory->inherits(), context_->umask);
  // Private until its owner and mode are what they are to be.
  const mode_t mode = mode_is_set_ ? plan_.metadata.mode : 0600;
  const NewName::Outcome outcome = name_.Make(plan_.rules, [&](const std::string& name) {
    fd_ = UniqueFd(openat(plan_.directory->fd(), name.c_str(),
                          O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, mode));
    return fd_.valid() ? 0 : errno;
  });
  switch (outcome) {
    case NewName::Outcome::kMade:
      context_->open_files.fetch_add(1);
      return true;
    case NewName::Outcome::kKept:
      context_->kept.fetch_add(1);
      return false;
    case NewName::Outcome::kFailed:
      break;
  }
  Report("cannot make", name_.error());
  return false;
}

bool FileWrite::Close() {
  if (!fd_.valid()) return true;
  const bool closed = fd_.Reset() == 0 || errno == EINTR;
  context_->open_files.fetch_sub(1);
  return closed;
}

void FileWrite::Fail(int error) {
  int none = 0;
  error_.compare_exchange_strong(none, error);
  // The rest of a large archive is not to be read for nothing.
  if (TreeProblems::IsFinal(error)) Report("cannot write", error);
}

void FileWrite::Write(const EntryData& data) {
  if (error_.load() != 0 || context_->error->failed()) return;
  if (data.offset >= plan_.bytes) return;
  const ByteSpan bytes = data.content.bytes.first(static_cast<size_t>(
      std::min<uint64_t>(data.content.bytes.size(), plan_.bytes - data.offset)));
  const int error = WriteAll(fd_.get(), data.offset, bytes);
  if (error != 0) return Fail(error);
  RaiseTo(data.offset + bytes.size(), &end_);
  context_->file_bytes.fetch_add(bytes.size(), std::memory_order_relaxed);
}

void FileWrite::Complete() {
  // What was made goes again.
  if (context_->error->failed()) return;
  if (error_.load() != 0) return Report("cannot write", error_.load());
  if (end_.load() < plan_.bytes && ftruncate(fd_.get(), static_cast<off_t>(plan_.bytes)) != 0) {
    return Report("cannot size", errno);
  }
  const std::string problems = ApplyMetadata(
      fd_.get(), plan_.metadata,
      MetadataSubject{
          .is_new = true, .inherits = plan_.directory->inherits(), .mode_is_set = mode_is_set_});
  // Some file systems say only now that there is no room.
  if (!Close()) return Report("cannot write", errno);
  if (!name_.Commit()) return Report("cannot replace", name_.error());
  context_->on_made(plan_.path);
  if (!problems.empty()) context_->problems->Warn(plan_.path, problems);
}

}  // namespace volstream
