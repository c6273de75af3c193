#include "stages/part_plan.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "engine/status_macros.h"

namespace volstream {

absl::StatusOr<size_t> ChoosePartBytes(uint64_t max_encoded_bytes, uint64_t memory_bytes,
                                       size_t wanted) {
  const uint64_t exact = (max_encoded_bytes + kMaxPartCount - 1) / kMaxPartCount;
  const uint64_t needed = (exact + kMiB - 1) / kMiB * kMiB;
  if (needed > kMaxPartBytes) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "the volume may need %d GiB, more than %d parts of 5 GiB can hold: back it up in pieces",
        max_encoded_bytes / kGiB, kMaxPartCount));
  }
  if (wanted != 0) {
    if (wanted < kMinPartBytes || wanted > kMaxPartBytes) {
      return absl::InvalidArgumentError("a part has from 5 MiB to 5 GiB; choose another part size");
    }
    if (wanted < exact) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "parts of %d MiB: the volume may need more than %d of them; choose at least %d MiB",
          wanted / kMiB, kMaxPartCount, needed / kMiB));
    }
    return wanted;
  }
  const uint64_t affordable = memory_bytes / 8 / kMiB * kMiB;
  const uint64_t usual = std::clamp<uint64_t>(affordable, kMinPartBytes, kDefaultPartBytes);
  return static_cast<size_t>(std::max(usual, needed));
}

absl::StatusOr<size_t> ChooseStreamPartBytes(uint64_t hint, uint64_t memory_bytes, size_t wanted) {
  constexpr size_t kRoomyPartBytes = 64 * kMiB;
  if (wanted != 0) return ChoosePartBytes(0, memory_bytes, wanted);
  const uint64_t affordable = memory_bytes / 8 / kMiB * kMiB;
  const auto roomy =
      static_cast<size_t>(std::clamp<uint64_t>(affordable, kMinPartBytes, kRoomyPartBytes));
  if (hint == 0) return roomy;
  VS_ASSIGN_OR_RETURN(const size_t hinted,
                      ChoosePartBytes(hint + hint / 2, memory_bytes, /*wanted=*/0));
  return std::max(roomy, hinted);
}

}  // namespace volstream
