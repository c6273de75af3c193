// Environment: the variables that configure volstream, behind a seam, so that a test can give some
// of its own without touching the process's.
#ifndef VOLSTREAM_STAGES_ENVIRONMENT_H_
#define VOLSTREAM_STAGES_ENVIRONMENT_H_

#include <cstdlib>
#include <functional>
#include <string>

namespace volstream {

// The value of a variable; empty if it is unset. Any thread, as long as none calls setenv.
using Environment = std::function<std::string(const std::string& name)>;

inline std::string ProcessEnvironment(const std::string& name) {
  const char* const value = std::getenv(name.c_str());
  return value == nullptr ? "" : value;
}

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_ENVIRONMENT_H_
