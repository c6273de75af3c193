#include "tests/support/cli.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string_view>
#include <utility>

#include "engine/check.h"

namespace volstream {
namespace {

constexpr int kExecFailed = 127;

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Output goes to memory, not to pipes: nothing can block, and it can be read while the command
// still runs.
int NewOutput(const char* name) {
  const int fd = memfd_create(name, MFD_CLOEXEC);
  VS_CHECK(fd >= 0);
  return fd;
}

std::string Contents(int fd) {
  struct stat info;
  VS_CHECK(fstat(fd, &info) == 0);
  std::string text(static_cast<size_t>(info.st_size), '\0');
  const ssize_t got = pread(fd, text.data(), text.size(), 0);
  text.resize(got < 0 ? 0 : static_cast<size_t>(got));
  return text;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& text : strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// VmHWM of the process, or 0 once it has given up its memory.
uint64_t HighWaterMark(pid_t pid) {
  constexpr std::string_view kField = "VmHWM:";
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(kField)) return std::stoull(line.substr(kField.size())) * 1024;
  }
  return 0;
}

void CloseFd(int& fd) {
  if (fd >= 0) close(fd);
  fd = -1;
}

}  // namespace

std::ostream& operator<<(std::ostream& stream, const CommandResult& result) {
  stream << "exit code " << result.exit_code;
  if (result.signal != 0) stream << " (signal " << strsignal(result.signal) << ")";
  return stream << " after " << result.seconds << " s\nstdout: " << result.out
                << "\nstderr: " << result.err;
}

Command::Command(std::vector<std::string> argv) : argv_(std::move(argv)) {
  VS_CHECK(!argv_.empty());
  for (const char* name : {"PATH", "ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"}) {
    if (const char* value = std::getenv(name)) env_[name] = value;
  }
  env_["LC_ALL"] = "C.UTF-8";
  env_["HOME"] = "/nonexistent";
  env_["AWS_EC2_METADATA_DISABLED"] = "true";
}

Command::Command(Command&& other) noexcept
    : argv_(std::move(other.argv_)),
      env_(std::move(other.env_)),
      cwd_(std::move(other.cwd_)),
      stdin_path_(std::move(other.stdin_path_)),
      stdout_to_(other.stdout_to_),
      user_(other.user_),
      file_size_limit_(other.file_size_limit_),
      timeout_seconds_(other.timeout_seconds_),
      pid_(std::exchange(other.pid_, -1)),
      pid_fd_(std::exchange(other.pid_fd_, -1)),
      out_fd_(std::exchange(other.out_fd_, -1)),
      err_fd_(std::exchange(other.err_fd_, -1)),
      started_(other.started_),
      peak_rss_bytes_(other.peak_rss_bytes_) {}

Command::~Command() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  CloseFd(pid_fd_);
  CloseFd(out_fd_);
  CloseFd(err_fd_);
}

Command& Command::Arg(std::string value) {
  argv_.push_back(std::move(value));
  return *this;
}

Command& Command::Env(const std::string& name, std::string value) {
  env_[name] = std::move(value);
  return *this;
}

Command& Command::Cwd(std::string path) {
  cwd_ = std::move(path);
  return *this;
}

Command& Command::RunAs(uid_t uid, gid_t gid) {
  user_ = {uid, gid};
  return *this;
}

Command& Command::StdinFrom(std::string path) {
  stdin_path_ = std::move(path);
  return *this;
}

Command& Command::StdoutTo(int fd) {
  stdout_to_ = fd;
  return *this;
}

Command& Command::LimitFileSize(uint64_t bytes) {
  file_size_limit_ = bytes;
  return *this;
}

Command& Command::Timeout(double seconds) {
  timeout_seconds_ = seconds;
  return *this;
}

CommandResult Command::Run() {
  Start();
  return Wait();
}

std::vector<std::string> Command::Environment() const {
  std::vector<std::string> lines;
  for (const auto& [name, value] : env_) lines.push_back(name + "=" + value);
  return lines;
}

// Between fork and exec in a process that may have threads: system calls only.
void Command::Exec(char* const* argv, char* const* envp, int exec_fd) const {
  const int stdin_fd = open(stdin_path_.c_str(), O_RDONLY);
  const int stdout_fd = stdout_to_ >= 0 ? stdout_to_ : out_fd_;
  bool ok =
      stdin_fd >= 0 && dup2(stdin_fd, 0) == 0 && dup2(stdout_fd, 1) == 1 && dup2(err_fd_, 2) == 2;
  if (ok && !cwd_.empty()) ok = chdir(cwd_.c_str()) == 0;
  if (ok && file_size_limit_.has_value()) {
    const rlimit limit = {*file_size_limit_, *file_size_limit_};
    signal(SIGXFSZ, SIG_IGN);
    ok = setrlimit(RLIMIT_FSIZE, &limit) == 0;
  }
  if (ok && user_.has_value()) {
    // The raw calls: libc's wrappers talk to other threads, of which a forked child has none.
    ok = syscall(SYS_setgroups, 0, nullptr) == 0 &&
         syscall(SYS_setresgid, user_->second, user_->second, user_->second) == 0 &&
         syscall(SYS_setresuid, user_->first, user_->first, user_->first) == 0;
  }
  // The command must not outlive a test that was killed.
  ok = ok && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0;
  // By descriptor where the user changed: he may not be allowed to walk to the build tree.
  if (ok && exec_fd >= 0) fexecve(exec_fd, argv, envp);
  if (ok) execvpe(argv[0], argv, envp);
  const char* const reason = strerrordesc_np(errno);
  dprintf(2, "cannot run %s: %s\n", argv[0], reason);
  _exit(kExecFailed);
}

