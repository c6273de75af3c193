// LocalLock: the lock of a name in a directory, as a dot-file that its holder keeps flock'ed. The
// kernel gives it up when the process ends, so it needs no lease, and what a dead run leaves is
// free.
#ifndef VOLSTREAM_STAGES_LOCAL_LOCK_H_
#define VOLSTREAM_STAGES_LOCAL_LOCK_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "stages/storage_lock.h"

namespace volstream {

// Fails with ErrorKind::kBusy when another process has it. On a file system without flock the lock
// excludes nobody, and a note says so.
absl::StatusOr<std::unique_ptr<StorageLock>> TakeLocalLock(const std::string& directory,
                                                           std::string_view stem);

// The locks among `names`, the names in the directory; of one stem unless it is empty.
std::vector<LockInfo> FindLocalLocks(const std::string& directory,
                                     const std::vector<std::string>& names, std::string_view stem);

// Removes a lock that nobody holds; ErrorKind::kBusy when somebody does.
absl::Status BreakLocalLock(const std::string& directory, std::string_view stem);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_LOCAL_LOCK_H_
