// LineCutter: cuts the output of a command into lines for the log. Empty lines are left out.
// Threads: one at a time.
#ifndef VOLSTREAM_STAGES_LINE_CUTTER_H_
#define VOLSTREAM_STAGES_LINE_CUTTER_H_

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "engine/bytes.h"

namespace volstream {

class LineCutter {
 public:
  // A longer line is cut there.
  static constexpr size_t kMaxBytes = 4 * kKiB;
  using OnLine = std::function<void(std::string_view)>;  // without the newline

  explicit LineCutter(OnLine on_line) : on_line_(std::move(on_line)) {}

  // The next bytes, cut wherever it happens.
  void Feed(std::string_view bytes);
  // Gives out the rest, which has no newline at its end.
  void Finish();

 private:
  const OnLine on_line_;
  std::string line_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_LINE_CUTTER_H_
