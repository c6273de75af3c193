// Finding: one line of what `volstream doctor` finds out.
#ifndef VOLSTREAM_STAGES_FINDING_H_
#define VOLSTREAM_STAGES_FINDING_H_

#include <functional>
#include <string>

namespace volstream {

struct Finding {
  enum class State {
    kOk,
    kNote,     // worth knowing, nothing to do
    kWarning,  // works, but with less safety or speed than it could
    kFailed,   // a backup, its retention or its restore will fail
    kSkipped,  // not tried, for the reason given
  };
  State state = State::kOk;
  std::string check;  // "list"
  std::string text;   // one line
};

using FindingSink = std::function<void(const Finding&)>;

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_FINDING_H_
