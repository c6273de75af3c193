// The sizes of parts, chosen before the first byte: equal parts for a stream whose upper bound is
// known, growing ones for a stream of unknown length at a destination that takes a limited number
// of them. Pure functions.
//
// S3's limits (Amazon S3 User Guide, "Multipart upload limits"): 1 to 10,000 parts, 5 MiB to 5 GiB
// each (the last may be smaller). Providers that differ are in stages/s3_provider.h.
#ifndef VOLSTREAM_STAGES_PART_PLAN_H_
#define VOLSTREAM_STAGES_PART_PLAN_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "engine/bytes.h"
#include "engine/part_sizes.h"

namespace volstream {

inline constexpr size_t kMinPartBytes = 5 * kMiB;
inline constexpr uint64_t kMaxPartBytes = 5 * kGiB;
inline constexpr uint64_t kMaxPartCount = 10'000;
inline constexpr size_t kDefaultPartBytes = 16 * kMiB;
// How far a stream of unknown length shall be able to grow where memory allows for it: the largest
// object that S3 providers agree on.
inline constexpr uint64_t kStreamGoalBytes = 5 * kTiB;

// What a destination takes of one object.
struct PartLimits {
  uint64_t max_parts = kMaxPartCount;  // at least 2
  bool equal_parts = false;            // every part but the last must have one size

  bool limited() const { return max_parts != UINT64_MAX; }
};
// Of a destination that joins parts itself, such as a directory.
inline constexpr PartLimits kNoPartLimits{UINT64_MAX, false};

// What holds at all of several destinations.
PartLimits Strictest(const PartLimits& a, const PartLimits& b);

// What a plan has to get by with.
struct PartRoom {
  PartLimits limits;
  uint64_t memory_bytes = 0;       // PipelineOptions::memory_bytes
  uint64_t part_memory_bytes = 0;  // PartMemoryBytes() of it
  size_t wanted_bytes = 0;         // the user's choice: equal parts of this size; 0 = none
};

// For a stream of at most max_encoded_bytes: equal parts of kDefaultPartBytes, less where the
// budget would hold fewer than eight such parts, more where the stream would need too many; whole
// MiB. kInvalidArgument when the wanted size breaks a limit, or no size is enough.
absl::StatusOr<PartSizes> PlanParts(uint64_t max_encoded_bytes, const PartRoom& room);

// For a stream of unknown length: `hint` is about how long it may get (0 = no idea) and is trusted
// to within a half. Parts begin as above, with what the hint needs, and grow evenly from the first
// to the last that the destination takes, as gently as reaches kStreamGoalBytes; but never beyond
// what the memory holds two of, so less memory reaches less far (StreamCapacity). Where all must be
// equal they are as large as the budget has room for eight of, up to 64 MiB, or as the hint needs.
absl::StatusOr<PartSizes> PlanStreamParts(uint64_t hint, const PartRoom& room);

// The most bytes that a stream in parts of these sizes can have; UINT64_MAX where nothing limits
// them.
uint64_t StreamCapacity(const PartSizes& sizes, const PartLimits& limits);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_PART_PLAN_H_
