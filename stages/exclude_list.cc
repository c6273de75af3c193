#include "stages/exclude_list.h"

#include <errno.h>
#include <string.h>

#include <algorithm>
#include <fstream>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "stages/absl_text.h"
#include "stages/local_file.h"

namespace volstream {
namespace {

bool IsAnyDepth(const GlobComponent& component) {
  return component.kind() == GlobComponent::Kind::kAnyDepth;
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
    GlobComponent glob({component.data(), component.size()});
    // A '[' without its ']' stands for itself, as in fnmatch(3).
    if (glob.flaw() == GlobComponent::Flaw::kOpenQuote) {
      return absl::InvalidArgumentError(absl::StrCat(
          "exclude pattern \"", text, "\" has a component that ", ToAbsl(glob.flaw_text())));
    }
    parsed.components.push_back(std::move(glob));
  }
  if (std::all_of(parsed.components.begin(), parsed.components.end(), IsAnyDepth)) {
    return names_all();
  }
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
  const std::string_view name = path.substr(path.rfind('/') + 1);
  absl::InlinedVector<std::string_view, 16> components;  // split once a pattern asks for them
  for (const Pattern& pattern : patterns_) {
    if (pattern.directories_only && !is_directory) continue;
    if (!pattern.anchored) {
      if (pattern.components.front().Matches(name)) return true;
      continue;
    }
    if (components.empty()) {
      for (const absl::string_view component : absl::StrSplit(ToAbsl(path), '/')) {
        components.emplace_back(component.data(), component.size());
      }
    }
    if (GlobMatches(pattern.components, components)) return true;
  }
  return false;
}

}  // namespace volstream
