// TreeWriter: makes the entries of an archive anew below one directory, and nowhere else.
//
// Safety: every name is opened relative to the target, one component at a time, and no symlink is
// followed, whether the archive or somebody else put it there. Absolute names, ".." and empty
// names are refused.
// Order: directories, links and nodes are made by the caller's thread as they come, so that what
// follows finds them; the contents of files are written by threads of the writer's own. An entry of
// a name that is still being written waits for it, so that the last entry of a name wins, and a
// hard link waits for the file that it links to. Directories get their times, owners and modes in
// Finish, when nothing changes them any more.
// Memory: the bytes handed over live until they are written; at most `max_pending_bytes` of them
// wait. Only bytes of one owner ever wait for further calls; all others go to disk without any.
// About 100 bytes and the name for each directory, and 16 for each other entry where what was there
// before must be told from what was made (kNever, kOlder).
// Threads: one at a time.
#ifndef VOLSTREAM_STAGES_TREE_WRITER_H_
#define VOLSTREAM_STAGES_TREE_WRITER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/bytes.h"
#include "stages/entry_reader.h"

namespace volstream {

// What becomes of a file that is in the entry's place: it stays; it is replaced if it is older than
// the entry; it is replaced. kRefuse: a target that is not empty is an error.
enum class Overwrite { kRefuse, kNever, kOlder, kAlways };

// Whose files become: the restoring user's; those of the archive's numbers; those whom this system
// knows by the archive's names, and by number where it knows none.
enum class Owners { kOwn, kByNumber, kByName };

struct TreeWriterOptions {
  std::string target;  // a directory; made if only its last component is missing
  Overwrite overwrite = Overwrite::kRefuse;
  Owners owners = Owners::kOwn;
  int threads = 0;                         // that write; 0 = one a core, two at least
  uint64_t max_pending_bytes = 64 * kMiB;  // of the contents handed over
  uint64_t max_file_bytes = UINT64_MAX;    // of all contents together (--max-size)
  // Hears, on any thread, one at a time, of entries that could not be restored in full; may be
  // empty.
  std::function<void(std::string_view)> on_warning;
};

// What a writer ends with when the contents become more than that.
absl::Status OverMaxSize(uint64_t max_file_bytes);

struct TreeWriterReport {
  uint64_t entries = 0;     // that were taken
  uint64_t file_bytes = 0;  // of the contents written
  uint64_t kept = 0;        // entries in whose place something was, and stayed
  uint64_t warnings = 0;
  uint64_t not_restored = 0;  // entries that are not there, or not whole
};

class TreeWriter {
 public:
  // Prepares the target. Errors: kFailedPrecondition where it is no directory, or is not empty.
  static absl::StatusOr<std::unique_ptr<TreeWriter>> Open(TreeWriterOptions options);
  virtual ~TreeWriter() = default;

  // Begins an entry; the one before it has all its data. What cannot be made is a warning, counted
  // as not restored. Errors, all of them final: ErrorKind::kIntegrity for a name that points
  // outside of the target; a file system that is full or read-only; kResourceExhausted over
  // max_file_bytes.
  virtual absl::Status Begin(const RestoreEntry& entry) = 0;
  // A piece of the entry's content. Passed over where the entry is not being written.
  virtual absl::Status Write(EntryData data) = 0;
  // Waits until all is written and completes the directories. Once; no other call may follow.
  virtual absl::StatusOr<TreeWriterReport> Finish() = 0;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_TREE_WRITER_H_
