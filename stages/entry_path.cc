#include "stages/entry_path.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "stages/error_kind.h"
#include "stages/warnings.h"

namespace volstream {

std::optional<std::string> ContainedPath(std::string_view path) {
  if (path.starts_with('/') || path.find('\0') != path.npos) return std::nullopt;
  std::string contained;
  contained.reserve(path.size());
  while (!path.empty()) {
    const std::string_view component = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(path.size(), component.size() + 1));
    if (component == "..") return std::nullopt;
    if (component.empty() || component == ".") continue;
    if (!contained.empty()) contained += '/';
    contained += component;
  }
  return contained;
}

absl::Status LeadsOutside(std::string_view path) {
  return MakeError(
      ErrorKind::kIntegrity, absl::StatusCode::kDataLoss,
      absl::StrCat("refused entry ", PrintablePath(path), ", which points outside of the target"));
}

std::optional<std::string_view> StripComponents(std::string_view path, int count) {
  for (; count > 0; --count) {
    const size_t slash = path.find('/');
    if (slash == path.npos) return std::nullopt;
    path.remove_prefix(slash + 1);
  }
  return path;
}

SplitPath Split(std::string_view contained_path) {
  const size_t slash = contained_path.rfind('/');
  if (slash == contained_path.npos) return {"", contained_path};
  return {contained_path.substr(0, slash), contained_path.substr(slash + 1)};
}

}  // namespace volstream
