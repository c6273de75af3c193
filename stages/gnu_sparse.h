// GnuSparseMap: the map at the beginning of a sparse file's data, of GNU's sparse format 1.0 (GNU
// tar manual, "Storing Sparse Files"): decimal numbers, one a line: how many segments there are,
// then offset and length of each; zeros up to the end of the tar block. What stages/sparse_map.h
// writes, read back, by bytes that come cut anywhere.
//
// Threads: one at a time. Memory: 16 bytes a segment, at most kMaxSegments of them.
// Errors: kDataLoss, without the place; kResourceExhausted for a map of too many segments.
#ifndef VOLSTREAM_STAGES_GNU_SPARSE_H_
#define VOLSTREAM_STAGES_GNU_SPARSE_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/bytes.h"

namespace volstream {

class GnuSparseMap {
 public:
  static constexpr uint64_t kMaxSegments = uint64_t{2} << 20;
  struct Segment {
    uint64_t file_offset = 0;
    uint64_t bytes = 0;
  };

  // Before the first byte of a map. `stored_bytes`: of the entry's data, the map's included;
  // `file_bytes`: of the file, holes included.
  void Begin(uint64_t stored_bytes, uint64_t file_bytes);
  // Takes the map's next bytes from the front; how many. REQUIRES: !done(), and no bytes beyond
  // the entry's data.
  absl::StatusOr<size_t> Feed(ByteSpan bytes);
  // The whole map is there, padding included: the segments' data come next, one after another.
  bool done() const { return done_; }
  // In rising order, apart, within the file.
  const std::vector<Segment>& segments() const { return segments_; }

 private:
  absl::Status OnNumber();
  absl::Status OnSegment(const Segment& segment);
  // After the last number.
  absl::Status OnEnd();

  uint64_t stored_bytes_ = 0;
  uint64_t file_bytes_ = 0;
  uint64_t text_bytes_ = 0;  // that have come, padding included
  uint64_t number_ = 0;      // the current line's
  int digits_ = 0;           // of it
  bool has_count_ = false;
  bool has_offset_ = false;     // of the segment whose length comes next
  uint64_t segments_left_ = 0;  // still to come
  uint64_t offset_ = 0;
  uint64_t segment_bytes_ = 0;  // of all
  bool ended_ = false;          // the padding comes
  bool done_ = false;
  std::vector<Segment> segments_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_GNU_SPARSE_H_
