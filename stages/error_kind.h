// ErrorKind: what sort of failure a Status stands for, as far as the exit code cares. It rides on
// the Status as a payload, so that it survives added context.
#ifndef VOLSTREAM_STAGES_ERROR_KIND_H_
#define VOLSTREAM_STAGES_ERROR_KIND_H_

#include <string_view>

#include "absl/status/status.h"

namespace volstream {

// The values are the process exit codes.
enum class ErrorKind {
  kGeneral = 1,
  kPrerequisite = 2,
  kVolumeNotFound = 3,
  kS3 = 4,
  kIntegrity = 5,
  kPartial = 6,
  kBusy = 7,
  kInterrupted = 130,
};

// A Status of the given kind. The message is one line: what failed, then the remedy.
absl::Status MakeError(ErrorKind kind, absl::StatusCode code, std::string_view message);

// What a run that was cancelled ends with: kCancelled, "interrupted".
absl::Status InterruptedError();

// `status` with its kind set. OK stays OK; a kind that was set before stays.
absl::Status WithKind(absl::Status status, ErrorKind kind);

// The kind that was set; else kDataLoss is kIntegrity, kCancelled is kInterrupted, the rest is
// kGeneral. REQUIRES: !status.ok().
ErrorKind KindOf(const absl::Status& status);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_ERROR_KIND_H_
