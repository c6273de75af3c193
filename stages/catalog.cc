#include "stages/catalog.h"

#include <algorithm>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/error_kind.h"

namespace volstream {
namespace {

// `attached` is what is kept beside the backup.
void Note(std::string_view attached, BackupInfo* backup) {
  (attached.ends_with(kReceiptSuffix) ? backup->proven : backup->verified) = true;
}

}  // namespace

absl::StatusOr<std::vector<BackupInfo>> ListBackups(Storage* storage, std::string_view stem) {
  const std::string prefix = stem.empty() ? "" : std::string(stem) + "_";
  std::vector<BackupInfo> backups;
  // Receipts and verifications that did not come right behind their archive, as they do in a sorted
  // listing: only these need memory.
  std::set<std::string> others;
  VS_RETURN_IF_ERROR(storage->ForEach(prefix, [&](ObjectInfo object) {
    if (const std::string_view archive = AttachedTo(object.name); !archive.empty()) {
      if (!backups.empty() && backups.back().name == archive) {
        Note(object.name, &backups.back());
      } else {
        others.insert(std::move(object.name));
      }
      return absl::OkStatus();
    }
    std::optional<ArchiveName> parsed = ArchiveName::Parse(object.name);
    if (!parsed.has_value() || (!stem.empty() && parsed->stem != stem)) return absl::OkStatus();
    BackupInfo backup;
    backup.name = std::move(object.name);
    backup.parsed = *std::move(parsed);
    backup.bytes = object.bytes;
    backup.modified = object.modified;
    backups.push_back(std::move(backup));
    return absl::OkStatus();
  }));
  if (!others.empty()) {
    for (BackupInfo& backup : backups) {
      backup.proven |= others.contains(ReceiptNameOf(backup.name));
      backup.verified |= others.contains(VerificationNameOf(backup.name));
    }
  }
  std::sort(backups.begin(), backups.end(), [](const BackupInfo& a, const BackupInfo& b) {
    return std::tie(b.parsed.time, b.name) < std::tie(a.parsed.time, a.name);
  });
  return backups;
}

absl::StatusOr<BackupInfo> LatestBackup(Storage* storage, std::string_view stem) {
  VS_ASSIGN_OR_RETURN(const std::vector<BackupInfo> backups, ListBackups(storage, stem));
  const auto latest = std::find_if(backups.begin(), backups.end(),
                                   [](const BackupInfo& backup) { return backup.proven; });
  const bool several = std::any_of(backups.begin(), backups.end(), [&](const BackupInfo& backup) {
    return backup.proven &&
           (backup.parsed.stem != latest->parsed.stem || backup.parsed.kind != latest->parsed.kind);
  });
  if (several) {
    return MakeError(ErrorKind::kGeneral, absl::StatusCode::kFailedPrecondition,
                     absl::StrCat(storage->Url(),
                                  " holds backups of several names, or tars and other streams of "
                                  "one: say which with --name, or name the archive itself"));
  }
  if (latest != backups.end()) return *latest;
  return MakeError(ErrorKind::kGeneral, absl::StatusCode::kNotFound,
                   absl::StrCat("no proven backup at ", storage->Url(),
                                ": see `volstream list` for what is there"));
}

}  // namespace volstream
