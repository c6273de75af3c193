// What happens around the reading of a source, and in which order, whatever fails.
#include "stages/read_window.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/notification.h"
#include "stages/error_kind.h"
#include "tests/support/fake_docker.h"

namespace volstream {
namespace {

using Lines = std::vector<std::string>;

class ReadWindowTest : public ::testing::Test {
 protected:
  ReadWindowTest() {
    options_.source = "docker:volume";
    options_.docker = client_.get();
    options_.log = [this](Severity severity, std::string_view text) {
      MutexLock lock(&mu_);
      (severity == Severity::kWarning ? warnings_ : log_).emplace_back(text);
    };
  }

  // A command is its own exit code; a stop or start of `broken` fails.
  FakeReply Serve(const std::string& line, const std::string& body) {
    if (line.find("/exec") != std::string::npos && line.find("/containers/") != std::string::npos) {
      const size_t command = body.find("exit ");
      exit_code_ = body.substr(command + 5, 1);
      events_.push_back("exec " + exit_code_ +
                        (body.find("STATUS=failed") != std::string::npos ? " failed" : "") +
                        (body.find("STATUS=ok") != std::string::npos ? " ok" : ""));
      return {201, R"({"Id":"e"})"};
    }
    if (line == "POST /exec/e/start") return {200, ""};
    if (line.find("GET /exec/e/json") == 0) {
      return {200, R"({"Running":false,"ExitCode":)" + exit_code_ + "}"};
    }
    if (line.find("GET /containers/") == 0) return {200, InspectionOf(FakeContainer("a"))};
    events_.push_back(line.substr(line.find("containers/") + 11));
    last_thread_ = std::this_thread::get_id();
    return {line.find(fails_) != std::string::npos ? 500 : 204, R"({"message":"broken"})"};
  }

  void Hooks(const std::string& pre, const std::string& post) {
    DockerContainer container = FakeContainer("hooked");
    if (!pre.empty()) container.labels[ReadWindow::kPreHookLabel] = pre;
    if (!post.empty()) container.labels[ReadWindow::kPostHookLabel] = post;
    options_.hooked.push_back(container);
  }
  void Stop(const std::string& name) {
    options_.pause = PauseMode::kStop;
    options_.to_pause.push_back(FakeContainer(name));
  }

