// The directory that a restore writes into.
#ifndef VOLSTREAM_STAGES_RESTORE_TARGET_H_
#define VOLSTREAM_STAGES_RESTORE_TARGET_H_

#include <string>

#include "absl/status/statusor.h"

namespace volstream {

struct RestoreTarget {
  std::string path;    // without symlinks
  bool empty = false;  // made just now, or nothing is in it
};

// Makes `target` if only its last component is missing. kFailedPrecondition if it is no directory,
// or is not empty and `overwrite` is false.
absl::StatusOr<RestoreTarget> PrepareTarget(const std::string& target, bool overwrite);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_RESTORE_TARGET_H_
