#include "stages/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>
#include <unistd.h>

#include <string>

namespace volstream {

int UniqueFd::Reset() {
  if (fd_ < 0) return 0;
  return close(std::exchange(fd_, -1));
}

UniqueFd OpenBeneath(int root_fd, std::string_view path, int flags) {
  flags |= O_CLOEXEC | O_NOFOLLOW;
  UniqueFd parent;
  // One component at a time: works for paths over PATH_MAX and on kernels without openat2.
  while (true) {
    while (!path.empty() && path.front() == '/') path.remove_prefix(1);
    const size_t slash = path.find('/');
    const int from = parent.valid() ? parent.get() : root_fd;
    const std::string name(path.empty() ? "." : path.substr(0, slash));
    if (name == "..") {
      errno = EXDEV;
      return UniqueFd();
    }
    if (slash == std::string_view::npos || path.find_first_not_of('/', slash) == path.npos) {
      return UniqueFd(openat(from, name.c_str(), flags));
    }
    UniqueFd next(openat(from, name.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    if (!next.valid()) return UniqueFd();
    parent = std::move(next);
    path.remove_prefix(slash);
  }
}

int DescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT_MAX) return INT_MAX;
  return static_cast<int>(limit.rlim_cur);
}

}  // namespace volstream
