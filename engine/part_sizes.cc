#include "engine/part_sizes.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace volstream {
namespace {

// Steps from the first size to the largest; the last may be a short one.
uint64_t StepCount(const PartSizes& sizes) {
  return (sizes.max_bytes - sizes.first_bytes + sizes.step_bytes - 1) / sizes.step_bytes;
}

}  // namespace

size_t PartSizes::At(uint64_t index) const {
  if (!grows()) return first_bytes;
  // Compared before it is multiplied: an index may be anything.
  const uint64_t step = index / parts_per_step;
  return step >= StepCount(*this) ? max_bytes : first_bytes + step * step_bytes;
}

uint64_t PartSizes::OffsetOf(uint64_t index) const {
  if (!grows()) return index * first_bytes;
  const uint64_t steps = std::min(index / parts_per_step, StepCount(*this));
  // 0 + 1 + ... + (steps - 1) steps above the first size.
  const uint64_t above = steps == 0 ? 0 : steps * (steps - 1) / 2 * step_bytes;
  const uint64_t whole = parts_per_step * (steps * first_bytes + above);
  return whole + (index - steps * parts_per_step) * At(steps * parts_per_step);
}

absl::Status PartSizes::Validate() const {
  if (first_bytes > 0 && (!grows() || (parts_per_step > 0 && max_bytes >= first_bytes))) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrFormat(
      "parts of %d bytes that grow by %d every %d parts up to %d: the first must have bytes and "
      "the largest no fewer, and a step some parts",
      first_bytes, step_bytes, parts_per_step, max_bytes));
}

}  // namespace volstream
