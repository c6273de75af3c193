// Restore: extracts an archive into a directory, in order, from any destination. Reads what
// volstream writes and any other tar that libarchive knows (plain, gzip, ...). The only home of
// libarchive outside the tests.
//
// Nothing is written outside the target: absolute names and ".." are refused, and no symlink of
// the archive or of the target is followed.
#ifndef VOLSTREAM_STAGES_RESTORE_H_
#define VOLSTREAM_STAGES_RESTORE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "stages/storage.h"

namespace volstream {

struct RestoreOptions {
  std::string target;  // a directory; made if only its last component is missing
  // Restores into a directory that is not empty, replacing files of the same names.
  bool overwrite = false;
  // Owners are restored, by number, only for the superuser; others get what they may.
  bool restore_owners = false;
  // Ends the restore soon when it becomes true. May be null.
  const std::atomic<bool>* cancelled = nullptr;
  // Hears of entries that could not be restored in full; may be empty.
  std::function<void(std::string_view)> on_warning;
};

struct RestoreReport {
  uint64_t entries = 0;
  uint64_t file_bytes = 0;
  uint64_t archive_bytes = 0;  // read
  uint64_t warnings = 0;
  uint64_t not_restored = 0;  // entries that are not there, or not whole
  bool md5_checked = false;   // the whole archive was compared with the receipt's MD5
};

// Restores the archive `name` of `storage`. Where a receipt is beside it, the archive's MD5 is
// compared with it as it is read.
// Errors: ErrorKind::kIntegrity for a damaged archive, or one that differs from its receipt.
absl::StatusOr<RestoreReport> RestoreArchive(Storage* storage, const std::string& name,
                                             const RestoreOptions& options);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_RESTORE_H_
