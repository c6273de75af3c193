// DockerRescue: a helper process that brings containers back when volstream itself no longer can:
// killed, crashed, or left by a second Ctrl-C. It sleeps on a pipe whose other end is volstream's;
// when that closes it starts or unpauses whatever was not reported back, and ends.
//
// It is volstream again, with the hidden command `docker-rescue`, in a session of its own so that
// the terminal's Ctrl-C does not reach it. What ends it as well (power loss, a kill of the whole
// control group) leaves containers as they are.
#ifndef VOLSTREAM_TOOLS_DOCKER_RESCUE_H_
#define VOLSTREAM_TOOLS_DOCKER_RESCUE_H_

#include <sys/types.h>

#include <memory>

#include "CLI/App.hpp"
#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "engine/mutex.h"
#include "stages/docker_pause.h"
#include "tools/commands.h"

namespace volstream {

class DockerRescue {
 public:
  static absl::StatusOr<std::unique_ptr<DockerRescue>> Start();
  // Lets the helper go and waits for its end: at once if all containers are back.
  ~DockerRescue();
  DockerRescue(const DockerRescue&) = delete;
  DockerRescue& operator=(const DockerRescue&) = delete;

  // For DockerPause. Any thread.
  void OnStep(PauseStep step, const DockerContainer& container) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  DockerRescue(pid_t pid, int pipe_fd) : pid_(pid), pipe_fd_(pipe_fd) {}

  const pid_t pid_;
  Mutex mu_;
  const int pipe_fd_ ABSL_GUARDED_BY(mu_);
};

// The helper's own command, not shown in --help.
void AddDockerRescueCommand(CLI::App* app, Command* chosen);

}  // namespace volstream

#endif  // VOLSTREAM_TOOLS_DOCKER_RESCUE_H_
