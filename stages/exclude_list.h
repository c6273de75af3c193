// ExcludeList: patterns of paths that a backup leaves out.
//
// A pattern without a '/' is matched against the last component of every path; one with a '/' (at
// its front or inside) against the whole path from the volume's root. Components match as
// stages/path_glob.h has it, "**" included. A '/' at the end restricts a pattern to directories.
// A directory that matches is left out with all that is in it.
//
// Threads: immutable once filled; Matches is safe for concurrent calls.
#ifndef VOLSTREAM_STAGES_EXCLUDE_LIST_H_
#define VOLSTREAM_STAGES_EXCLUDE_LIST_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "stages/path_glob.h"

namespace volstream {

class ExcludeList {
 public:
  // kInvalidArgument for a pattern that can match nothing, or that begins with '!' (there is no
  // re-including).
  absl::Status Add(std::string_view pattern);

  // Adds the patterns of a file, one a line; empty lines and those that begin with '#' are passed
  // over. The error names the file and the line.
  absl::Status AddFile(const std::string& path);

  bool empty() const { return patterns_.empty(); }

  // `path` is relative to the volume's root, without a leading "./".
  bool Matches(std::string_view path, bool is_directory) const;

 private:
  struct Pattern {
    std::vector<GlobComponent> components;
    bool anchored = false;  // to the root; else matched against the last component alone
    bool directories_only = false;
  };
  std::vector<Pattern> patterns_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_EXCLUDE_LIST_H_
