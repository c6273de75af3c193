#include "stages/path_selection.h"

#include <algorithm>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "stages/absl_text.h"

namespace volstream {
namespace {

using Kind = GlobComponent::Kind;
using Components = absl::InlinedVector<std::string_view, 16>;

// What says nothing of a place ("//", "/./") is left out.
Components Split(std::string_view path) {
  Components components;
  for (const absl::string_view component : absl::StrSplit(ToAbsl(path), '/')) {
    if (component.empty() || component == ".") continue;
    components.emplace_back(component.data(), component.size());
  }
  return components;
}

absl::Status Useless(std::string_view pattern, std::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("path \"", ToAbsl(pattern), "\" ", ToAbsl(why)));
}

}  // namespace

std::string PlainPath(std::string_view path) {
  std::string plain;
  for (const std::string_view component : Split(path)) {
    if (!plain.empty()) plain += '/';
    plain += component;
  }
  return plain;
}

absl::StatusOr<PathSelection> PathSelection::Make(const std::vector<std::string>& patterns) {
  PathSelection selection;
  for (const std::string& text : patterns) {
    if (text.empty()) return Useless(text, "is empty: \".\" means everything");
    Pattern pattern;
    pattern.text = text;
    for (const std::string_view component : Split(text)) {
      GlobComponent parsed(component);
      if (parsed.flaw() != GlobComponent::Flaw::kNone) {
        return Useless(text, absl::StrCat("has a component that ", ToAbsl(parsed.flaw_text())));
      }
      if (parsed.kind() == Kind::kLiteral && parsed.text() == "..") {
        return Useless(text, "has a \"..\" component: give the path as `ls` shows it");
      }
      pattern.components.push_back(std::move(parsed));
    }
    // What matches, and all below that.
    pattern.components.emplace_back("**");
    selection.patterns_.push_back(std::move(pattern));
  }
  return selection;
}

bool PathSelection::Matches(const Pattern& pattern, std::span<const std::string_view> path) {
  return GlobMatches(pattern.components, path);
}

bool PathSelection::Selects(std::string_view path) const {
  if (patterns_.empty()) return true;
  const Components components = Split(path);
  return std::any_of(patterns_.begin(), patterns_.end(), [&components](const Pattern& pattern) {
    return Matches(pattern, components);
  });
}

bool PathSelection::SelectsAndNotes(std::string_view path) {
  if (patterns_.empty()) return true;
  const Components components = Split(path);
  bool selected = false;
  for (Pattern& pattern : patterns_) {
    // One that is noted need not be asked where another selects already.
    if (pattern.matched && selected) continue;
    if (!Matches(pattern, components)) continue;
    selected = true;
    pattern.matched = true;
  }
  return selected;
}

std::vector<std::string> PathSelection::Unmatched() const {
  std::vector<std::string> unmatched;
  for (const Pattern& pattern : patterns_) {
    if (!pattern.matched) unmatched.push_back(pattern.text);
  }
  return unmatched;
}

std::vector<std::string> PathSelection::Roots() const {
  std::vector<std::vector<std::string>> roots;
  for (const Pattern& pattern : patterns_) {
    std::vector<std::string>& root = roots.emplace_back();
    for (const GlobComponent& component : pattern.components) {
      if (component.kind() != Kind::kLiteral) break;
      root.push_back(component.text());
    }
  }
  if (roots.empty()) return {""};
  // Component by component, so that what lies below a root comes right behind it.
  std::sort(roots.begin(), roots.end());
  std::vector<std::string> texts;
  const std::vector<std::string>* last = nullptr;
  for (const std::vector<std::string>& root : roots) {
    if (last != nullptr && last->size() <= root.size() &&
        std::equal(last->begin(), last->end(), root.begin())) {
      continue;
    }
    last = &root;
    texts.push_back(absl::StrJoin(root, "/"));
  }
  return texts;
}

}  // namespace volstream
