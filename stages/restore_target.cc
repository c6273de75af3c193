#include "stages/restore_target.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <memory>

#include "absl/strings/str_cat.h"
#include "stages/local_file.h"

namespace volstream {

absl::StatusOr<RestoreTarget> PrepareTarget(const std::string& target, bool overwrite) {
  if (mkdir(target.c_str(), 0777) != 0 && errno != EEXIST) {
    return FileError(errno, absl::StrCat("cannot make target ", target));
  }
  const std::unique_ptr<char, decltype(&free)> real(realpath(target.c_str(), nullptr), &free);
  struct stat info {};
  if (real == nullptr || stat(real.get(), &info) != 0) {
    return FileError(errno, absl::StrCat("target ", target));
  }
  if (!S_ISDIR(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat("target ", target, " is not a directory: give a directory"));
  }
  std::error_code error;
  const bool empty = std::filesystem::is_empty(real.get(), error);
  if (error) return FileError(error.value(), absl::StrCat("target ", target));
  if (!empty && !overwrite) {
    return absl::FailedPreconditionError(
        absl::StrCat("target ", target,
                     " is not empty: choose another, or say with --overwrite never, older or "
                     "always what becomes of its files"));
  }
  return RestoreTarget{real.get(), empty};
}

}  // namespace volstream
