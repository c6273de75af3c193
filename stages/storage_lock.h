// StorageLock: the right of one run to make and remove backups of one name at one destination.
//
// At a directory it is a flock'ed dot-file: it ends with its process, whatever happens. At S3 it is
// an object that was put only if there was none (If-None-Match), which its holder writes anew
// (If-Match) before its lease is over; a lease that is over may be taken over by the same
// condition.
#ifndef VOLSTREAM_STAGES_STORAGE_LOCK_H_
#define VOLSTREAM_STAGES_STORAGE_LOCK_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "stages/lock_owner.h"

namespace volstream {

// A run that died without a word keeps others out for as long as this.
inline constexpr absl::Duration kLockLease = absl::Minutes(10);
inline constexpr absl::Duration kLockRefreshInterval = absl::Seconds(150);

// The name of the object that is the lock of a stem: neither a backup's nor a receipt's.
std::string LockNameOf(std::string_view stem);
// The stem of LockNameOf; empty if `name` is no such name.
std::string_view StemOfLock(std::string_view name);

// Threads: one at a time, unless a subclass says more.
class StorageLock {
 public:
  // Does not release.
  virtual ~StorageLock() = default;

  // Makes sure that the lock is still held, and prolongs it. kAborted: it is lost, for good. Any
  // other error: nobody knows.
  virtual absl::Status Refresh() = 0;

  // Gives it up, if it is still held. The last call.
  virtual absl::Status Release() = 0;

  // What people should know of how it was taken: that it is no more than a best effort, that a dead
  // run's was taken over.
  const std::vector<std::string>& notes() const { return notes_; }

 protected:
  std::vector<std::string> notes_;
};

// A lock that is there, whoever has it.
struct LockInfo {
  std::string stem;
  std::string url;
  LockOwner owner;                              // without an id where it cannot be read
  bool held = false;                            // else it would be taken over
  absl::Time expires = absl::InfiniteFuture();  // unless its holder writes it anew
};

// kFailedPrecondition of ErrorKind::kBusy: who has the lock, until when, and what to do.
absl::Status LockHeldError(const LockInfo& lock, std::string_view destination);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_STORAGE_LOCK_H_
