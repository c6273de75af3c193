// Guarded: the border at which exceptions end.
#ifndef VOLSTREAM_ENGINE_GUARDED_H_
#define VOLSTREAM_ENGINE_GUARDED_H_

#include <exception>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace volstream {

// Runs a stage's own code; an exception becomes a Status here and goes no further.
template <typename Function>
absl::Status Guarded(Function&& function) {
  try {
    return function();
  } catch (const std::exception& e) {
    return absl::InternalError(absl::StrCat("unexpected exception: ", e.what()));
  }
}

}  // namespace volstream

#endif  // VOLSTREAM_ENGINE_GUARDED_H_
