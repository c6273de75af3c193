#include "tools/docker_rescue.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
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
constexpr absl::Duration kStartPatience = absl::Seconds(30);
constexpr absl::Duration kEndPatience = absl::Minutes(1);

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
  // To whoever started it. The pipe stays open to tell of the end as well.
  if (write(STDOUT_FILENO, "!", 1) != 1) return 1;
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
[[noreturn]] void ExecSelf(int steps_fd, int life_fd) {
  setsid();
  // A signal to all of a service's processes, however often, must not end this one first. Ignored
  // ones stay so over the exec, and Interrupt leaves them alone.
  for (const int signal_number : {SIGINT, SIGTERM, SIGHUP}) signal(signal_number, SIG_IGN);
  dup2(steps_fd, 0);
  dup2(life_fd, 1);
  const char* const argv[] = {"volstream", kCommandName, nullptr};
  execve("/proc/self/exe", const_cast<char* const*>(argv), environ);
  _exit(127);
}

// Whether something comes through the pipe, its end included, within that time.
bool WaitFor(int fd, absl::Duration patience) {
  const absl::Time end = absl::Now() + patience;
  while (true) {
    pollfd waiting = {fd, POLLIN, 0};
    const absl::Duration left = std::max(end - absl::Now(), absl::ZeroDuration());
    const int ready = poll(&waiting, 1, static_cast<int>(absl::ToInt64Milliseconds(left)) + 1);
    if (ready > 0) return true;
    if (ready == 0 && absl::Now() >= end) return false;
    if (ready < 0 && errno != EINTR) return true;
  }
}

void WaitForChild(pid_t pid) {
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<DockerRescue>> DockerRescue::Start(Log* log) {
  const auto no_pipe = [] {
    return absl::ResourceExhaustedError(
        absl::StrCat("no pipe: ", strerrordesc_np(errno), "; raise the limit (ulimit -n)"));
  };
  int steps[2];
  int life[2];
  if (pipe2(steps, O_CLOEXEC) != 0) return no_pipe();
  if (pipe2(life, O_CLOEXEC) != 0) {
    absl::Status status = no_pipe();
    close(steps[0]);
    close(steps[1]);
    return status;
  }
  const pid_t pid = fork();
  if (pid == 0) ExecSelf(steps[0], life[1]);
  const int error = errno;
  close(steps[0]);
  close(life[1]);
  const auto failed = [&](const std::string& what) {
    close(steps[1]);
    close(life[0]);
    return absl::ResourceExhaustedError(what);
  };
  if (pid < 0) {
    return failed(absl::StrCat("cannot fork: ", strerrordesc_np(error), "; see ulimit -u"));
  }
  // Only its own word says that it runs: an exec may fail, and so may all that comes before main.
  char word = 0;
  if (!WaitFor(life[0], kStartPatience) || read(life[0], &word, 1) != 1) {
    kill(pid, SIGKILL);
    WaitForChild(pid);
    return failed("the helper process does not start; see that /proc is mounted");
  }
  return std::unique_ptr<DockerRescue>(new DockerRescue(pid, steps[1], life[0], log));
}

DockerRescue::~DockerRescue() {
  std::string names;
  {
    MutexLock lock(&mu_);
    close(steps_fd_);
    for (const auto& [id, name] : held_) absl::StrAppend(&names, names.empty() ? "" : ", ", name);
  }
  if (!names.empty()) {
    log_->Warning(absl::StrCat("container ", names,
                               " is not back: a helper process goes on trying, ",
                               "which is waited for up to ", absl::FormatDuration(kEndPatience),
                               " (press Ctrl-C to leave it to that)"));
  }
  // Its end of the pipe closes with it.
  if (WaitFor(life_fd_, kEndPatience)) {
    WaitForChild(pid_);
  } else {
    log_->Warning("the helper process goes on without volstream");
  }
  close(life_fd_);
}

void DockerRescue::OnStep(PauseStep step, const DockerContainer& container) {
  const std::string line = absl::StrCat(WordOf(step), " ", container.id, " ", container.name, "\n");
  MutexLock lock(&mu_);
  if (step == PauseStep::kBack) {
    held_.erase(container.id);
  } else {
    held_[container.id] = container.name;
  }
  // Shorter than PIPE_BUF, so it goes whole. Without the helper (killed by hand) only its help is
  // lost.
  [[maybe_unused]] const ssize_t written = write(steps_fd_, line.data(), line.size());
}

void AddDockerRescueCommand(CLI::App* app, Command* chosen) {
  CLI::App* command = app->add_subcommand(kCommandName, "Internal: brings containers back");
  command->group("");
  command->callback([chosen] {
    *chosen = [](Interrupt* interrupt) {
      interrupt->SetCallback([] {});  // of a signal that was not ignored, by hand
      return RunRescue();
    };
  });
}

}  // namespace volstream
