// Shell commands of the user's: output, environment, outcome, and an end to those that have none.
#include "stages/host_command.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include "engine/notification.h"

namespace volstream {
namespace {

using Lines = std::vector<std::string>;

struct Outcome {
  absl::Status status;
  Lines lines;
};

Outcome RunText(const std::string& text, std::map<std::string, std::string> environment = {},
                absl::Duration timeout = absl::Minutes(1)) {
  Outcome outcome;
  HostCommand command(text, std::move(environment));
  outcome.status =
      command.Run(timeout, [&outcome](std::string_view line) { outcome.lines.emplace_back(line); });
  return outcome;
}

TEST(HostCommand, PassesOutputOnLineByLine) {
  const Outcome outcome = RunText("echo one; echo two >&2; printf three");
  EXPECT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(outcome.lines, (Lines{"one", "two", "three"}));
}

TEST(HostCommand, CapturesItsOutputAloneAndAsItIs) {
  HostCommand command("printf '%s' \"a\n\n$(seq -s. 3000)\"; echo not this >&2", {});
  const absl::StatusOr<std::string> output = command.Capture(absl::Minutes(1), 64 * 1024);
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(output->substr(0, 7), "a\n\n1.2.");
  EXPECT_EQ(output->substr(output->size() - 5), ".3000");
}

TEST(HostCommand, DoesNotCaptureWithoutBounds) {
  HostCommand command("yes | head -c 1000000", {});
  EXPECT_TRUE(absl::IsResourceExhausted(command.Capture(absl::Minutes(1), 64 * 1024).status()));
  HostCommand failing("echo x; exit 3", {});
  EXPECT_EQ(failing.Capture(absl::Minutes(1), 1024).status().message(), "exit code 3");
}

TEST(HostCommand, GivesTheEnvironmentInPlaceOfItsOwn) {
  setenv("VOLSTREAM_TEST_VARIABLE", "own", 1);
  EXPECT_EQ(RunText("echo $VOLSTREAM_TEST_VARIABLE").lines, Lines{"own"});
  EXPECT_EQ(RunText("echo $VOLSTREAM_TEST_VARIABLE", {{"VOLSTREAM_TEST_VARIABLE", "given"}}).lines,
            Lines{"given"});
  unsetenv("VOLSTREAM_TEST_VARIABLE");
}

TEST(HostCommand, ReportsHowItEnded) {
  EXPECT_EQ(RunText("exit 3").status.message(), "exit code 3");
  EXPECT_EQ(RunText("nonexistent-command").status.message(), "exit code 127");
  EXPECT_EQ(RunText("kill -KILL $$").status.message(), "ended by signal 9");
}

TEST(HostCommand, HasNoInput) { EXPECT_TRUE(RunText("cat").status.ok()); }

// volstream blocks SIGINT and SIGTERM for all of its threads; a command must not inherit that.
TEST(HostCommand, HasNoSignalBlocked) {
  sigset_t signals;
  sigset_t before;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, &before);
  const Outcome outcome = RunText("kill -TERM $$; echo still here");
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  EXPECT_EQ(outcome.status.message(), "ended by signal 15");
  EXPECT_EQ(outcome.lines, Lines{});
}

TEST(HostCommand, DoesNotWaitForWhatItLeavesRunning) {
  const Outcome outcome = RunText("sleep 1000 & echo $!");
  EXPECT_TRUE(outcome.status.ok());
  ASSERT_EQ(outcome.lines.size(), 1u);
  kill(std::stoi(outcome.lines[0]), SIGKILL);
}

TEST(HostCommand, EndsWithItsChildrenWhenTimeIsUp) {
  const Outcome outcome = RunText("sleep 1000; echo not reached", {}, absl::Milliseconds(50));
  EXPECT_TRUE(absl::IsDeadlineExceeded(outcome.status)) << outcome.status;
  EXPECT_EQ(outcome.lines, Lines{});
}

// What it writes must not keep its reader from looking at the clock.
TEST(HostCommand, EndsWhenTimeIsUpThoughItWritesWithoutPause) {
  const Outcome outcome = RunText("exec yes", {}, absl::Milliseconds(50));
  EXPECT_TRUE(absl::IsDeadlineExceeded(outcome.status)) << outcome.status;
}

// `yes` ends with the pipe, once nobody reads it.
TEST(HostCommand, DoesNotReadOnFromWhatItLeavesWriting) {
  EXPECT_TRUE(RunText("yes & true").status.ok());
}

TEST(HostCommand, WithoutADescriptorLeftItFails) {
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const int lowest = dup(0);
  close(lowest);
  for (const int left : {0, 1, 2}) {  // it wants an eventfd and a pipe
    rlimit few = before;
    few.rlim_cur = static_cast<rlim_t>(lowest + left);
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
    const Outcome outcome = RunText("sleep 1000");
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_NE(outcome.status.message().find("ulimit -n"), absl::string_view::npos)
        << left << " " << outcome.status;
  }
}

TEST(HostCommand, EndsWhenCancelled) {
  HostCommand command("echo begun; sleep 1000", {});
  Notification begun;
  std::thread canceller([&] {
    begun.WaitForNotification();
    command.Cancel();
  });
  EXPECT_TRUE(absl::IsCancelled(
      command.Run(absl::Minutes(1), [&begun](std::string_view) { begun.Notify(); })));
  canceller.join();
}

TEST(HostCommand, EndsAtOnceWhenCancelledBefore) {
  HostCommand command("sleep 1000", {});
  command.Cancel();
  EXPECT_TRUE(absl::IsCancelled(command.Run(absl::Minutes(1), [](std::string_view) {})));
}

}  // namespace
}  // namespace volstream
