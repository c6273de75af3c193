// Command: one run of a program as a test sees it: arguments, a clean environment, and afterwards
// its output, exit code and peak memory. No shell is in between. Volstream() is the binary under
// test.
//
// Environment: only PATH, LC_ALL and the sanitizers' options are handed on, and HOME is a place
// that does not exist, so that no AWS_* variable and no ~/.aws of the host leaks into a test. EC2's
// metadata are off. Threads: one thread at a time. Lifetime: the destructor kills what still runs.
#ifndef VOLSTREAM_TESTS_SUPPORT_CLI_H_
#define VOLSTREAM_TESTS_SUPPORT_CLI_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

namespace volstream {

struct CommandResult {
  int exit_code = -1;  // -1 if a signal ended it
  int signal = 0;
  std::string out;
  std::string err;
  // High-water mark of the command's own memory, read every 10 ms. Not rusage's ru_maxrss, in which
  // the forked copy of the test counts as well.
  uint64_t peak_rss_bytes = 0;
  double seconds = 0;
};

// Everything one wants to read when an expectation fails.
std::ostream& operator<<(std::ostream& stream, const CommandResult& result);

class Command {
 public:
  explicit Command(std::vector<std::string> argv);
  ~Command();
  Command(Command&& other) noexcept;
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  Command& Arg(std::string value);
  Command& Env(const std::string& name, std::string value);
  Command& Cwd(std::string path);
  // Standard input from this file or FIFO (whose other end must be open); else /dev/null.
  Command& StdinFrom(std::string path);
  // Standard output to the test's own descriptor, which must stay open until Start; CommandResult
  // has nothing of it then.
  Command& StdoutTo(int fd);
  // Runs as this user and group, with no other groups. REQUIRES: the test runs as root.
  Command& RunAs(uid_t uid, gid_t gid);
  // No file may grow beyond this: writes fail with EFBIG (SIGXFSZ is ignored).
  Command& LimitFileSize(uint64_t bytes);
  // After this long the command is killed and the test fails.
  Command& Timeout(double seconds);

  // Start and Wait in one.
  CommandResult Run();

  // Returns once the command itself runs, or has failed to.
  void Start();
  void Signal(int signal_number);
  // True once `text` is in the standard error; false if the command ended without it or the
  // timeout passed. Polls: another process leaves no other way.
  bool WaitForStderr(const std::string& text);
  // Waits for the end. REQUIRES: Start.
  CommandResult Wait();
  pid_t pid() const { return pid_; }

 private:
  [[noreturn]] void Exec(char* const* argv, char* const* envp, int exec_fd) const;
  std::vector<std::string> Environment() const;
  bool TimeIsUp() const;
  // Waits for at most 10 ms, true if the command has ended by then; notes its memory.
  bool Poll();

  std::vector<std::string> argv_;
  std::map<std::string, std::string> env_;
  std::string cwd_;
  std::string stdin_path_ = "/dev/null";
  int stdout_to_ = -1;
  std::optional<std::pair<uid_t, gid_t>> user_;
  std::optional<uint64_t> file_size_limit_;
  double timeout_seconds_ = 60;

  pid_t pid_ = -1;
  int pid_fd_ = -1;
  int out_fd_ = -1;
  int err_fd_ = -1;
  double started_ = 0;
  uint64_t peak_rss_bytes_ = 0;
};

// `volstream` with these arguments; the path comes from the build (VOLSTREAM_BINARY).
Command Volstream(std::vector<std::string> args);

// The text without its newline characters, line by line.
std::vector<std::string> LinesOf(const std::string& text);

// The run failed as a person needs it: this exit code, nothing on stdout, and exactly one line of
// level ERROR that has all of `words` in it (whatever their case).
void ExpectOneError(const CommandResult& result, int exit_code,
                    const std::vector<std::string>& words);

// True if the program is on the PATH.
bool HaveProgram(const std::string& name);

// The exit codes of volstream.
inline constexpr int kExitGeneral = 1;
inline constexpr int kExitPrerequisite = 2;
inline constexpr int kExitSourceNotFound = 3;
inline constexpr int kExitS3 = 4;
inline constexpr int kExitIntegrity = 5;
inline constexpr int kExitPartial = 6;
inline constexpr int kExitBusy = 7;
inline constexpr int kExitInterrupted = 130;

// An ordinary user for tests of permissions: nobody.
inline constexpr uid_t kNobody = 65534;

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_CLI_H_
