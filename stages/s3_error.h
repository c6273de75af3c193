// S3Failure: why a request failed, and the one line that tells a person what to change.
#ifndef VOLSTREAM_STAGES_S3_ERROR_H_
#define VOLSTREAM_STAGES_S3_ERROR_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace volstream {

// The last try of a request that failed for good.
struct S3Failure {
  absl::Status transport;  // not OK: no HTTP answer came
  int http_status = 0;
  std::string code;           // <Code> of the error document; empty if there was none
  std::string message;        // <Message>
  std::string bucket_region;  // x-amz-bucket-region, where the answer had it
  bool foreign_body = false;  // there was a body, and it was no S3 error document
  int tries = 1;
};

// A Status of ErrorKind::kS3 (ErrorKind::kIntegrity where bytes were damaged, none when cancelled):
// "WHAT: HTTP 503 SlowDown after 5 tries: MESSAGE; REMEDY". `endpoint` is scheme://host[:port].
// Codes: kNotFound an object that is not there, kPermissionDenied, kUnauthenticated (keys),
// kUnavailable what may pass by itself, kAborted an upload that is gone or a
// condition that does not hold, kOutOfRange a range
// behind the object's end, kFailedPrecondition, kInvalidArgument, kResourceExhausted, kDataLoss,
// kCancelled.
absl::Status S3StatusOf(const S3Failure& failure, std::string_view what, std::string_view endpoint);

// What a server said, for a message: on one line, cut where it is long, without a full stop.
std::string ServerText(std::string_view text);

// <Code> of the answer behind a Status made here; empty if there was none.
std::string S3CodeOf(const absl::Status& status);

// A condition of the request (If-None-Match, If-Match) did not hold; perhaps as an earlier try of
// its own has changed the object before its answer was lost.
bool IsConditionFailed(const absl::Status& status);

// There is no such upload, or no such object.
bool IsGone(const absl::Status& status);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_S3_ERROR_H_
