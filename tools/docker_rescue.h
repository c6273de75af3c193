// DockerRescue: a helper process that brings containers back when volstream itself no longer can:
// killed, crashed, or left by a second Ctrl-C. It sleeps on a pipe whose other end is volstream's;
// when that closes it starts or unpauses whatever was not reported back, and ends.
//
// It is volstream again, with the hidden command `docker-rescue`, in a session of its own so that
// the terminal's Ctrl-C does not reach it, and with the usual signals ignored. What ends it as well
// (power loss, a kill of the whole control group, the end of the container that both run in) leaves
// containers as they are.
#ifndef VOLSTREAM_TOOLS_DOCKER_RESCUE_H_
#define VOLSTREAM_TOOLS_DOCKER_RESCUE_H_

#include <sys/types.h>

#include <map>
#include <memory>
#include <string>

#include "CLI/App.hpp"
#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "engine/mutex.h"
#include "stages/docker_pause.h"
#include "tools/commands.h"
#include "tools/log.h"

namespace volstream {

class DockerRescue {
 public:
  // Returns once the helper has said that it runs. The log must outlive it.
  static absl::StatusOr<std::unique_ptr<DockerRescue>> Start(Log* log);
  // Lets the helper go and waits for its end: at once if all containers are back, else for a minute
  // at most, and says so; the helper goes on.
  ~DockerRescue();
  DockerRescue(const DockerRescue&) = delete;
  DockerRescue& operator=(const DockerRescue&) = delete;

  // For DockerPause. Any thread.
  void OnStep(PauseStep step, const DockerContainer& container) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  DockerRescue(pid_t pid, int steps_fd, int life_fd, Log* log)
      : pid_(pid), life_fd_(life_fd), log_(log), steps_fd_(steps_fd) {}

  const pid_t pid_;
  const int life_fd_;  // a pipe that the helper holds open while it lives
  Log* const log_;
  Mutex mu_;
  const int steps_fd_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, std::string> held_ ABSL_GUARDED_BY(mu_);  // names by id
};

// The helper's own command, not shown in --help.
void AddDockerRescueCommand(CLI::App* app, Command* chosen);

}  // namespace volstream

#endif  // VOLSTREAM_TOOLS_DOCKER_RESCUE_H_
