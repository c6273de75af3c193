#include "stages/retention.h"

#include <map>
#include <utility>

#include "engine/status_macros.h"
#include "stages/archive_name.h"

namespace volstream {

std::vector<BackupInfo> PlanRetention(const std::vector<BackupInfo>& backups, int keep_last,
                                      std::string_view spare) {
  std::vector<BackupInfo> removals;
  if (keep_last <= 0) return removals;
  std::map<std::pair<std::string, ArchiveKind>, int> proven_seen;
  for (const BackupInfo& backup : backups) {
    int& seen = proven_seen[{backup.parsed.stem, backup.parsed.kind}];
    // People name their own dumps like that: without a receipt one is not known to be ours.
    if (backup.parsed.kind == ArchiveKind::kRaw && !backup.proven) continue;
    if (seen >= keep_last && backup.name != spare) {
      removals.push_back(backup);
    } else if (backup.proven) {
      ++seen;
    }
  }
  return removals;
}

absl::Status RemoveBackups(Storage* storage, const std::vector<BackupInfo>& backups) {
  std::vector<std::string> receipts;
  std::vector<std::string> archives;
  for (const BackupInfo& backup : backups) {
    if (backup.proven) receipts.push_back(ReceiptNameOf(backup.name));
    archives.push_back(backup.name);
  }
  VS_RETURN_IF_ERROR(storage->Remove(receipts));
  return storage->Remove(archives);
}

absl::StatusOr<std::vector<BackupInfo>> ApplyRetention(Storage* storage, std::string_view stem,
                                                       int keep_last, bool dry_run,
                                                       std::string_view spare) {
  VS_ASSIGN_OR_RETURN(const std::vector<BackupInfo> backups, ListBackups(storage, stem));
  const std::vector<BackupInfo> removals = PlanRetention(backups, keep_last, spare);
  if (!dry_run && !removals.empty()) VS_RETURN_IF_ERROR(RemoveBackups(storage, removals));
  return removals;
}

}  // namespace volstream
