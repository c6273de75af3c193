// S3Lock: the lock of a name under a prefix, as an object that holds its owner and a lease.
//
// Clocks: a lease runs from the object's Last-Modified and is over by the Date of the server's
// answer, so the machines' clocks do not matter. A lock whose process is seen to have ended, on
// this machine, is over at once.
//
// Providers: that conditional writes work is tried each time, by a second write that must be
// refused, because it depends on more than the provider: Ceph 16 ignores the conditions in
// versioned buckets. Where they do not work, the lock is written and read again, which a note says
// is no more than a best effort.
//
// Rights: put, get and delete. Without delete the lock is marked as over at the end; without get it
// is renewed and removed, but one that is there cannot be taken over.
#ifndef VOLSTREAM_STAGES_S3_LOCK_H_
#define VOLSTREAM_STAGES_S3_LOCK_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "stages/http_transport.h"
#include "stages/s3_client.h"
#include "stages/s3_object.h"
#include "stages/storage_lock.h"

namespace volstream {

struct S3LockPlace {
  S3Client* client = nullptr;               // outlives the lock
  const S3ObjectOptions* object = nullptr;  // the same
  std::string key;
  std::string stem;
  std::string destination;  // its URL, for people
  std::function<absl::Time()> clock;
  std::shared_ptr<const CancelFlag> cancelled;  // ends all but Release
};

// ErrorKind::kBusy when another run has it.
absl::StatusOr<std::unique_ptr<StorageLock>> TakeS3Lock(const S3LockPlace& place);

// What is there: kNotFound if nothing is.
absl::StatusOr<LockInfo> ReadS3Lock(const S3LockPlace& place);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_S3_LOCK_H_
