// RangeReader: the bytes of extents of an archive, in order, fetched ahead by several reads at a
// time.
//
// Reads never go beyond the extents, and extents that touch are read as one. Ranges begin small and
// double up to range_bytes, so that who needs little, or ends early, has fetched little.
// Memory: connections + 1 buffers of at most range_bytes, taken as they are needed.
// Threads: Read by one thread at a time; Cancel by any, at any time. As many threads of its own as
// connections, fewer where there are fewer ranges; the destructor waits for reads under way, which
// only Storage::Cancel makes end sooner.
// Errors: of the archive's storage, unchanged, when the reader comes to the range that failed; what
// lies before it is delivered. After an error nothing more is fetched.
#ifndef VOLSTREAM_STAGES_RANGE_READER_H_
#define VOLSTREAM_STAGES_RANGE_READER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/bytes.h"
#include "engine/mutex.h"
#include "stages/archive_file.h"

namespace volstream {

// Bytes of an archive.
struct ReadExtent {
  uint64_t offset = 0;
  uint64_t bytes = 0;

  uint64_t end() const { return offset + bytes; }
  friend bool operator==(const ReadExtent&, const ReadExtent&) = default;
};

// The same bytes in the same order in as few extents as there can be; empty ones are left out.
std::vector<ReadExtent> JoinExtents(const std::vector<ReadExtent>& extents);

struct RangeReaderOptions {
  int connections = 8;                    // reads at a time, 1 at least
  size_t first_range_bytes = 512 * kKiB;  // of the first range ...
  size_t range_bytes = 8 * kMiB;          // ... and of the largest
};

class RangeReader {
 public:
  // Begins to fetch. The file must outlive it.
  RangeReader(ArchiveFile* file, const std::vector<ReadExtent>& extents,
              RangeReaderOptions options);
  ~RangeReader();
  RangeReader(const RangeReader&) = delete;
  RangeReader& operator=(const RangeReader&) = delete;

  // Waits for the next bytes and fills `out`; returns how many, fewer than asked for only at the
  // end of the last extent. An error loses what this call has read so far.
  absl::StatusOr<size_t> Read(MutableByteSpan out) ABSL_LOCKS_EXCLUDED(mu_);

  // Makes a waiting Read, and all later ones, end with kCancelled. Does not wait.
  void Cancel() ABSL_LOCKS_EXCLUDED(mu_);

  // The most that its buffers take.
  uint64_t max_buffer_bytes() const;
  // What they took at most so far.
  uint64_t peak_buffer_bytes() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Slot {
    std::unique_ptr<uint8_t[]> buffer;
    size_t capacity = 0;
    size_t bytes = 0;  // of the range in it
    bool done = false;
    absl::Status status;
  };

  // Cuts the next range off the extents; nothing at their end.
  std::optional<ReadExtent> NextRange() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool CanFetch() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Fetch() ABSL_LOCKS_EXCLUDED(mu_);

  ArchiveFile* const file_;
  const RangeReaderOptions options_;
  const std::vector<ReadExtent> extents_;

  mutable Mutex mu_;
  size_t extent_ ABSL_GUARDED_BY(mu_) = 0;       // the one that the next range is cut from ...
  uint64_t cut_bytes_ ABSL_GUARDED_BY(mu_) = 0;  // ... and what was cut from it before
  size_t next_range_bytes_ ABSL_GUARDED_BY(mu_);
  // Range i is fetched into slot i modulo their number, once the range before in it was read.
  std::vector<Slot> slots_ ABSL_GUARDED_BY(mu_);
  uint64_t begun_ ABSL_GUARDED_BY(mu_) = 0;     // ranges that were begun
  uint64_t read_ ABSL_GUARDED_BY(mu_) = 0;      // ranges that were read to their end
  size_t read_bytes_ ABSL_GUARDED_BY(mu_) = 0;  // of range read_
  bool failed_ ABSL_GUARDED_BY(mu_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  uint64_t buffer_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Status start_status_;  // set once, before anybody reads
  std::vector<std::thread> threads_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_RANGE_READER_H_
