// Retention: which backups may go, and their removal. The plan is pure; only backups that
// ListBackups recognises can be in it.
#ifndef VOLSTREAM_STAGES_RETENTION_H_
#define VOLSTREAM_STAGES_RETENTION_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "stages/catalog.h"
#include "stages/storage.h"

namespace volstream {

// Backups kept when nobody says otherwise.
inline constexpr int kDefaultKeepLocal = 10;
inline constexpr int kDefaultKeepS3 = 20;

// The backups to remove so that of each stem, and of each kind of it (.tar.gz, .gz), the
// `keep_last` newest proven ones stay. Unproven ones never count as kept and go only when that many
// newer proven ones exist; an unproven .gz never goes. keep_last == 0 keeps everything. `backups`
// is ordered newest first. The backup named `spare` never goes, wherever its name sorts: a clock
// that was ahead once must not cost the backup just made.
std::vector<BackupInfo> PlanRetention(const std::vector<BackupInfo>& backups, int keep_last,
                                      std::string_view spare = "");

// Removes the backups: receipts first, so that a removal cut short leaves unproven archives and
// never a receipt that vouches for nothing.
absl::Status RemoveBackups(Storage* storage, const std::vector<BackupInfo>& backups);

// Lists, plans, and unless dry_run removes. Returns what is or would be removed.
absl::StatusOr<std::vector<BackupInfo>> ApplyRetention(Storage* storage, std::string_view stem,
                                                       int keep_last, bool dry_run,
                                                       std::string_view spare = "");

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_RETENTION_H_
