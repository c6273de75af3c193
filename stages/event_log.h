// EventLog: where the stages put what a person may want to read. One line, no newline at its end.
#ifndef VOLSTREAM_STAGES_EVENT_LOG_H_
#define VOLSTREAM_STAGES_EVENT_LOG_H_

#include <functional>
#include <string_view>

namespace volstream {

enum class Severity { kInfo, kSuccess, kWarning, kError };

// Any thread; may be called by several at once.
using EventLog = std::function<void(Severity, std::string_view)>;

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_EVENT_LOG_H_
