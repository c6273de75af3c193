// Spool keeps copies of files whose content must stand still while they are archived, within a
// stated bound: memory first, then one unlinked file for all of them in a directory that the user
// names. Nothing is ever written to the volume, and no name is left behind.
//
// Units: bytes. The bound counts whole chunks of kSpoolChunkBytes; the table of a copy adds 16
// bytes a chunk (0.03%) to it. Space on the disk that a copy gave back is used again, not freed.
// Names: the disk part is opened with O_TMPFILE, so it never has one and is gone with the process,
// however that ends. On a file system without O_TMPFILE a name exists between mkstemp and unlink.
// Threads: Spool is safe for concurrent calls. One thread writes a SpoolFile; after its last write
// any number may Read it at a time.
// Lifetime: a Spool must outlive its files.
#ifndef VOLSTREAM_STAGES_SPOOL_H_
#define VOLSTREAM_STAGES_SPOOL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "engine/bytes.h"
#include "engine/mutex.h"
#include "stages/beneath.h"

namespace volstream {

inline constexpr uint64_t kSpoolChunkBytes = 64 * kKiB;

struct SpoolOptions {
  uint64_t memory_bytes = 64 * kMiB;
  // Of all copies together in `directory`; without one, no disk is used.
  uint64_t disk_bytes = 4 * kGiB;
  std::string directory;
};

// OK if `directory` can hold a spool: a directory, writable, and not inside the volume at
// `volume_root` under whatever path. To be called at the start.
// Errors: ErrorKind::kPrerequisite.
absl::Status CheckSpoolDirectory(const std::string& directory, const std::string& volume_root);

class SpoolFile;

class Spool {
 public:
  explicit Spool(SpoolOptions options) : options_(std::move(options)) {}
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  // An empty copy, which takes its share of the bound as it grows.
  std::unique_ptr<SpoolFile> NewFile();

  uint64_t memory_bytes_used() const ABSL_LOCKS_EXCLUDED(mu_);
  uint64_t disk_bytes_used() const ABSL_LOCKS_EXCLUDED(mu_);
  // What is left of the bound now, memory and disk together. Others may take it meanwhile.
  uint64_t bytes_left() const ABSL_LOCKS_EXCLUDED(mu_);
  const SpoolOptions& options() const { return options_; }

 private:
  friend class SpoolFile;
  enum class Place : uint8_t { kNone, kMemory, kDisk };

  struct Slot {
    Place place = Place::kNone;
    uint32_t slot = 0;  // of the file, where place is kDisk
    bool used = false;  // and may hold old bytes
  };

  // Takes one chunk from the bound; kNone when there is none left.
  Slot TakeChunk() ABSL_LOCKS_EXCLUDED(mu_);
  void GiveBack(Place place, uint32_t slot) ABSL_LOCKS_EXCLUDED(mu_);
  // Makes the file on the first call.
  absl::Status OpenDisk() ABSL_LOCKS_EXCLUDED(mu_);
  // In a slot, which must have been taken. REQUIRES: OpenDisk was OK.
  absl::Status WriteDisk(uint32_t slot, size_t offset, ByteSpan data) const;
  absl::Status ReadDisk(uint32_t slot, size_t offset, MutableByteSpan out) const;
  uint64_t memory_chunks_bound() const;
  uint64_t disk_chunks_bound() const;

  const SpoolOptions options_;
  mutable Mutex mu_;
  uint64_t memory_chunks_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t disk_chunks_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<uint32_t> free_slots_ ABSL_GUARDED_BY(mu_);
  uint32_t next_slot_ ABSL_GUARDED_BY(mu_) = 0;
  // Set once, before the first slot is written; a chunk lies at its slot.
  UniqueFd disk_;
};

// One copy. What was never written reads as zeros and takes no space, nor do zeros written there.
class SpoolFile {
 public:
  // Gives its share of the bound back.
  ~SpoolFile();
  SpoolFile(const SpoolFile&) = delete;
  SpoolFile& operator=(const SpoolFile&) = delete;

  uint64_t bytes() const { return bytes_; }

  // Fills `out` with what is at `offset`. Errors: kOutOfRange past the end, and those of the disk.
  absl::Status Read(uint64_t offset, MutableByteSpan out) const;

  // Writes anywhere, growing the copy as needed. Errors: kResourceExhausted over the bound or when
  // the directory's file system is full, with the remedy; what was written before is kept.
  absl::Status Write(uint64_t offset, ByteSpan data);

  // Sets the length; frees what is cut off.
  absl::Status Truncate(uint64_t bytes);

 private:
  friend class Spool;

  struct Chunk {
    Spool::Place place = Spool::Place::kNone;
    uint32_t slot = 0;                  // of the spool's file, where place is kDisk
    std::unique_ptr<uint8_t[]> memory;  // where place is kMemory
  };

  explicit SpoolFile(Spool* spool) : spool_(spool) {}

  // Gives a chunk without a place one.
  absl::Status PlaceChunk(Chunk* chunk);
  void Release(Chunk* chunk);

  Spool* const spool_;
  uint64_t bytes_ = 0;
  std::vector<Chunk> chunks_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_SPOOL_H_
