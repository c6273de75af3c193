// OpenDirectory: a directory in which names are made; shared by all who make some.
#ifndef VOLSTREAM_STAGES_OPEN_DIRECTORY_H_
#define VOLSTREAM_STAGES_OPEN_DIRECTORY_H_

#include <atomic>
#include <utility>

#include "stages/beneath.h"

namespace volstream {

class OpenDirectory {
 public:
  // `open_count`, which outlives the object, counts those that are open. `inherits`: the directory
  // hands its group or a default ACL down to what is made in it.
  OpenDirectory(UniqueFd fd, bool inherits, std::atomic<int>* open_count)
      : fd_(std::move(fd)), inherits_(inherits), open_count_(open_count) {
    open_count_->fetch_add(1);
  }
  ~OpenDirectory() { open_count_->fetch_sub(1); }
  OpenDirectory(const OpenDirectory&) = delete;
  OpenDirectory& operator=(const OpenDirectory&) = delete;

  int fd() const { return fd_.get(); }
  bool inherits() const { return inherits_; }

 private:
  const UniqueFd fd_;
  const bool inherits_;
  std::atomic<int>* const open_count_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_OPEN_DIRECTORY_H_
