#include "stages/sparse_map.h"

#include <errno.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "stages/tar_header.h"

namespace volstream {
namespace {

// Below this the longer header and the map cost as much as the holes save.
constexpr uint64_t kLeastSaving = 4 * kKiB;

// Neighbours closer than `gap`, or overlapping, become one.
std::vector<SparseMap::Segment> Merged(const std::vector<SparseMap::Segment>& segments,
                                       uint64_t gap) {
  std::vector<SparseMap::Segment> merged;
  for (const SparseMap::Segment& segment : segments) {
    if (!merged.empty() &&
        segment.file_offset < merged.back().file_offset + merged.back().bytes + gap) {
      merged.back().bytes = segment.file_offset + segment.bytes - merged.back().file_offset;
    } else {
      merged.push_back(segment);
    }
  }
  return merged;
}

}  // namespace

SparseMap SparseMap::From(std::vector<Segment> segments, uint64_t file_bytes, size_t max_segments) {
  // A tar reader takes each segment in whole tar blocks.
  for (Segment& segment : segments) {
    const uint64_t end = std::min(TarPadded(segment.file_offset + segment.bytes), file_bytes);
    segment.file_offset = segment.file_offset / kTarBlockBytes * kTarBlockBytes;
    segment.bytes = end - segment.file_offset;
  }
  segments = Merged(segments, 1);
  for (uint64_t gap = 8 * kKiB; segments.size() > max_segments; gap *= 2) {
    segments = Merged(segments, gap);
  }
  // An empty segment at the end says how long a file is that ends with a hole.
  if (segments.empty() || segments.back().file_offset + segments.back().bytes < file_bytes) {
    segments.push_back(Segment{file_bytes, 0, 0});
  }
  SparseMap map;
  map.file_bytes = file_bytes;
  absl::StrAppend(&map.text, segments.size(), "\n");
  for (const Segment& segment : segments) {
    absl::StrAppend(&map.text, segment.file_offset, "\n", segment.bytes, "\n");
  }
  map.text.resize(TarPadded(map.text.size()), '\0');
  map.stored_bytes = map.text.size();
  for (Segment& segment : segments) {
    segment.stored_offset = map.stored_bytes;
    map.stored_bytes += segment.bytes;
  }
  map.segments = std::move(segments);
  return map;
}

std::optional<SparseMap> SparseMap::Of(int fd, uint64_t file_bytes) {
  std::vector<Segment> segments;
  uint64_t offset = 0;
  uint64_t gap = 8 * kKiB;
  while (offset < file_bytes) {
    const off_t data = lseek(fd, static_cast<off_t>(offset), SEEK_DATA);
    if (data < 0) {
      // ENXIO: no data from here on. Anything else, EINVAL above all: no holes to be had.
      if (errno == ENXIO) break;
      return std::nullopt;
    }
    const uint64_t begin = static_cast<uint64_t>(data);
    if (begin >= file_bytes) break;
    const off_t hole = lseek(fd, data, SEEK_HOLE);
    if (hole < 0) return std::nullopt;
    const uint64_t end = std::min(static_cast<uint64_t>(hole), file_bytes);
    // A file under change may answer with a hole that is none.
    if (end <= begin) return std::nullopt;
    segments.push_back(Segment{begin, end - begin, 0});
    // Bounds the memory while the map is still being read; by half, so that it is not done for
    // every further segment.
    if (segments.size() > 4 * kMaxSegments) {
      for (; segments.size() > 2 * kMaxSegments; gap *= 2) segments = Merged(segments, gap);
    }
    offset = end;
  }
  SparseMap map = From(std::move(segments), file_bytes);
  if (map.stored_bytes + kLeastSaving > file_bytes) return std::nullopt;
  return map;
}

}  // namespace volstream
