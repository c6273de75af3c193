#include "stages/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/error_kind.h"

namespace volstream {
namespace {

bool SameFile(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

bool IsZero(ByteSpan data) {
  return std::all_of(data.begin(), data.end(), [](uint8_t byte) { return byte == 0; });
}

// A file in `directory` that has no name.
absl::StatusOr<UniqueFd> OpenUnnamed(const std::string& directory) {
  UniqueFd fd(open(directory.c_str(), O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600));
  // What file systems (or kernels) without it answer; the rest is an error of the directory.
  if (!fd.valid() && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
    std::string name = absl::StrCat(directory, "/.volstream-spool-XXXXXX");
    fd = UniqueFd(mkostemp(name.data(), O_CLOEXEC));
    if (fd.valid()) unlink(name.c_str());
  }
  if (!fd.valid()) {
    const int error = errno;
    return absl::ErrnoToStatus(
        error, absl::StrCat("cannot make a file in spool directory ", directory,
                            ": name one on a disk with room that this user may write to"));
  }
  return fd;
}

// Whether `directory` is `ancestor` or lies somewhere below it, by whatever path it was opened.
absl::StatusOr<bool> IsInside(UniqueFd directory, const struct stat& ancestor) {
  struct stat here {};
  if (fstat(directory.get(), &here) != 0) return absl::ErrnoToStatus(errno, "stat");
  while (true) {
    if (SameFile(here, ancestor)) return true;
    UniqueFd parent(openat(directory.get(), "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
    struct stat above {};
    if (!parent.valid() || fstat(parent.get(), &above) != 0) {
      return absl::ErrnoToStatus(errno, "cannot look at its parents");
    }
    if (SameFile(here, above)) return false;
    directory = std::move(parent);
    here = above;
  }
}

}  // namespace

absl::Status CheckSpoolDirectory(const std::string& directory, const std::string& volume_root) {
  const auto error = [&](absl::string_view what) {
    return MakeError(ErrorKind::kPrerequisite, absl::StatusCode::kFailedPrecondition,
                     absl::StrCat("spool directory ", directory, " ", what));
  };
  UniqueFd fd(open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) {
    return error(
        absl::StrCat("cannot be opened (", strerror(errno), "): make it, or name another"));
  }
  struct stat root {};
  if (stat(volume_root.c_str(), &root) != 0) {
    return MakeError(ErrorKind::kVolumeNotFound, absl::StatusCode::kNotFound,
                     absl::StrCat("source ", volume_root, " cannot be read (", strerror(errno),
                                  "): check the path"));
  }
  const absl::StatusOr<bool> inside = IsInside(std::move(fd), root);
  if (!inside.ok()) return error(inside.status().message());
  if (*inside) {
    return error(absl::StrCat("lies inside the volume ", volume_root, ": name one outside of it"));
  }
  const absl::StatusOr<UniqueFd> trial = OpenUnnamed(directory);
  if (!trial.ok()) return WithKind(trial.status(), ErrorKind::kPrerequisite);
  return absl::OkStatus();
}

std::unique_ptr<SpoolFile> Spool::NewFile() {
  return std::unique_ptr<SpoolFile>(new SpoolFile(this));
}

uint64_t Spool::memory_bytes_used() const {
  MutexLock lock(&mu_);
  return memory_chunks_ * kSpoolChunkBytes;
}

uint64_t Spool::disk_bytes_used() const {
  MutexLock lock(&mu_);
  return disk_chunks_ * kSpoolChunkBytes;
}

uint64_t Spool::memory_chunks_bound() const { return options_.memory_bytes / kSpoolChunkBytes; }

uint64_t Spool::disk_chunks_bound() const {
  return options_.directory.empty() ? 0 : options_.disk_bytes / kSpoolChunkBytes;
}

uint64_t Spool::bytes_left() const {
  MutexLock lock(&mu_);
  return (memory_chunks_bound() - memory_chunks_ + disk_chunks_bound() - disk_chunks_) *
         kSpoolChunkBytes;
}

Spool::Place Spool::TakeChunk() {
  MutexLock lock(&mu_);
  if (memory_chunks_ < memory_chunks_bound()) {
    ++memory_chunks_;
    return Place::kMemory;
  }
  if (disk_chunks_ < disk_chunks_bound()) {
    ++disk_chunks_;
    return Place::kDisk;
  }
  return Place::kNone;
}

void Spool::GiveBack(Place place) {
  MutexLock lock(&mu_);
  if (place == Place::kMemory) --memory_chunks_;
  if (place == Place::kDisk) --disk_chunks_;
}

SpoolFile::~SpoolFile() {
  // First the space, then the right to it.
  disk_.Reset();
  for (Chunk& chunk : chunks_) {
    chunk.memory.reset();
    spool_->GiveBack(chunk.place);
  }
}

absl::Status SpoolFile::Read(uint64_t offset, MutableByteSpan out) const {
  if (offset > bytes_ || out.size() > bytes_ - offset) {
    return absl::OutOfRangeError(absl::StrCat("read of ", out.size(), " bytes at ", offset,
                                              " of a spooled copy of ", bytes_));
  }
  while (!out.empty()) {
    const size_t index = static_cast<size_t>(offset / kSpoolChunkBytes);
    const size_t in_chunk = static_cast<size_t>(offset % kSpoolChunkBytes);
    size_t count = std::min<size_t>(out.size(), kSpoolChunkBytes - in_chunk);
    const Spool::Place place = index < chunks_.size() ? chunks_[index].place : Spool::Place::kNone;
    if (place == Spool::Place::kMemory) {
      std::memcpy(out.data(), chunks_[index].memory.get() + in_chunk, count);
    } else if (place == Spool::Place::kNone) {
      std::memset(out.data(), 0, count);
    } else {
      const ssize_t got = pread(disk_.get(), out.data(), count, static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return absl::ErrnoToStatus(errno, "cannot read the spool's file");
      // Past the end of the file on disk: the rest of a chunk that was not all written.
      if (got == 0) {
        std::memset(out.data(), 0, count);
      } else {
        count = static_cast<size_t>(got);
      }
    }
    out = out.subspan(count);
    offset += count;
  }
  return absl::OkStatus();
}

absl::Status SpoolFile::Write(uint64_t offset, ByteSpan data) {
  while (!data.empty()) {
    const size_t index = static_cast<size_t>(offset / kSpoolChunkBytes);
    const size_t in_chunk = static_cast<size_t>(offset % kSpoolChunkBytes);
    const size_t count = std::min<size_t>(data.size(), kSpoolChunkBytes - in_chunk);
    if (index >= chunks_.size()) chunks_.resize(index + 1);
    Chunk& chunk = chunks_[index];
    const bool is_hole = chunk.place == Spool::Place::kNone && IsZero(data.first(count));
    if (chunk.place == Spool::Place::kNone && !is_hole) VS_RETURN_IF_ERROR(PlaceChunk(&chunk));
    if (is_hole) {
      // Reads as zeros as it is.
    } else if (chunk.place == Spool::Place::kMemory) {
      std::memcpy(chunk.memory.get() + in_chunk, data.data(), count);
    } else {
      VS_RETURN_IF_ERROR(WriteDisk(offset, data.first(count)));
    }
    offset += count;
    data = data.subspan(count);
    bytes_ = std::max(bytes_, offset);
  }
  return absl::OkStatus();
}

absl::Status SpoolFile::PlaceChunk(Chunk* chunk) {
  const Spool::Place place = spool_->TakeChunk();
  if (place == Spool::Place::kNone) {
    const SpoolOptions& options = spool_->options();
    return absl::ResourceExhaustedError(
        options.directory.empty()
            ? absl::StrCat("the spool's ", options.memory_bytes,
                           " bytes of memory are used up: name a spool directory")
            : absl::StrCat("the spool's ", options.memory_bytes, " bytes of memory and ",
                           options.disk_bytes,
                           " of disk are used up: raise its bound with --spool-memory, or "
                           "--spool-dir and --spool-size"));
  }
  if (place == Spool::Place::kMemory) {
    chunk->memory.reset(new (std::nothrow) uint8_t[kSpoolChunkBytes]());
    if (chunk->memory == nullptr) {
      spool_->GiveBack(place);
      return absl::ResourceExhaustedError(
          "no memory for the spool: lower its bound and name a spool directory");
    }
  } else if (!disk_.valid()) {
    absl::StatusOr<UniqueFd> fd = OpenUnnamed(spool_->options().directory);
    if (!fd.ok()) {
      spool_->GiveBack(place);
      return fd.status();
    }
    disk_ = *std::move(fd);
  }
  chunk->place = place;
  return absl::OkStatus();
}

absl::Status SpoolFile::WriteDisk(uint64_t offset, ByteSpan data) {
  while (!data.empty()) {
    const ssize_t count = pwrite(disk_.get(), data.data(), data.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      const int error = count < 0 ? errno : ENOSPC;
      const std::string& directory = spool_->options().directory;
      if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
        return absl::ResourceExhaustedError(absl::StrCat("no room in spool directory ", directory,
                                                         " (", strerror(error),
                                                         "): free some, or name another"));
      }
      return absl::ErrnoToStatus(error, absl::StrCat("cannot write in spool directory ", directory,
                                                     ": check its disk, or name another"));
    }
    offset += static_cast<uint64_t>(count);
    data = data.subspan(static_cast<size_t>(count));
  }
  return absl::OkStatus();
}

absl::Status SpoolFile::Truncate(uint64_t bytes) {
  if (disk_.valid() && bytes < bytes_ && ftruncate(disk_.get(), static_cast<off_t>(bytes)) != 0) {
    return absl::ErrnoToStatus(errno, "cannot shorten the spool's file");
  }
  const size_t kept = static_cast<size_t>((bytes + kSpoolChunkBytes - 1) / kSpoolChunkBytes);
  for (size_t index = kept; index < chunks_.size(); ++index) {
    chunks_[index].memory.reset();
    spool_->GiveBack(chunks_[index].place);
  }
  if (kept < chunks_.size()) chunks_.resize(kept);
  const size_t in_chunk = static_cast<size_t>(bytes % kSpoolChunkBytes);
  // What is cut off must read as zeros when the copy grows again.
  if (in_chunk > 0 && kept == chunks_.size() && chunks_.back().place == Spool::Place::kMemory) {
    std::memset(chunks_.back().memory.get() + in_chunk, 0, kSpoolChunkBytes - in_chunk);
  }
  bytes_ = bytes;
  return absl::OkStatus();
}

}  // namespace volstream
