#include "stages/path_glob.h"

#include <fnmatch.h>

#include <optional>

namespace volstream {
namespace {

// Where the bracket expression that begins at `begin` ends, behind its ']'; npos if it is not
// closed. A ']' in the first place is a member; "[:alpha:]" and its kind are taken whole.
size_t BracketEnd(std::string_view text, size_t begin) {
  size_t at = begin + 1;
  if (at < text.size() && (text[at] == '!' || text[at] == '^')) ++at;
  for (bool first = true; at < text.size(); first = false) {
    if (text[at] == ']' && !first) return at + 1;
    if (text[at] == '\\') {
      at += 2;
    } else if (text[at] == '[' && at + 1 < text.size() &&
               std::string_view(":.=").find(text[at + 1]) != std::string_view::npos) {
      const char close[] = {text[at + 1], ']'};
      const size_t end = text.find(std::string_view(close, 2), at + 2);
      at = end == std::string_view::npos ? at + 1 : end + 2;
    } else {
      ++at;
    }
  }
  return std::string_view::npos;
}

}  // namespace

GlobComponent::GlobComponent(std::string_view text) {
  if (text == "**") {
    text_ = text;
    kind_ = Kind::kAnyDepth;
    return;
  }
  for (size_t at = 0; at < text.size();) {
    const char byte = text[at];
    if (byte == '\\') {
      if (at + 1 == text.size()) {
        flaw_ = Flaw::kOpenQuote;
        break;
      }
      text_ += text[at + 1];
      at += 2;
      continue;
    }
    if (byte == '*' || byte == '?' || byte == '[') kind_ = Kind::kGlob;
    if (byte == '[') {
      const size_t end = BracketEnd(text, at);
      if (end == std::string_view::npos) flaw_ = Flaw::kOpenBracket;
      at = end == std::string_view::npos ? at + 1 : end;
      continue;
    }
    text_ += byte;
    ++at;
  }
  if (kind_ == Kind::kGlob || flaw_ != Flaw::kNone) text_ = text;
}

std::string_view GlobComponent::flaw_text() const {
  switch (flaw_) {
    case Flaw::kNone:
      return "";
    case Flaw::kOpenQuote:
      return "ends with '\\', which matches nothing: write a backslash as '\\\\'";
    case Flaw::kOpenBracket:
      return "has a '[' without its ']': write a '[' that is meant as such as '\\['";
  }
  return "";
}

bool GlobComponent::Matches(std::string_view name) const {
  switch (kind_) {
    case Kind::kLiteral:
      return name == text_;
    case Kind::kGlob:
      // fnmatch would take a name only up to its NUL.
      return name.find('\0') == std::string_view::npos &&
             fnmatch(text_.c_str(), std::string(name).c_str(), 0) == 0;
    case Kind::kAnyDepth:
      return true;
  }
  return false;
}

bool GlobMatches(std::span<const GlobComponent> pattern, std::span<const std::string_view> path) {
  size_t next = 0;  // in the pattern
  size_t at = 0;    // in the path
  // Behind the last "**" and what it has taken so far. Only the last one needs to take more: what
  // stands before it has matched as early as it can.
  std::optional<size_t> retry_pattern;
  size_t retry_path = 0;
  while (true) {
    if (next < pattern.size() && pattern[next].kind() == GlobComponent::Kind::kAnyDepth) {
      retry_pattern = ++next;
      retry_path = at;
      if (next == pattern.size()) return true;
    } else if (next == pattern.size() && at == path.size()) {
      return true;
    } else if (next < pattern.size() && at < path.size() && pattern[next].Matches(path[at])) {
      ++next;
      ++at;
    } else if (retry_pattern.has_value() && retry_path < path.size()) {
      next = *retry_pattern;
      at = ++retry_path;
    } else {
      return false;
    }
  }
}

}  // namespace volstream
