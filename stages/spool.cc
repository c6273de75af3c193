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

Spool::Slot Spool::TakeChunk() {
  MutexLock lock(&mu_);
  if (memory_chunks_ < memory_chunks_bound()) {
    ++memory_chunks_;
    return Slot{Place::kMemory};
  }
  if (disk_chunks_ >= disk_chunks_bound()) return Slot{};
  ++disk_chunks_;
  if (free_slots_.empty()) return Slot{Place::kDisk, next_slot_++, /*used=*/false};
  const uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  return Slot{Place::kDisk, slot, /*used=*/true};
}

void Spool::GiveBack(Place place, uint32_t slot) {
  MutexLock lock(&mu_);
  if (place == Place::kMemory) --memory_chunks_;
  if (place != Place::kDisk) return;
  --disk_chunks_;
  free_slots_.push_back(slot);
}

absl::Status Spool::OpenDisk() {
  MutexLock lock(&mu_);
  if (disk_.valid()) return absl::OkStatus();
  VS_ASSIGN_OR_RETURN(disk_, OpenUnnamed(options_.directory));
  return absl::OkStatus();
}

absl::Status Spool::WriteDisk(uint32_t slot, size_t offset, ByteSpan data) const {
  uint64_t place = uint64_t{slot} * kSpoolChunkBytes + offset;
  while (!data.empty()) {
    const ssize_t count = pwrite(disk_.get(), data.data(), data.size(), static_cast<off_t>(place));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      const int error = count < 0 ? errno : ENOSPC;
      const std::string& directory = options_.directory;
      if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
        return absl::ResourceExhaustedError(absl::StrCat("no room in spool directory ", directory,
                                                         " (", strerror(error),
                                                         "): free some, or name another"));
      }
      return absl::ErrnoToStatus(error, absl::StrCat("cannot write in spool directory ", directory,
                                                     ": check its disk, or name another"));
    }
    place += static_cast<uint64_t>(count);
    data = data.subspan(static_cast<size_t>(count));
  }
  return absl::OkStatus();
}

absl::Status Spool::ReadDisk(uint32_t slot, size_t offset, MutableByteSpan out) const {
  uint64_t place = uint64_t{slot} * kSpoolChunkBytes + offset;
  while (!out.empty()) {
    const ssize_t got = pread(disk_.get(), out.data(), out.size(), static_cast<off_t>(place));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return absl::ErrnoToStatus(errno, "cannot read the spool's file");
    if (got == 0) {
      // Past the end of the file: the rest of a chunk that was not all written.
      std::memset(out.data(), 0, out.size());
      return absl::OkStatus();
    }
    place += static_cast<uint64_t>(got);
    out = out.subspan(static_cast<size_t>(got));
  }
  return absl::OkStatus();
}

SpoolFile::~SpoolFile() {
  for (Chunk& chunk : chunks_) Release(&chunk);
}

void SpoolFile::Release(Chunk* chunk) {
  // First the space, then the right to it.
  chunk->memory.reset();
  spool_->GiveBack(chunk->place, chunk->slot);
  chunk->place = Spool::Place::kNone;
}

absl::Status SpoolFile::Read(uint64_t offset, MutableByteSpan out) const {
  if (offset > bytes_ || out.size() > bytes_ - offset) {
    return absl::OutOfRangeError(absl::StrCat("read of ", out.size(), " bytes at ", offset,
                                              " of a spooled copy of ", bytes_));
  }
  while (!out.empty()) {
    const size_t index = static_cast<size_t>(offset / kSpoolChunkBytes);
    const size_t in_chunk = static_cast<size_t>(offset % kSpoolChunkBytes);
    const size_t count = std::min<size_t>(out.size(), kSpoolChunkBytes - in_chunk);
    const Spool::Place place = index < chunks_.size() ? chunks_[index].place : Spool::Place::kNone;
    if (place == Spool::Place::kMemory) {
      std::memcpy(out.data(), chunks_[index].memory.get() + in_chunk, count);
    } else if (place == Spool::Place::kNone) {
      std::memset(out.data(), 0, count);
    } else {
      VS_RETURN_IF_ERROR(spool_->ReadDisk(chunks_[index].slot, in_chunk, out.first(count)));
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
      VS_RETURN_IF_ERROR(spool_->WriteDisk(chunk.slot, in_chunk, data.first(count)));
    }
    offset += count;
    data = data.subspan(count);
    bytes_ = std::max(bytes_, offset);
  }
  return absl::OkStatus();
}

absl::Status SpoolFile::PlaceChunk(Chunk* chunk) {
  const Spool::Slot taken = spool_->TakeChunk();
  if (taken.place == Spool::Place::kNone) {
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
  if (taken.place == Spool::Place::kMemory) {
    chunk->memory.reset(new (std::nothrow) uint8_t[kSpoolChunkBytes]());
    if (chunk->memory == nullptr) {
      spool_->GiveBack(taken.place, taken.slot);
      return absl::ResourceExhaustedError(
          "no memory for the spool: lower its bound and name a spool directory");
    }
  } else {
    absl::Status status = spool_->OpenDisk();
    if (status.ok() && taken.used) {
      const std::vector<uint8_t> zeros(kSpoolChunkBytes);
      status = spool_->WriteDisk(taken.slot, 0, zeros);
    }
    if (!status.ok()) {
      spool_->GiveBack(taken.place, taken.slot);
      return status;
    }
  }
  chunk->place = taken.place;
  chunk->slot = taken.slot;
  return absl::OkStatus();
}

absl::Status SpoolFile::Truncate(uint64_t bytes) {
  const size_t kept = static_cast<size_t>((bytes + kSpoolChunkBytes - 1) / kSpoolChunkBytes);
  for (size_t index = kept; index < chunks_.size(); ++index) {
    Release(&chunks_[index]);
  }
  if (kept < chunks_.size()) chunks_.resize(kept);
  const size_t in_chunk = static_cast<size_t>(bytes % kSpoolChunkBytes);
  // What is cut off must read as zeros when the copy grows again.
  if (in_chunk > 0 && kept == chunks_.size()) {
    const Chunk& last = chunks_.back();
    const size_t rest = kSpoolChunkBytes - in_chunk;
    if (last.place == Spool::Place::kMemory) std::memset(last.memory.get() + in_chunk, 0, rest);
    if (last.place == Spool::Place::kDisk) {
      const std::vector<uint8_t> zeros(rest);
      VS_RETURN_IF_ERROR(spool_->WriteDisk(last.slot, in_chunk, zeros));
    }
  }
  bytes_ = bytes;
  return absl::OkStatus();
}

}  // namespace volstream
