#include "stages/gnu_sparse.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/tar_header.h"

namespace volstream {
namespace {

constexpr int kMaxDigits = 19;  // so that no number overflows

}  // namespace

void GnuSparseMap::Begin(uint64_t stored_bytes, uint64_t file_bytes) {
  std::vector<Segment> segments = std::move(segments_);
  segments.clear();
  *this = GnuSparseMap();
  segments_ = std::move(segments);
  stored_bytes_ = stored_bytes;
  file_bytes_ = file_bytes;
}

absl::StatusOr<size_t> GnuSparseMap::Feed(ByteSpan bytes) {
  size_t used = 0;
  while (used < bytes.size() && !done_) {
    if (ended_) {
      const uint64_t padding = TarPadded(text_bytes_) - text_bytes_;
      const size_t taken = static_cast<size_t>(std::min<uint64_t>(padding, bytes.size() - used));
      text_bytes_ += taken;
      used += taken;
      done_ = taken == padding;
      continue;
    }
    const uint8_t byte = bytes[used++];
    ++text_bytes_;
    if (byte >= '0' && byte <= '9' && digits_ < kMaxDigits) {
      number_ = number_ * 10 + (byte - '0');
      ++digits_;
    } else if (byte == '\n' && digits_ > 0) {
      VS_RETURN_IF_ERROR(OnNumber());
      number_ = 0;
      digits_ = 0;
    } else {
      return absl::DataLossError("a bad map of a file with holes");
    }
  }
  if (!done_ && text_bytes_ >= stored_bytes_) {
    return absl::DataLossError("a map of a file with holes that does not end");
  }
  return used;
}

absl::Status GnuSparseMap::OnNumber() {
  if (!has_count_) {
    has_count_ = true;
    // Each takes two digits and two line ends at least.
    if (number_ > stored_bytes_ / 4) {
      return absl::DataLossError("a map of a file with holes that is larger than its data");
    }
    if (number_ > kMaxSegments) {
      return absl::ResourceExhaustedError(
          absl::StrCat("a file with more than ", kMaxSegments, " holes: extract it with GNU tar"));
    }
    segments_left_ = number_;
  } else if (!has_offset_) {
    has_offset_ = true;
    offset_ = number_;
  } else {
    has_offset_ = false;
    --segments_left_;
    VS_RETURN_IF_ERROR(OnSegment(Segment{offset_, number_}));
  }
  return segments_left_ == 0 ? OnEnd() : absl::OkStatus();
}

absl::Status GnuSparseMap::OnSegment(const Segment& segment) {
  if (segment.file_offset > file_bytes_ || segment.bytes > file_bytes_ - segment.file_offset) {
    return absl::DataLossError("a map of a file with holes that goes beyond its end");
  }
  const uint64_t free =
      segments_.empty() ? 0 : segments_.back().file_offset + segments_.back().bytes;
  if (segment.file_offset < free) {
    return absl::DataLossError("a map of a file with holes whose segments overlap");
  }
  segments_.push_back(segment);
  segment_bytes_ += segment.bytes;  // apart and within the file, so no more than that
  return absl::OkStatus();
}

absl::Status GnuSparseMap::OnEnd() {
  ended_ = true;
  const uint64_t map_bytes = TarPadded(text_bytes_);
  if (map_bytes > stored_bytes_ || stored_bytes_ - map_bytes != segment_bytes_) {
    return absl::DataLossError("a map of a file with holes that does not fit its data");
  }
  done_ = map_bytes == text_bytes_;
  return absl::OkStatus();
}

}  // namespace volstream
