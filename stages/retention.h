// Retention: the removal of old backups at a destination, in two steps: look, which plans by
// stages/retention_plan.h over what is there, and remove. Only backups that ListBackups recognises
// can be in a plan.
//
// What counts as proven here is stricter than the receipt's presence: before anything goes, the
// receipts of those that stay in its place are read, and one that does not name its archive and its
// size as listed proves nothing. At most kMaxReceiptsRead are read, the newest first, so that a
// policy that keeps thousands does not cost thousands of requests; those behind count by presence.
// One that may not be read, as after a change of the SSE-C key, proves nothing either, but its
// backup never goes for that.
#ifndef VOLSTREAM_STAGES_RETENTION_H_
#define VOLSTREAM_STAGES_RETENTION_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "stages/catalog.h"
#include "stages/retention_plan.h"
#include "stages/storage.h"

namespace volstream {

inline constexpr size_t kMaxReceiptsRead = 200;
inline constexpr double kDefaultMinSizeRatio = 0.1;

struct RetentionOptions {
  RetentionPolicy policy;
  // The newest proven backup of a name must have at least this share of the bytes of the largest
  // proven one that would go, or nothing of that name goes: a volume that was not mounted, however
  // often it was backed up, must not push good backups out. 0 = no such check.
  double min_size_ratio = 0;
  std::string just_made;  // name of the backup that the run has made; may be empty
  absl::Time now = absl::Now();
};

// A few hundred bytes a backup, names included.
struct RetentionLook {
  std::vector<BackupInfo> backups;      // the newest first
  std::vector<KeepReasons> plan;        // of the same index
  std::map<size_t, std::string> locks;  // by index: what kKeepLocked stands for
  std::set<size_t> misfits;             // by index: a receipt is there, but does not fit
  std::vector<std::string> warnings;    // what people should look at

  size_t removals() const;
  // ReasonText, with what is known beyond it.
  std::string Reason(size_t index) const;
};

// Backups of `stem`, or of every stem if it is empty. Changes nothing.
absl::StatusOr<RetentionLook> LookAtRetention(Storage* storage, std::string_view stem,
                                              const RetentionOptions& options);

struct RetentionOutcome {
  uint64_t removed = 0;
  uint64_t failed = 0;
  absl::Status first_failure;
};

// Removes what the plan says: verifications, then receipts, then archives, so that a removal cut
// short leaves unproven archives and never a receipt that vouches for nothing. Where one of these
// cannot be removed, what comes after it stays: a backup whose verification stays is still proven.
// What cannot be removed does not keep the others. `on_removed` and `on_failed` may be empty.
// The error: nothing is known of the rest.
absl::StatusOr<RetentionOutcome> RemoveAsPlanned(
    Storage* storage, const RetentionLook& look,
    const std::function<void(const BackupInfo& backup)>& on_removed,
    const RemovalFailure& on_failed);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_RETENTION_H_
