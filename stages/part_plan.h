// The size of parts, chosen before the first byte: all parts but the last have it.
//
// S3's limits (Amazon S3 User Guide, "Multipart upload limits"): 1 to 10,000 parts, 5 MiB to 5 GiB
// each (the last may be smaller).
#ifndef VOLSTREAM_STAGES_PART_PLAN_H_
#define VOLSTREAM_STAGES_PART_PLAN_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "engine/bytes.h"

namespace volstream {

inline constexpr size_t kMinPartBytes = 5 * kMiB;
inline constexpr uint64_t kMaxPartBytes = 5 * kGiB;
inline constexpr uint64_t kMaxPartCount = 10'000;
inline constexpr size_t kDefaultPartBytes = 16 * kMiB;

// The part size for a stream of at most max_encoded_bytes (0 = not known) within a memory budget:
// kDefaultPartBytes, less where the budget would hold fewer than eight such parts, more where the
// stream would need too many; whole MiB. `wanted` is the user's choice, 0 for none.
// kInvalidArgument when the wanted size breaks a limit.
absl::StatusOr<size_t> ChoosePartBytes(uint64_t max_encoded_bytes, uint64_t memory_bytes,
                                       size_t wanted);

// The same for a stream of unknown length: `hint` is about how long it may get (0 = no idea) and is
// trusted to within a half. Without one, parts are as large as the budget has room for eight of, up
// to 64 MiB. A stream that outgrows its parts fails at the part beyond the last.
absl::StatusOr<size_t> ChooseStreamPartBytes(uint64_t hint, uint64_t memory_bytes, size_t wanted);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_PART_PLAN_H_
