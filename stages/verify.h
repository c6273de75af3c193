// Verify: whether an archive is still what its receipt says, and what it should be in itself.
//
//   kQuick  size and ETag, as the destination has them, against the receipt; nothing is read
//   kDeep   all of it is read: every member's CRC-32, length and XXH3, the whole MD5 (the whole
//   XXH3
//           where the receipt has no MD5) against the receipt, the tar's structure, and that the
//           index and the tar say the same
//   kDrill  the same, and it is restored into a scratch directory, which is removed again; SQLite
//           databases in it must pass integrity_check
//
// The result can be recorded beside the receipt (stages/verification.h).
#ifndef VOLSTREAM_STAGES_VERIFY_H_
#define VOLSTREAM_STAGES_VERIFY_H_

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "engine/bytes.h"
#include "stages/event_log.h"
#include "stages/storage.h"
#include "stages/verification.h"

namespace volstream {

enum class VerifyLevel { kQuick, kDeep, kDrill };

struct VerifyOptions {
  VerifyLevel level = VerifyLevel::kQuick;
  uint64_t memory_bytes = 256 * kMiB;
  int workers = 0;      // 0 = one a core
  int connections = 8;  // reads at a time
  // Of a drill: a directory is made in it, and removed at the end.
  std::string scratch_directory;
  // Ends it soon once it is true. May be null.
  const std::atomic<bool>* cancelled = nullptr;
  EventLog on_event;  // hears of what the drill warns of; may be empty
};

// Verifies the archive `name`. What is wrong with it is in the result; a status that is not OK says
// that it could not be found out: the storage fails, the archive is not there (kNotFound), there is
// neither a receipt nor another thing to compare with (kFailedPrecondition), it was cancelled.
absl::StatusOr<Verification> VerifyArchive(Storage* storage, const std::string& name,
                                           const VerifyOptions& options);

// Writes the result beside the archive's receipt, in place of the one before; if that one stays
// (Verification::OutweighsNewer), returns it. kNotFound: the archive is no longer there.
absl::StatusOr<std::optional<Verification>> RecordVerification(Storage* storage,
                                                               const Verification& verification);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_VERIFY_H_
