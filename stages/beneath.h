// Opens names under a directory without ever leaving it: no symlink is followed in any component,
// so a tree that changes while it is read cannot lead out of the volume.
#ifndef VOLSTREAM_STAGES_BENEATH_H_
#define VOLSTREAM_STAGES_BENEATH_H_

#include <string_view>
#include <utility>

namespace volstream {

// Owns a file descriptor; -1 is none. Move-only.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) {
      Reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  // Closes; the return value of close(2).
  int Reset();

 private:
  int fd_ = -1;
};

// Opens `path`, relative to root_fd and of any length, with O_CLOEXEC and O_NOFOLLOW added to
// `flags`. An invalid fd and errno on failure; ELOOP or ENOTDIR when a component is a symlink.
UniqueFd OpenBeneath(int root_fd, std::string_view path, int flags);

// Descriptors that this process may have open (RLIMIT_NOFILE).
int DescriptorLimit();

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_BENEATH_H_
