// Restore: extracts an archive, or some of it, into a directory, from any destination. Reads what
// volstream writes and any other tar that libarchive knows (plain, gzip, ...).
//
// Nothing is written outside the target: absolute names and ".." are refused, and no symlink of
// the archive or of the target is followed (stages/tree_writer.h).
#ifndef VOLSTREAM_STAGES_RESTORE_H_
#define VOLSTREAM_STAGES_RESTORE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "stages/storage.h"
#include "stages/tree_writer.h"

namespace volstream {

struct RestoreOptions {
  std::string target;  // a directory; made if only its last component is missing
  Overwrite overwrite = Overwrite::kRefuse;
  Owners owners = Owners::kOwn;
  // Only these, as stages/path_selection.h has them; everything if there are none.
  std::vector<std::string> patterns;
  // Leading components of every path that are left out; what has no more than these is passed over.
  // Patterns are of paths as the archive has them.
  int strip_components = 0;
  uint64_t max_file_bytes = UINT64_MAX;  // of all files together; more is kResourceExhausted
  int threads = 0;                       // that inflate, and as many that write; 0 = one a core
  uint64_t memory_bytes = 256 * kMiB;    // of all buffers together
  int connections = 8;                   // reads of the archive at a time
  // Touches nothing.
  bool dry_run = false;
  // Hears of every entry that is restored, or would be, by its path in the target; ends the restore
  // unless it returns OK. May be empty.
  std::function<absl::Status(std::string_view path)> on_entry;
  // Makes what writes the tree, where the target is no directory of this machine; `target` is its
  // name then. May be empty.
  std::function<absl::StatusOr<std::unique_ptr<TreeWriter>>(TreeWriterOptions)> open_writer;
  // Called once before the target is touched, when the archive has shown that it is one; an error
  // ends the restore. Not in a dry run. May be empty.
  std::function<absl::Status()> before_write;
  // Ends the restore soon when it becomes true. May be null.
  const std::atomic<bool>* cancelled = nullptr;
  // Hears, on any thread, of entries that could not be restored in full; may be empty.
  std::function<void(std::string_view)> on_warning;
};

struct RestoreReport {
  uint64_t entries = 0;        // that were selected
  uint64_t file_bytes = 0;     // written
  uint64_t archive_bytes = 0;  // read
  uint64_t kept = 0;           // entries in whose place something was, and stayed
  uint64_t warnings = 0;
  uint64_t not_restored = 0;           // entries that are not there, or not whole
  std::vector<std::string> unmatched;  // patterns that nothing in the archive fits
  bool receipt_checked = false;        // the whole archive has the XXH3 that its receipt says
};

// Restores the archive `name` of `storage`, read by the best way that there is
// (stages/entry_source.h). Where a receipt is beside it and all is restored, the archive's XXH3 is
// compared with it as it is read.
// Errors: ErrorKind::kIntegrity for a damaged archive, or one that differs from its receipt, or
// that leads out of the target; kInvalidArgument for patterns that can match nothing.
absl::StatusOr<RestoreReport> RestoreArchive(Storage* storage, const std::string& name,
                                             const RestoreOptions& options);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_RESTORE_H_
