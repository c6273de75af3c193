// Globs of paths, component by component: '*' and '?' within one component, [a-z], '\' to quote,
// all as fnmatch(3) has it; a component "**" stands for any number of components, none included.
// Bytes are compared, whatever their encoding.
//
// Threads: immutable; safe for concurrent calls.
#ifndef VOLSTREAM_STAGES_PATH_GLOB_H_
#define VOLSTREAM_STAGES_PATH_GLOB_H_

#include <span>
#include <string>
#include <string_view>

namespace volstream {

// One component of a pattern.
class GlobComponent {
 public:
  enum class Kind { kLiteral, kGlob, kAnyDepth };
  // kOpenQuote matches nothing; kOpenBracket matches as fnmatch has it, but is hardly meant.
  enum class Flaw { kNone, kOpenQuote, kOpenBracket };

  explicit GlobComponent(std::string_view text);

  Kind kind() const { return kind_; }
  // The name that a literal stands for, without its backslashes; else the pattern as given.
  const std::string& text() const { return text_; }
  Flaw flaw() const { return flaw_; }
  // What a person is told of the flaw, behind "component"; empty if there is none.
  std::string_view flaw_text() const;
  bool Matches(std::string_view name) const;

 private:
  std::string text_;
  Kind kind_ = Kind::kLiteral;
  Flaw flaw_ = Flaw::kNone;
};

// True if the whole path matches the whole pattern. Time: at most one look at a name for each pair
// of components.
bool GlobMatches(std::span<const GlobComponent> pattern, std::span<const std::string_view> path);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_PATH_GLOB_H_
