// SparseMap: where the data of a file with holes lies, and how tar says it: GNU sparse format 1.0
// in a pax header (GNU tar manual, "Storing Sparse Files", "PAX Format, Version 1.0"). The entry's
// data begins with the map as text, padded to a tar block; then the data segments follow, one
// after another.
//
// Threads: immutable once made.
#ifndef VOLSTREAM_STAGES_SPARSE_MAP_H_
#define VOLSTREAM_STAGES_SPARSE_MAP_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/bytes.h"

namespace volstream {

struct SparseMap {
  // Maps of more segments are made coarser: small holes are stored as zeros.
  static constexpr size_t kMaxSegments = 16'384;

  struct Segment {
    uint64_t file_offset = 0;  // a multiple of a tar block
    uint64_t bytes = 0;        // a multiple of a tar block, but for one that ends at the file's end
    uint64_t stored_offset = 0;  // in the entry's data, the map's text included
  };

  uint64_t file_bytes = 0;  // the file's size, holes included
  std::vector<Segment> segments;
  std::string text;           // the map as it stands in the archive, padded
  uint64_t stored_bytes = 0;  // of the entry's data: text and segments

  // The map of an open file of `file_bytes` by SEEK_DATA and SEEK_HOLE (lseek(2)). Nullopt where
  // the file system knows no holes, or they save less than they cost.
  static std::optional<SparseMap> Of(int fd, uint64_t file_bytes);

  // The map of these segments, ascending and apart; merges the closest ones while there are more
  // than max_segments. Exposed for tests.
  static SparseMap From(std::vector<Segment> segments, uint64_t file_bytes,
                        size_t max_segments = kMaxSegments);
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_SPARSE_MAP_H_
