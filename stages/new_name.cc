#include "stages/new_name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <atomic>
#include <random>
#include <tuple>

#include "absl/strings/str_cat.h"

namespace volstream {
namespace {

// Short enough for any file system, and such that no archive can know it beforehand.
std::string TemporaryName() {
  static const uint32_t process = std::random_device()();
  static std::atomic<uint32_t> count{0};
  return absl::StrCat(".volstream-", absl::Hex(process, absl::kZeroPad8), "-",
                      absl::Hex(count.fetch_add(1), absl::kZeroPad8), ".partial");
}

}  // namespace

Precedence Decide(const NameRules& rules, const struct stat& there) {
  if (rules.is_ours) return Precedence::kReplace;
  switch (rules.overwrite) {
    case Overwrite::kNever:
      return Precedence::kKeep;
    case Overwrite::kOlder: {
      const timespec& old = there.st_mtim;
      const bool older =
          std::tie(old.tv_sec, old.tv_nsec) < std::tie(rules.mtime.tv_sec, rules.mtime.tv_nsec);
      return older ? Precedence::kReplace : Precedence::kKeep;
    }
    case Overwrite::kRefuse:  // the target was empty: it is the archive's own
    case Overwrite::kAlways:
      break;
  }
  return Precedence::kReplace;
}

int ReplaceByDirectory(int directory_fd, const std::string& name, mode_t mode) {
  const std::string made = TemporaryName();
  if (mkdirat(directory_fd, made.c_str(), mode) != 0) return errno;
  if (renameat2(directory_fd, made.c_str(), directory_fd, name.c_str(), RENAME_EXCHANGE) == 0) {
    return unlinkat(directory_fd, made.c_str(), 0) == 0 ? 0 : errno;
  }
  int error = errno;
  if (error == EINVAL || error == ENOSYS) {
    const std::string aside = TemporaryName();
    if (renameat(directory_fd, name.c_str(), directory_fd, aside.c_str()) != 0) {
      error = errno;
    } else if (renameat(directory_fd, made.c_str(), directory_fd, name.c_str()) == 0) {
      return unlinkat(directory_fd, aside.c_str(), 0) == 0 ? 0 : errno;
    } else {
      error = errno;
      renameat(directory_fd, aside.c_str(), directory_fd, name.c_str());
    }
  } else if (error == ENOENT &&
             renameat(directory_fd, made.c_str(), directory_fd, name.c_str()) == 0) {
    return 0;  // it has just gone
  }
  unlinkat(directory_fd, made.c_str(), AT_REMOVEDIR);
  return error;
}

NewName::~NewName() {
  if (!made_name_.empty()) unlinkat(directory_fd_, made_name_.c_str(), 0);
}

NewName::Outcome NewName::Fail(int error) {
  error_ = error;
  return Outcome::kFailed;
}

NewName::Outcome NewName::Make(const NameRules& rules, const Maker& maker) {
  int error = maker(name_);
  if (error == EEXIST) {
    struct stat there {};
    if (fstatat(directory_fd_, name_.c_str(), &there, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno != ENOENT) return Fail(errno);
      error = maker(name_);  // it has just gone
    } else if (S_ISDIR(there.st_mode)) {
      if (rules.overwrite == Overwrite::kNever && !rules.is_ours) return Outcome::kKept;
      if (unlinkat(directory_fd_, name_.c_str(), AT_REMOVEDIR) != 0) {
        return Fail(errno == EEXIST ? ENOTEMPTY : errno);
      }
      error = maker(name_);
    } else {
      if (Decide(rules, there) == Precedence::kKeep) return Outcome::kKept;
      std::string temporary;
      do {
        temporary = TemporaryName();
        error = maker(temporary);
      } while (error == EEXIST);
      if (error == 0) made_name_ = std::move(temporary);
      return error == 0 ? Outcome::kMade : Fail(error);
    }
  }
  if (error != 0) return Fail(error);
  made_name_ = name_;
  return Outcome::kMade;
}

bool NewName::Commit() {
  const std::string made = std::exchange(made_name_, "");
  if (made == name_) return true;
  if (renameat(directory_fd_, made.c_str(), directory_fd_, name_.c_str()) != 0) {
    error_ = errno;
    unlinkat(directory_fd_, made.c_str(), 0);
    return false;
  }
  // Between two names of one file rename(2) does nothing at all.
  struct stat there {};
  if (fstatat(directory_fd_, made.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0 &&
      there.st_nlink > 1) {
    unlinkat(directory_fd_, made.c_str(), 0);
  }
  return true;
}

}  // namespace volstream
