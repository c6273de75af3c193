#include "stages/exclude_list.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include <fstream>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "stages/absl_text.h"
#include "stages/local_file.h"

namespace volstream {
namespace {

constexpr std::string_view kAnyDepth = "**";

bool ComponentMatches(const std::string& pattern, const std::string& name) {
  return fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

bool ComponentsMatch(std::span<const std::string> pattern, std::span<const std::string> path) {
  if (pattern.empty()) return path.empty();
  if (pattern.front() == kAnyDepth) {
    for (size_t skipped = 0; skipped <= path.size(); ++skipped) {
      if (ComponentsMatch(pattern.subspan(1), path.subspan(skipped))) return true;
    }
    return false;
  }
  return !path.empty() && ComponentMatches(pattern.front(), path.front()) &&
         ComponentsMatch(pattern.subspan(1), path.subspan(1));
}

}  // namespace

absl::Status ExcludeList::Add(std::string_view pattern) {
  const std::string text(pattern);
  if (pattern.starts_with('!')) {
    return absl::InvalidArgumentError(
        absl::StrCat("exclude pattern \"", text,
                     "\" begins with '!': nothing can be included again, name what to leave out"));
  }
  Pattern parsed;
  parsed.directories_only = pattern.ends_with('/');
  while (pattern.ends_with('/')) pattern.remove_suffix(1);
  parsed.anchored = pattern.find('/') != std::string_view::npos;
  if (pattern.starts_with("./")) pattern.remove_prefix(2);
  while (pattern.starts_with('/')) pattern.remove_prefix(1);
  const auto names_all = [&text] {
    return absl::InvalidArgumentError(
        absl::StrCat("exclude pattern \"", text, "\" names the whole source: name what is in it"));
  };
  if (pattern.empty() || pattern == ".") return names_all();
  for (const absl::string_view component : absl::StrSplit(ToAbsl(pattern), '/')) {
    if (component == "." || component == ".." || component.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("exclude pattern \"", text,
                                                     "\" has an empty, \".\" or \"..\" component: ",
                                                     "give the path as it is below the source"));
    }
    // Two in a row say no more than one, and would cost time.
    if (component == absl::string_view("**") && !parsed.components.empty() &&
        parsed.components.back() == kAnyDepth) {
      continue;
    }
    const size_t last = component.find_last_not_of('\\');
    const size_t backslashes = component.size() - (last == component.npos ? 0 : last + 1);
    if (backslashes % 2 != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("exclude pattern \"", text, "\" has a component that ends with '\\', which ",
                       "matches nothing: write a backslash as '\\\\'"));
    }
    parsed.components.emplace_back(component);
  }
  if (parsed.components.size() == 1 && parsed.components.front() == kAnyDepth) return names_all();
  patterns_.push_back(std::move(parsed));
  return absl::OkStatus();
}

absl::Status ExcludeList::AddFile(const std::string& path) {
  errno = 0;
  std::ifstream file(path);
  if (!file.good()) return FileError(errno, absl::StrCat("cannot read exclude file ", path));
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty() || line.front() == '#') continue;
    if (const absl::Status status = Add(line); !status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, " line ", number, ": ", status.message()));
    }
  }
  if (file.bad()) return FileError(errno, absl::StrCat("cannot read exclude file ", path));
  return absl::OkStatus();
}

bool ExcludeList::Matches(std::string_view path, bool is_directory) const {
  if (patterns_.empty()) return false;
  const std::string name(path.substr(path.rfind('/') + 1));
  std::vector<std::string> components;  // split once a pattern asks for them
  for (const Pattern& pattern : patterns_) {
    if (pattern.directories_only && !is_directory) continue;
    if (!pattern.anchored) {
      if (ComponentMatches(pattern.components.front(), name)) return true;
      continue;
    }
    if (components.empty()) components = absl::StrSplit(ToAbsl(path), '/');
    if (ComponentsMatch(pattern.components, components)) return true;
  }
  return false;
}

}  // namespace volstream
