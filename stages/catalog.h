// Catalog: which backups a destination holds, from its listing alone.
#ifndef VOLSTREAM_STAGES_CATALOG_H_
#define VOLSTREAM_STAGES_CATALOG_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "stages/archive_name.h"
#include "stages/storage.h"

namespace volstream {

struct BackupInfo {
  std::string name;  // object name of the archive
  ArchiveName parsed;
  uint64_t bytes = 0;
  absl::Time modified;
  bool proven = false;    // its receipt is there
  bool verified = false;  // what a verification found is there: good or bad
};

// All archives of `stem`, or of every stem if it is empty; the newest first. Receipts and
// verifications without an archive and foreign objects are passed over.
absl::StatusOr<std::vector<BackupInfo>> ListBackups(Storage* storage, std::string_view stem);

// The newest proven backup. kNotFound, naming the destination, when there is none;
// kFailedPrecondition when there are several names to choose from and no stem is given.
absl::StatusOr<BackupInfo> LatestBackup(Storage* storage, std::string_view stem);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_CATALOG_H_
