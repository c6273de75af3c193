// PathSelection: which entries of an archive a person means by PATH arguments.
//
// A PATH without *, ? and [ means the entry of that path and all below it; "./" in front and '/' at
// the end make no difference. With one of them it is a glob: '*' and '?' match no '/', "**" matches
// any number of components, [] as in fnmatch(3); a glob means what matches it and all below that.
// A backslash takes the special meaning from the character behind it. Bytes are compared, whatever
// their encoding. A '/' in front, "//" and "/./" say nothing, in an argument and in an archive's
// path.
//
// Threads: const methods are safe for concurrent calls; SelectsAndNotes is not.
#ifndef VOLSTREAM_STAGES_PATH_SELECTION_H_
#define VOLSTREAM_STAGES_PATH_SELECTION_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "stages/path_glob.h"

namespace volstream {

// `path` as an entry of it has it: without '/' in front and at the end, "//" and "/./"; empty for
// the root. Nothing in it is special.
std::string PlainPath(std::string_view path);

class PathSelection {
 public:
  // Selects everything.
  PathSelection() = default;
  // Of these; of everything if there are none. kInvalidArgument for one that can match nothing:
  // empty, with "..", with a '[' that is not closed, or with a '\\' that quotes nothing. "." is the
  // root.
  static absl::StatusOr<PathSelection> Make(const std::vector<std::string>& patterns);

  bool selects_all() const { return patterns_.empty(); }
  bool Selects(std::string_view path) const;
  // The same, and keeps in mind which patterns have selected something.
  bool SelectsAndNotes(std::string_view path);
  // Patterns that have selected nothing so far.
  std::vector<std::string> Unmatched() const;
  // The longest paths at or under which all that is selected lies, none below another, in the order
  // of an archive; a single empty one where that is everything.
  std::vector<std::string> Roots() const;

 private:
  struct Pattern {
    std::string text;  // as given
    std::vector<GlobComponent> components;
    bool matched = false;
  };
  static bool Matches(const Pattern& pattern, std::span<const std::string_view> path);

  std::vector<Pattern> patterns_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_PATH_SELECTION_H_
