// LockOwner: who holds a lock, as it stands in the lock's file or object, and whether that process
// still runs where this can be seen.
#ifndef VOLSTREAM_STAGES_LOCK_OWNER_H_
#define VOLSTREAM_STAGES_LOCK_OWNER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace volstream {

struct LockOwner {
  std::string id;  // random; one for each lock taken
  std::string host;
  int64_t pid = 0;
  // The process beyond doubt: boot, pid namespace, pid and start time, as Linux gives them.
  std::string process;
  absl::Time started;
  absl::Duration lease;   // how long it holds after it was last written
  bool released = false;  // where it could not be removed at the end
  // How often it was written: without it each renewal would have the bytes, and so the ETag, of the
  // one before, and If-Match would not notice what came between.
  int64_t writes = 0;

  static LockOwner OfThisProcess(absl::Time now, absl::Duration lease);

  std::string ToJson() const;
  // kDataLoss if the text is no lock.
  static absl::StatusOr<LockOwner> FromJson(std::string_view text);

  // "process 4711 on web1, since 2025-06-15 15:06:40 UTC"
  std::string ToString() const;
};

enum class ProcessState {
  kRuns,
  kEnded,
  kUnknown,  // on another machine, before a reboot, or in another container
};

ProcessState StateOf(const LockOwner& owner);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_LOCK_OWNER_H_
