// The directory that a restore writes into.
#ifndef VOLSTREAM_STAGES_RESTORE_TARGET_H_
#define VOLSTREAM_STAGES_RESTORE_TARGET_H_

#include <string>

#include "absl/status/statusor.h"

namespace volstream {

// Makes `target` if only its last component is missing, and returns its path without symlinks.
// kFailedPrecondition if it is no directory, or is not empty and `overwrite` is false.
absl::StatusOr<std::string> PrepareTarget(const std::string& target, bool overwrite);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_RESTORE_TARGET_H_