void Command::Start() {
  VS_CHECK(pid_ < 0);
  std::vector<std::string> env = Environment();
  const std::vector<char*> argv = Pointers(argv_);
  const std::vector<char*> envp = Pointers(env);
  out_fd_ = NewOutput("stdout");
  err_fd_ = NewOutput("stderr");
  int exec_fd = -1;
  if (user_.has_value() && argv_[0].find('/') != std::string::npos) {
    exec_fd = open(argv_[0].c_str(), O_RDONLY | O_CLOEXEC);
  }
  // The child's end closes at its exec; until then its memory is the test's.
  int exec_pipe[2];
  VS_CHECK(pipe2(exec_pipe, O_CLOEXEC) == 0);
  started_ = Now();
  pid_ = fork();
  VS_CHECK(pid_ >= 0);
  if (pid_ == 0) Exec(argv.data(), envp.data(), exec_fd);
  CloseFd(exec_fd);
  CloseFd(exec_pipe[1]);
  char unused;
  while (read(exec_pipe[0], &unused, 1) < 0 && errno == EINTR) {
  }
  CloseFd(exec_pipe[0]);
  pid_fd_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  VS_CHECK(pid_fd_ >= 0);
}

void Command::Signal(int signal_number) {
  VS_CHECK(pid_ > 0);
  kill(pid_, signal_number);
}

bool Command::TimeIsUp() const { return Now() - started_ > timeout_seconds_; }

bool Command::Poll() {
  peak_rss_bytes_ = std::max(peak_rss_bytes_, HighWaterMark(pid_));
  pollfd end = {pid_fd_, POLLIN, 0};
  return poll(&end, 1, 10) == 1;
}

bool Command::WaitForStderr(const std::string& text) {
  VS_CHECK(pid_ > 0);
  while (true) {
    const bool ended = Poll();
    if (Contents(err_fd_).find(text) != std::string::npos) return true;
    if (ended || TimeIsUp()) return false;
  }
}

CommandResult Command::Wait() {
  VS_CHECK(pid_ > 0);
  bool ended = Poll();
  while (!ended && !TimeIsUp()) ended = Poll();
  if (!ended) kill(pid_, SIGKILL);

  int status = 0;
  VS_CHECK(waitpid(pid_, &status, 0) == pid_);
  CommandResult result;
  result.seconds = Now() - started_;
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  result.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  result.peak_rss_bytes = peak_rss_bytes_;
  result.out = Contents(out_fd_);
  result.err = Contents(err_fd_);
  pid_ = -1;
  CloseFd(pid_fd_);
  CloseFd(out_fd_);
  CloseFd(err_fd_);
  if (!ended) {
    ADD_FAILURE() << argv_[0] << " was killed: still running after " << timeout_seconds_ << " s\n"
                  << result;
  }
  return result;
}

Command Volstream(std::vector<std::string> args) {
  args.insert(args.begin(), VOLSTREAM_BINARY);
  return Command(std::move(args));
}

std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

void ExpectOneError(const CommandResult& result, int exit_code,
                    const std::vector<std::string>& words) {
  EXPECT_EQ(result.exit_code, exit_code) << result;
  EXPECT_EQ(result.out, "");
  std::vector<std::string> errors;
  for (const std::string& line : LinesOf(result.err)) {
    if (line.find("[ERROR]") != std::string::npos) errors.push_back(line);
  }
  ASSERT_EQ(errors.size(), 1u) << result;
  for (const std::string& word : words) {
    EXPECT_NE(strcasestr(errors[0].c_str(), word.c_str()), nullptr)
        << "not in the message: " << word << "\n"
        << result;
  }
}

bool HaveProgram(const std::string& name) {
  const char* const path = std::getenv("PATH");
  std::string directories = path == nullptr ? "/usr/bin:/bin" : path;
  for (size_t start = 0; start <= directories.size();) {
    size_t end = directories.find(':', start);
    if (end == std::string::npos) end = directories.size();
    const std::string candidate = directories.substr(start, end - start) + "/" + name;
    if (access(candidate.c_str(), X_OK) == 0) return true;
    start = end + 1;
  }
  return false;
}

}  // namespace volstream
