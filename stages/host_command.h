// HostCommand: a shell command of the user's on this machine, such as a hook, with its output as
// lines, or one that answers on its standard output. It runs in a process group of its own, with no
// input, and its whole group ends when time is up or Cancel() is called: SIGTERM first, SIGKILL
// five seconds later.
//
// Threads: Run or Capture by one thread, once; Cancel by any, before Run too.
// Errors: kAborted for an exit code other than 0 or a signal; kDeadlineExceeded; kCancelled;
// kResourceExhausted or kFailedPrecondition where the system does not let it run.
#ifndef VOLSTREAM_STAGES_HOST_COMMAND_H_
#define VOLSTREAM_STAGES_HOST_COMMAND_H_

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "stages/line_cutter.h"

namespace volstream {

class HostCommand {
 public:
  // `environment` comes on top of the process's own.
  HostCommand(std::string command, std::map<std::string, std::string> environment);
  ~HostCommand();
  HostCommand(const HostCommand&) = delete;
  HostCommand& operator=(const HostCommand&) = delete;

  // `/bin/sh -c command`, to its end. Standard output and error go to `on_line`, on this thread.
  absl::Status Run(absl::Duration timeout, const LineCutter::OnLine& on_line);
  // The same, for its standard output as it is; standard error is this process's own.
  // kResourceExhausted if there is more than `max_bytes`.
  absl::StatusOr<std::string> Capture(absl::Duration timeout, size_t max_bytes);
  void Cancel();

 private:
  using OnBytes = std::function<void(std::string_view)>;

  absl::Status RunWith(absl::Duration timeout, bool with_errors, const OnBytes& on_bytes);
  // Waits for the child's end, passing its output on; the reason why it was ended early, or OK.
  absl::Status Follow(int pid, int pid_fd, int output_fd, absl::Duration timeout,
                      const OnBytes& on_bytes);

  const std::string command_;
  const std::map<std::string, std::string> environment_;
  const int wake_fd_;  // an eventfd; readable once Cancel was called; -1 = none to be had
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_HOST_COMMAND_H_
