// A walk over a directory tree that is the caller's own, by descriptors: no symlink is followed and
// no path is looked up twice, so that what the tree holds cannot lead out of it.
//
// The tree must lie below a directory that nobody else may enter. Directories in it that their
// owner may not read are made readable first, as far as the caller may.
// Two descriptors are open at a time, however deep the tree is; memory is the names of the
// directories beside those on the way down.
#ifndef VOLSTREAM_STAGES_PRIVATE_TREE_H_
#define VOLSTREAM_STAGES_PRIVATE_TREE_H_

#include <sys/stat.h>

#include <functional>
#include <string>

#include "absl/status/status.h"

namespace volstream {

// Hears of each thing below the root; an error ends the walk.
struct PrivateTreeVisitor {
  // All but directories: `name` in `directory_fd`, its path below the root, and what it is. It may
  // be removed.
  std::function<absl::Status(int directory_fd, const std::string& name, const std::string& path,
                             const struct stat& info)>
      on_entry;
  // A directory, after all that is in it. May be empty.
  std::function<absl::Status(int directory_fd, const std::string& name)> on_left;
};

// Errors: kUnknown and the like, with the path, for a directory that cannot be read; the visitor's.
absl::Status WalkPrivateTree(int root_fd, const PrivateTreeVisitor& visitor);

// Removes all that is below the root.
absl::Status EmptyPrivateTree(int root_fd);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_PRIVATE_TREE_H_
