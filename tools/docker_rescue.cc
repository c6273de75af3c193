#include "tools/docker_rescue.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iostream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "stages/docker_client.h"
#include "stages/docker_config.h"
#include "tools/log.h"

namespace volstream {
namespace {

constexpr char kCommandName[] = "docker-rescue";
// An engine that restarts takes a while.
constexpr int kTries = 30;
constexpr absl::Duration kRetryWait = absl::Seconds(1);

const char* WordOf(PauseStep step) {
  switch (step) {
    case PauseStep::kStopping:
      return "stopping";
    case PauseStep::kStopped:
      return "stopped";
    case PauseStep::kPausing:
      return "pausing";
    case PauseStep::kPaused:
      return "paused";
    case PauseStep::kBack:
      return "back";
  }
  return "";
}

struct Held {
  std::string name;
  std::string word;  // the last step

  PauseMode mode() const {
    return word == "stopping" || word == "stopped" ? PauseMode::kStop : PauseMode::kPause;
  }
  bool confirmed() const { return word == "stopped" || word == "paused"; }
};

absl::Status BringBack(const std::string& id, const Held& held) {
  absl::Status status;
  for (int i = 0; i < kTries; ++i) {
    if (i > 0) absl::SleepFor(kRetryWait);
    const absl::StatusOr<DockerEndpoint> endpoint = DockerEndpointFrom(ProcessEnvironment());
    if (!endpoint.ok()) return endpoint.status();
    const absl::StatusOr<std::unique_ptr<DockerClient>> client = DockerClient::Connect(*endpoint);
    status = client.ok() ? RestoreContainer(client->get(), held.mode(), id, held.confirmed())
                         : client.status();
    if (status.ok() || absl::IsNotFound(status)) return status;
  }
  return status;
}

int RunRescue() {
  std::map<std::string, Held> held;  // by id
  for (std::string line; std::getline(std::cin, line);) {
    const std::vector<std::string> words = absl::StrSplit(line, absl::MaxSplits(' ', 2));
    if (words.size() != 3) continue;
    if (words[0] == WordOf(PauseStep::kBack)) {
      held.erase(words[1]);
    } else {
      held[words[1]] = {words[2], words[0]};
    }
  }
  if (held.empty()) return 0;
  Log log({});
  int exit_code = 0;
  for (const auto& [id, container] : held) {
    const absl::Status status = BringBack(id, container);
    if (status.ok()) {
      log.Warning(absl::StrCat("volstream ended without bringing container ", container.name,
                               " back; it has been now"));
      continue;
    }
    exit_code = 1;
    log.Error(absl::StrCat("container ", container.name, " is still held: ", status.message(),
                           "; run: ", RestoreCommand(container.mode(), container.name)));
  }
  return exit_code;
}

// Between fork and exec of a process with threads: system calls only.
[[noreturn]] void ExecSelf(int pipe_fd) {
  setsid();
  dup2(pipe_fd, 0);
  const int null_fd = open("/dev/null", O_WRONLY);
  dup2(null_fd, 1);
  const char* const argv[] = {"volstream", kCommandName, nullptr};
  execve("/proc/self/exe", const_cast<char* const*>(argv), environ);
  _exit(127);
}

}  // namespace

absl::StatusOr<std::unique_ptr<DockerRescue>> DockerRescue::Start() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return absl::ResourceExhaustedError(absl::StrCat("no pipe: ", strerrordesc_np(errno)));
  }
  const pid_t pid = fork();
  if (pid == 0) ExecSelf(ends[0]);
  const int error = errno;
  close(ends[0]);
  if (pid < 0) {
    close(ends[1]);
    return absl::ResourceExhaustedError(absl::StrCat("cannot fork: ", strerrordesc_np(error)));
  }
  return std::unique_ptr<DockerRescue>(new DockerRescue(pid, ends[1]));
}

DockerRescue::~DockerRescue() {
  {
    MutexLock lock(&mu_);
    close(pipe_fd_);
  }
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void DockerRescue::OnStep(PauseStep step, const DockerContainer& container) {
  const std::string line = absl::StrCat(WordOf(step), " ", container.id, " ", container.name, "\n");
  MutexLock lock(&mu_);
  // Shorter than PIPE_BUF, so it goes whole. Without the helper (killed by hand) only its help is
  // lost.
  [[maybe_unused]] const ssize_t written = write(pipe_fd_, line.data(), line.size());
}

void AddDockerRescueCommand(CLI::App* app, Command* chosen) {
  CLI::App* command = app->add_subcommand(kCommandName, "Internal: brings containers back");
  command->group("");
  command->callback([chosen] {
    *chosen = [](Interrupt* interrupt) {
      // A signal to all of a service's processes must not end this one first.
      interrupt->SetCallback([] {});
      return RunRescue();
    };
  });
}

}  // namespace volstream
