#include "tests/support/held_run.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

namespace volstream {
namespace {

constexpr int kWaitMilliseconds = 30'000;

UniqueFd MakeFifo(const std::string& path) {
  EXPECT_EQ(mkfifo(path.c_str(), 0600), 0);
  // For both ways: an end of our own keeps the other from waiting for one, or seeing none.
  return UniqueFd(open(path.c_str(), O_RDWR | O_CLOEXEC));
}

}  // namespace

HeldRun::HeldRun(Command command) : command_(std::move(command)) {
  const std::string held = directory_ / "held";
  const std::string go = directory_ / "go";
  const UniqueFd held_fd = MakeFifo(held);
  go_ = MakeFifo(go);
  // The hook ends at the first byte.
  command_.Arg("--pre-hook").Arg("echo > " + held + "; head -c 1 " + go + " > /dev/null");
  command_.Start();
  pollfd event{held_fd.get(), POLLIN, 0};
  EXPECT_EQ(poll(&event, 1, kWaitMilliseconds), 1) << "the run did not get to its pre-hook";
}

CommandResult HeldRun::LetGo() {
  EXPECT_EQ(write(go_.get(), "x", 1), 1);
  return command_.Wait();
}

void HeldRun::Kill() {
  command_.Signal(SIGKILL);
  command_.Wait();
  // Its hook, which outlives it.
  EXPECT_EQ(write(go_.get(), "x", 1), 1);
}

}  // namespace volstream
