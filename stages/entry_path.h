// Names of entries, made safe to put below a directory.
#ifndef VOLSTREAM_STAGES_ENTRY_PATH_H_
#define VOLSTREAM_STAGES_ENTRY_PATH_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace volstream {

// The path with single slashes and without "." components; empty for the root itself. Nullopt for
// what does not stay below: an absolute path, one with "..", one with a NUL.
std::optional<std::string> ContainedPath(std::string_view path);

// The error for an entry whose path or link is not contained: ErrorKind::kIntegrity.
absl::Status LeadsOutside(std::string_view path);

// The contained path without its first `count` components; nullopt if it has no more than these.
std::optional<std::string_view> StripComponents(std::string_view path, int count);

// The directory part, empty for a name in the root, and the name.
struct SplitPath {
  std::string_view parent;
  std::string_view name;
};
SplitPath Split(std::string_view contained_path);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_ENTRY_PATH_H_
