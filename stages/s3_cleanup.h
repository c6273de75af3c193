// S3Cleanup: takes an unfinished upload or an object away again. Its requests are bounded in tries
// and time and know no cancellation, so that a run that fails or is interrupted ends soon and
// leaves nothing behind.
//
// Safe for concurrent calls. Lifetime: the client must outlive it.
#ifndef VOLSTREAM_STAGES_S3_CLEANUP_H_
#define VOLSTREAM_STAGES_S3_CLEANUP_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "stages/s3_client.h"
#include "stages/s3_requests.h"

namespace volstream {

class S3Cleanup {
 public:
  S3Cleanup(S3Client* client, std::string key);

  // Until no part of it is listed any more, for at most about half a minute. OK as well if there
  // is no such upload.
  absl::Status AbortUpload(const std::string& upload_id) const;
  // Aborts all uploads of exactly this key but that one.
  absl::Status AbortOthers(const std::string& upload_id) const;
  // OK as well if there is none. See DeleteObjectRequest for the version.
  absl::Status DeleteObject(std::string_view version_id) const;

  // A request that neither a cancellation nor a dead network can hold up.
  static S3Request Bounded(S3Request request, std::string what);

 private:
  S3Client* const client_;
  const std::string key_;
  const std::string url_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_S3_CLEANUP_H_
