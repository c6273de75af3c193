#include "stages/host_command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace volstream {
namespace {

constexpr absl::Duration kGrace = absl::Seconds(5);
constexpr int kCannotExec = 127;

// The process's environment with `more` in place of variables of the same names.
std::vector<std::string> MergedEnvironment(const std::map<std::string, std::string>& more) {
  std::vector<std::string> lines;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view line(*variable);
    if (more.count(std::string(line.substr(0, line.find('=')))) == 0) lines.emplace_back(line);
  }
  for (const auto& [name, value] : more) lines.push_back(absl::StrCat(name, "=", value));
  return lines;
}

// Between fork and exec of a process with threads: system calls only.
[[noreturn]] void ExecShell(const char* command, char* const* envp, int output_fd,
                            bool with_errors) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  const int null_fd = open("/dev/null", O_RDONLY);
  dup2(null_fd, 0);
  dup2(output_fd, 1);
  if (with_errors) dup2(output_fd, 2);
  signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const char* const argv[] = {"/bin/sh", "-c", command, nullptr};
  execve(argv[0], const_cast<char* const*>(argv), envp);
  _exit(kCannotExec);
}

// Passes on what can be read now, a pipe's capacity at most: a command that writes without pause
// must not keep its reader from looking at the clock. False at the end.
bool Drain(int fd, const std::function<void(std::string_view)>& on_bytes) {
  constexpr int kMaxReads = 16;
  std::array<char, 4096> buffer;
  for (int i = 0; i < kMaxReads; ++i) {
    const ssize_t bytes = read(fd, buffer.data(), buffer.size());
    if (bytes > 0) {
      on_bytes(std::string_view(buffer.data(), static_cast<size_t>(bytes)));
    } else if (bytes == 0 || errno != EINTR) {
      return bytes < 0 && errno == EAGAIN;
    }
  }
  return true;
}

siginfo_t WaitForEnd(pid_t pid) {
  siginfo_t info = {};
  while (waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) != 0 && errno == EINTR) {
  }
  return info;
}

absl::Status ExitStatus(const siginfo_t& info) {
  if (info.si_code != CLD_EXITED) {
    return absl::AbortedError(absl::StrCat("ended by signal ", info.si_status));
  }
  if (info.si_status == 0) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat("exit code ", info.si_status));
}

}  // namespace

HostCommand::HostCommand(std::string command, std::map<std::string, std::string> environment)
    : command_(std::move(command)),
      environment_(std::move(environment)),
      wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

HostCommand::~HostCommand() {
  if (wake_fd_ >= 0) close(wake_fd_);
}

void HostCommand::Cancel() {
  if (wake_fd_ >= 0) eventfd_write(wake_fd_, 1);
}

absl::Status HostCommand::Run(absl::Duration timeout, const LineCutter::OnLine& on_line) {
  LineCutter lines(on_line);
  const absl::Status status = RunWith(timeout, /*with_errors=*/true,
                                      [&lines](std::string_view bytes) { lines.Feed(bytes); });
  lines.Finish();
  if (!absl::IsDeadlineExceeded(status)) return status;
  return absl::DeadlineExceededError(absl::StrCat(status.message(), "; see --hook-timeout"));
}

absl::StatusOr<std::string> HostCommand::Capture(absl::Duration timeout, size_t max_bytes) {
  // Never grows, so that no copy is left behind of what may be a secret.
  std::string output;
  output.reserve(max_bytes);
  bool fits = true;
  const absl::Status status = RunWith(timeout, /*with_errors=*/false, [&](std::string_view bytes) {
    fits = fits && bytes.size() <= max_bytes - output.size();
    if (fits) output.append(bytes);
  });
  if (!status.ok()) return status;
  if (!fits) {
    return absl::ResourceExhaustedError(absl::StrCat("wrote more than ", max_bytes, " bytes"));
  }
  return output;
}

absl::Status HostCommand::RunWith(absl::Duration timeout, bool with_errors,
                                  const OnBytes& on_bytes) {
  if (wake_fd_ < 0) {
    return absl::ResourceExhaustedError(
        "too many open files to run it: raise the limit (ulimit -n)");
  }
  std::vector<std::string> environment = MergedEnvironment(environment_);
  std::vector<char*> envp;
  for (std::string& line : environment) envp.push_back(line.data());
  envp.push_back(nullptr);
  int output[2];
  if (pipe2(output, O_CLOEXEC) != 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no pipe to run it with: ", strerrordesc_np(errno), "; see ulimit -n"));
  }
  const pid_t pid = fork();
  if (pid == 0) ExecShell(command_.c_str(), envp.data(), output[1], with_errors);
  close(output[1]);
  if (pid < 0) {
    close(output[0]);
    return absl::ResourceExhaustedError(
        absl::StrCat("cannot fork: ", strerrordesc_np(errno), "; see ulimit -u"));
  }
  setpgid(pid, pid);  // in the child too: whoever comes first
  fcntl(output[0], F_SETFL, O_NONBLOCK);
  const int pid_fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (pid_fd < 0) {
    const int error = errno;
    kill(-pid, SIGKILL);
    WaitForEnd(pid);
    close(output[0]);
    return absl::FailedPreconditionError(absl::StrCat(
        "the system does not let a command be waited for (pidfd_open): ", strerrordesc_np(error),
        error == EMFILE || error == ENFILE
            ? "; raise the limit of open files (ulimit -n)"
            : "; needs Linux 5.3, and in a container a seccomp profile that allows it"));
  }

  absl::Status ended_early = Follow(pid, pid_fd, output[0], timeout, on_bytes);
  const siginfo_t info = WaitForEnd(pid);
  // What a child of the command's holds open is not waited for.
  Drain(output[0], on_bytes);
  close(output[0]);
  close(pid_fd);
  return ended_early.ok() ? ExitStatus(info) : ended_early;
}

absl::Status HostCommand::Follow(int pid, int pid_fd, int output_fd, absl::Duration timeout,
                                 const OnBytes& on_bytes) {
  absl::Time end = absl::Now() + timeout;
  absl::Status reason;
  bool output_open = true;
  while (true) {
    std::array<pollfd, 3> fds = {{{pid_fd, POLLIN, 0},
                                  {output_open ? output_fd : -1, POLLIN, 0},
                                  {reason.ok() ? wake_fd_ : -1, POLLIN, 0}}};
    const absl::Duration left = std::clamp(end - absl::Now(), absl::ZeroDuration(), absl::Hours(1));
    const int ready =
        poll(fds.data(), fds.size(), static_cast<int>(absl::ToInt64Milliseconds(left)) + 1);
    if (ready < 0) continue;  // a signal
    if (fds[0].revents != 0) return reason;
    if (fds[1].revents != 0) output_open = Drain(output_fd, on_bytes);
    const bool cancelled = fds[2].revents != 0;
    if (!cancelled && absl::Now() < end) continue;
    if (reason.ok()) {
      reason = cancelled ? absl::CancelledError("interrupted")
                         : absl::DeadlineExceededError(
                               absl::StrCat("it took longer than ", absl::FormatDuration(timeout)));
      kill(-pid, SIGTERM);
      end = absl::Now() + kGrace;
    } else {
      kill(-pid, SIGKILL);
      end = absl::InfiniteFuture();
    }
  }
}

}  // namespace volstream
