#include "stages/part_plan.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "engine/status_macros.h"

namespace volstream {
namespace {

constexpr size_t kRoomyPartBytes = 64 * kMiB;

uint64_t DivideUp(uint64_t a, uint64_t b) { return a / b + (a % b != 0 ? 1 : 0); }

// The smallest part that `bytes` fit into, and the same in whole MiB.
uint64_t ExactPartBytes(uint64_t bytes, const PartLimits& limits) {
  return DivideUp(bytes, limits.max_parts);
}
uint64_t NeededPartBytes(uint64_t bytes, const PartLimits& limits) {
  return DivideUp(ExactPartBytes(bytes, limits), kMiB) * kMiB;
}

// An eighth of the memory, up to `most`.
size_t AffordablePartBytes(uint64_t memory_bytes, size_t most) {
  return static_cast<size_t>(
      std::clamp<uint64_t>(memory_bytes / 8 / kMiB * kMiB, kMinPartBytes, most));
}

absl::Status CheckWanted(size_t wanted_bytes) {
  if (wanted_bytes >= kMinPartBytes && wanted_bytes <= kMaxPartBytes) return absl::OkStatus();
  return absl::InvalidArgumentError("a part has from 5 MiB to 5 GiB; choose another part size");
}

// From first to largest over max_parts parts, in steps of as few MiB as that takes.
PartSizes GrowingParts(size_t first, size_t largest, uint64_t max_parts) {
  const uint64_t span_mib = (largest - first) / kMiB;
  if (span_mib == 0) return EqualParts(first);
  const uint64_t step_mib = DivideUp(span_mib, max_parts - 1);
  const uint64_t sizes = DivideUp(span_mib, step_mib) + 1;
  return PartSizes{first, static_cast<size_t>(step_mib * kMiB), max_parts / sizes, largest};
}

}  // namespace

PartLimits Strictest(const PartLimits& a, const PartLimits& b) {
  return PartLimits{std::min(a.max_parts, b.max_parts), a.equal_parts || b.equal_parts};
}

absl::StatusOr<PartSizes> PlanParts(uint64_t max_encoded_bytes, const PartRoom& room) {
  const uint64_t needed = NeededPartBytes(max_encoded_bytes, room.limits);
  if (needed > kMaxPartBytes) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "the volume may need %d GiB, more than %d parts of 5 GiB can hold: back it up in pieces",
        max_encoded_bytes / kGiB, room.limits.max_parts));
  }
  if (room.wanted_bytes != 0) {
    VS_RETURN_IF_ERROR(CheckWanted(room.wanted_bytes));
    if (room.wanted_bytes < ExactPartBytes(max_encoded_bytes, room.limits)) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "parts of %d MiB: the volume may need more than %d of them; choose at least %d MiB",
          room.wanted_bytes / kMiB, room.limits.max_parts, needed / kMiB));
    }
    return EqualParts(room.wanted_bytes);
  }
  const uint64_t usual = AffordablePartBytes(room.memory_bytes, kDefaultPartBytes);
  return EqualParts(static_cast<size_t>(std::max(usual, needed)));
}

absl::StatusOr<PartSizes> PlanStreamParts(uint64_t hint, const PartRoom& room) {
  if (room.wanted_bytes != 0) {
    VS_RETURN_IF_ERROR(CheckWanted(room.wanted_bytes));
    return EqualParts(room.wanted_bytes);
  }
  const uint64_t hinted = hint + hint / 2;
  VS_ASSIGN_OR_RETURN(const PartSizes equal, PlanParts(hinted, room));
  if (!room.limits.limited()) return equal;
  if (room.limits.equal_parts) {
    return EqualParts(
        std::max(equal.first_bytes, AffordablePartBytes(room.memory_bytes, kRoomyPartBytes)));
  }
  const auto largest =
      static_cast<size_t>(std::min(room.part_memory_bytes / 2 / kMiB * kMiB, kMaxPartBytes));
  if (largest <= equal.first_bytes) {
    // No room to grow. The hint without its half may do; else the pool says what memory is needed.
    const bool enough = NeededPartBytes(hint, room.limits) <= largest &&
                        AffordablePartBytes(room.memory_bytes, kDefaultPartBytes) <= largest;
    return enough ? EqualParts(largest) : equal;
  }
  const uint64_t goal = std::max(kStreamGoalBytes, hinted);
  for (size_t last = equal.first_bytes; last < largest; last += kMiB) {
    const PartSizes sizes = GrowingParts(equal.first_bytes, last, room.limits.max_parts);
    if (StreamCapacity(sizes, room.limits) >= goal) return sizes;
  }
  return GrowingParts(equal.first_bytes, largest, room.limits.max_parts);
}

uint64_t StreamCapacity(const PartSizes& sizes, const PartLimits& limits) {
  return limits.limited() ? sizes.OffsetOf(limits.max_parts) : UINT64_MAX;
}

}  // namespace volstream
