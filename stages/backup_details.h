// BackupDetails: what receipts and verifications say of the backups in a listing.
#ifndef VOLSTREAM_STAGES_BACKUP_DETAILS_H_
#define VOLSTREAM_STAGES_BACKUP_DETAILS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "stages/catalog.h"
#include "stages/level_history.h"
#include "stages/storage.h"
#include "stages/verification.h"

namespace volstream {

// kUnproven: there is no receipt, or one of something else. kDamaged: the last verification found
// faults, whatever the receipt says. kUnreadable: the receipt is there and cannot be read.
enum class BackupState { kUnproven, kProven, kVerified, kDamaged, kUnreadable };

// "proven"
std::string_view TextOf(BackupState state);

// What a receipt says of the run that made the backup.
struct BackupFigures {
  uint64_t tar_bytes = 0;
  uint64_t entries = 0;
  uint64_t warning_count = 0;
  uint64_t missing_count = 0;
  absl::Duration duration;
  std::string codec;
  int level = 0;
  std::optional<LevelHistory> levels;
};

struct BackupDetails {
  BackupState state = BackupState::kUnproven;
  std::string remark;                        // what is wrong, where something is; one line
  std::optional<BackupFigures> figures;      // of a receipt that fits
  std::optional<Verification> verification;  // that fits
};

using DetailsVisitor =
    std::function<absl::Status(const BackupInfo& backup, const BackupDetails& details)>;

// Reads the receipts and verifications of all backups, kDetailReads at a time, and gives each
// backup to `visit`, on the caller's thread and in the order given. What cannot be read of one
// backup is said in its details; a destination that fails as a whole (unavailable, cancelled) is an
// error, as is what `visit` returns. Memory: a few hundred bytes for each of kDetailsAhead backups,
// and the receipts being read.
inline constexpr int kDetailReads = 16;
inline constexpr size_t kDetailsAhead = 256;
absl::Status ForEachDetails(Storage* storage, const std::vector<BackupInfo>& backups,
                            const DetailsVisitor& visit);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_BACKUP_DETAILS_H_
