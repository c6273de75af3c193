// PartSizes: the size of every part of a stream, fixed before its first byte: equal parts, or parts
// that grow in even steps up to a largest one, for a stream of unknown length that a destination
// takes in a limited number of parts. Sizes never shrink. A value; no threads, no errors.
#ifndef VOLSTREAM_ENGINE_PART_SIZES_H_
#define VOLSTREAM_ENGINE_PART_SIZES_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "engine/bytes.h"

namespace volstream {

// Part `index` has min(first_bytes + step_bytes * (index / parts_per_step), max_bytes) bytes; the
// last part of a stream may be shorter.
struct PartSizes {
  size_t first_bytes = 16 * kMiB;
  size_t step_bytes = 0;        // 0 = all parts have first_bytes, and what follows has no meaning
  uint64_t parts_per_step = 1;  // parts in a row that have one size
  size_t max_bytes = 0;         // where growth ends

  bool grows() const { return step_bytes != 0; }
  size_t largest_bytes() const { return grows() ? max_bytes : first_bytes; }
  size_t At(uint64_t index) const;
  // Of part `index` in the stream, which is what the `index` parts before it hold. Exact while the
  // result is below 2^64.
  uint64_t OffsetOf(uint64_t index) const;

  // kInvalidArgument unless parts have bytes and grow, if at all, from the first to the largest.
  absl::Status Validate() const;
};

constexpr PartSizes EqualParts(size_t bytes) { return PartSizes{bytes, 0, 1, 0}; }

}  // namespace volstream

#endif  // VOLSTREAM_ENGINE_PART_SIZES_H_
