// What a bucket says of itself: versioning and Object Lock (Amazon S3 API reference,
// GetBucketVersioning and GetObjectLockConfiguration). Pure, as stages/s3_requests.h.
#ifndef VOLSTREAM_STAGES_S3_BUCKET_H_
#define VOLSTREAM_STAGES_S3_BUCKET_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "stages/s3_requests.h"

namespace volstream {

S3Request GetVersioningRequest();
S3Request GetObjectLockRequest();

enum class BucketVersioning { kNever, kEnabled, kSuspended };

struct BucketLock {
  bool enabled = false;
  // What new objects get unless they say otherwise: "GOVERNANCE 30 days"; empty = nothing.
  std::string default_retention;
};

// kInternal if the answer is not the document that S3 specifies.
absl::StatusOr<BucketVersioning> ParseVersioning(std::string_view xml);
absl::StatusOr<BucketLock> ParseObjectLock(std::string_view xml);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_S3_BUCKET_H_
