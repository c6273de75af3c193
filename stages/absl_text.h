// The bridge between std::string_view, which volstream uses, and absl::string_view, which is
// another type in this Abseil (ABSL_OPTION_USE_STD_STRING_VIEW is 0 in Debian's packages).
#ifndef VOLSTREAM_STAGES_ABSL_TEXT_H_
#define VOLSTREAM_STAGES_ABSL_TEXT_H_

#include <string_view>

#include "absl/strings/string_view.h"

namespace volstream {

// The same characters; lives as long as `text` does.
inline absl::string_view ToAbsl(std::string_view text) {
  return absl::string_view(text.data(), text.size());
}

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_ABSL_TEXT_H_