  std::string exit_code_;
  std::string fails_ = "nothing fails";
  Lines events_;
  std::thread::id last_thread_;  // of the last event
  Mutex mu_;
  Lines log_, warnings_;
  FakeDocker fake_{
      [this](const std::string& line, const std::string& body) { return Serve(line, body); }};
  std::unique_ptr<DockerClient> client_ = fake_.Connect();
  ReadWindowOptions options_;
};

TEST_F(ReadWindowTest, HooksEncloseTheStop) {
  Hooks("exit 0", "exit 0");
  Stop("a");
  ReadWindow window(options_);
  ASSERT_TRUE(window.Open().ok());
  EXPECT_EQ(events_, (Lines{"exec 0", "a/stop"}));
  window.Close();
  window.Close();
  EXPECT_TRUE(window.Finish(true).ok());
  EXPECT_EQ(events_, (Lines{"exec 0", "a/stop", "a/start", "exec 0 ok"}));
}

TEST_F(ReadWindowTest, AFailedPreHookTouchesNoContainerAndItsPostHookRuns) {
  Hooks("exit 3", "exit 0");
  Stop("a");
  ReadWindow window(options_);
  const absl::Status status = window.Open();
  EXPECT_EQ(KindOf(status), ErrorKind::kGeneral);
  EXPECT_EQ(status.message(), "volstream.pre-hook of hooked failed: exit code 3");
  window.Close();
  EXPECT_TRUE(window.Finish(false).ok());
  EXPECT_EQ(events_, (Lines{"exec 3", "exec 0 failed"}));
}

TEST_F(ReadWindowTest, AFailedStopIsUndoneAndPostHooksRun) {
  Hooks("", "exit 0");
  Stop("a");
  Stop("b");
  fails_ = "b/stop";
  ReadWindow window(options_);
  EXPECT_FALSE(window.Open().ok());
  EXPECT_TRUE(window.Finish(false).ok());
  EXPECT_EQ(events_, (Lines{"a/stop", "b/stop", "b/stop", "b/start", "a/start", "exec 0 failed"}));
}

TEST_F(ReadWindowTest, AFailedPostHookIsPartialSuccess) {
  Hooks("", "exit 4");
  ReadWindow window(options_);
  ASSERT_TRUE(window.Open().ok());
  const absl::Status status = window.Finish(true);
  EXPECT_EQ(KindOf(status), ErrorKind::kPartial);
  EXPECT_EQ(warnings_, Lines{"volstream.post-hook of hooked failed: exit code 4"});
}

TEST_F(ReadWindowTest, AContainerThatStaysStoppedIsPartialSuccessAndPostHooksRun) {
  Hooks("", "exit 0");
  Stop("a");
  fails_ = "a/start";
  ReadWindow window(options_);
  ASSERT_TRUE(window.Open().ok());
  EXPECT_EQ(KindOf(window.Finish(true)), ErrorKind::kPartial);
  EXPECT_EQ(events_.back(), "exec 0 ok");
}

TEST_F(ReadWindowTest, HooksOfContainersThatDoNotRunAreLeftOut) {
  Hooks("exit 1", "exit 1");
  options_.hooked[0].state = "exited";
  ReadWindow window(options_);
  EXPECT_TRUE(window.Open().ok());
  EXPECT_TRUE(window.Finish(true).ok());
  EXPECT_EQ(events_, Lines{});
}

TEST_F(ReadWindowTest, WhatWasNeverOpenedDoesNothing) {
  Hooks("exit 0", "exit 0");
  options_.post_hook = "echo no";
  Stop("a");
  ReadWindow window(options_);
  window.Close();
  EXPECT_TRUE(window.Finish(false).ok());
  EXPECT_EQ(events_, Lines{});
  EXPECT_EQ(log_, Lines{});
}

TEST_F(ReadWindowTest, HostHooksKnowTheSourceAndTheOutcome) {
  options_.docker = nullptr;
  options_.pre_hook = "echo before $VOLSTREAM_SOURCE";
  options_.post_hook = "echo after $VOLSTREAM_STATUS";
  for (const bool ok : {true, false}) {
    log_.clear();
    ReadWindow window(options_);
    ASSERT_TRUE(window.Open().ok());
    EXPECT_TRUE(window.Finish(ok).ok());
    EXPECT_EQ(log_, (Lines{"running the pre-hook", "pre-hook: before docker:volume",
                           "running the post-hook",
                           ok ? "post-hook: after ok" : "post-hook: after failed"}));
  }
}

TEST_F(ReadWindowTest, AFailedHostPreHookLeavesContainersAlone) {
  options_.pre_hook = "exit 9";
  options_.post_hook = "echo $VOLSTREAM_STATUS";
  Hooks("exit 0", "exit 0");
  Stop("a");
  ReadWindow window(options_);
  EXPECT_EQ(window.Open().message(), "the pre-hook failed: exit code 9");
  EXPECT_TRUE(window.Finish(false).ok());
  EXPECT_EQ(events_, Lines{});
  EXPECT_EQ(log_.back(), "post-hook: failed");
}

TEST_F(ReadWindowTest, ACancelEndsAHookAndTheRestIsUndone) {
  options_.pre_hook = "echo begun; sleep 1000";
  options_.post_hook = "echo undone";
  Stop("a");
  Notification begun;
  const EventLog log = options_.log;
  options_.log = [&](Severity severity, std::string_view text) {
    log(severity, text);
    if (text == "pre-hook: begun") begun.Notify();
  };
  ReadWindow window(options_);
  std::thread canceller([&] {
    begun.WaitForNotification();
    window.Cancel();
  });
  EXPECT_EQ(KindOf(window.Open()), ErrorKind::kInterrupted);
  canceller.join();
  EXPECT_TRUE(window.Finish(false).ok());
  EXPECT_EQ(events_, Lines{});
  EXPECT_EQ(log_.back(), "post-hook: undone");
}

TEST_F(ReadWindowTest, FinishBringsContainersBackWhereThereIsNoThreadToDoIt) {
  Stop("a");
  ReadWindow window(options_);
  ASSERT_TRUE(window.Open().ok());
  // No address space has room for such a stack.
  pthread_attr_t before;
  pthread_attr_t huge;
  ASSERT_EQ(pthread_getattr_default_np(&before), 0);
  ASSERT_EQ(pthread_getattr_default_np(&huge), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&huge, size_t{1} << 60), 0);
  ASSERT_EQ(pthread_setattr_default_np(&huge), 0);
  window.Close();
  ASSERT_EQ(pthread_setattr_default_np(&before), 0);
  pthread_attr_destroy(&huge);
  pthread_attr_destroy(&before);
  EXPECT_TRUE(window.Finish(true).ok());
  EXPECT_EQ(events_, (Lines{"a/stop", "a/start"}));
  EXPECT_EQ(last_thread_, std::this_thread::get_id());
}

TEST_F(ReadWindowTest, ClosesWhenItGoes) {
  Stop("a");
  {
    ReadWindow window(options_);
    ASSERT_TRUE(window.Open().ok());
  }
  EXPECT_EQ(events_, (Lines{"a/stop", "a/start"}));
}

}  // namespace
}  // namespace volstream
