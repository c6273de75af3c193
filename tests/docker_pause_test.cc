// Containers come back, and when they do not, it is said.
#include "stages/docker_pause.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <thread>
#include <vector>

#include "stages/error_kind.h"
#include "tests/support/fake_docker.h"

namespace volstream {
namespace {

class DockerPauseTest : public ::testing::Test {
 protected:
  FakeReply Serve(const std::string& line) {
    const auto scripted = replies_.find(line);
    if (scripted != replies_.end()) return scripted->second;
    if (line.find("GET /containers/") == 0) {
      const std::string name = line.substr(16, line.rfind('/') - 16);
      const auto state = states_.find(name);
      DockerContainer container =
          FakeContainer(name, state == states_.end() ? "running" : state->second);
      container.auto_remove = name == "fleeting";
      if (name == "task") container.labels["com.docker.swarm.task.id"] = "1";
      return {200, InspectionOf(container)};
    }
    return {204};
  }

  std::vector<std::string> Actions() const {
    std::vector<std::string> actions;
    for (const std::string& line : fake_.lines()) {
      if (line.find("POST") == 0) actions.push_back(line.substr(line.find("containers/") + 11));
    }
    return actions;
  }

  EventLog Log() {
    return [this](Severity severity, std::string_view text) {
      if (severity == Severity::kWarning) warnings_.emplace_back(text);
    };
  }

  std::map<std::string, FakeReply> replies_;
  std::map<std::string, std::string> states_;  // of containers that do not run
  std::vector<std::string> warnings_;
  FakeDocker fake_{[this](const std::string& line, const std::string&) { return Serve(line); }};
  std::unique_ptr<DockerClient> client_ = fake_.Connect();
};

using Lines = std::vector<std::string>;

TEST_F(DockerPauseTest, RestoresInTheOppositeOrderAndOnce) {
  DockerPause pause(client_.get(), PauseMode::kStop, Log());
  ASSERT_TRUE(pause.Apply({FakeContainer("a"), FakeContainer("b")}).ok());
  EXPECT_TRUE(pause.Restore().ok());
  EXPECT_TRUE(pause.Restore().ok());
  EXPECT_EQ(Actions(), (Lines{"a/stop", "b/stop", "b/start", "a/start"}));
}

TEST_F(DockerPauseTest, RestoresWhenItGoes) {
  {
    DockerPause pause(client_.get(), PauseMode::kPause, Log());
    ASSERT_TRUE(pause.Apply({FakeContainer("a")}).ok());
  }
  EXPECT_EQ(Actions(), (Lines{"a/pause", "a/unpause"}));
}

// Whatever they did when they were listed: a pre-hook may have stopped them since.
TEST_F(DockerPauseTest, LeavesAloneWhatDoesNotRunByThen) {
  states_ = {{"a", "paused"}, {"b", "exited"}};
  replies_["GET /containers/c/json"] = {404, R"({"message":"No such container: c"})"};
  for (const PauseMode mode : {PauseMode::kStop, PauseMode::kPause}) {
    DockerPause pause(client_.get(), mode, Log());
    ASSERT_TRUE(pause.Apply({FakeContainer("a"), FakeContainer("b"), FakeContainer("c")}).ok());
    EXPECT_TRUE(pause.Restore().ok());
  }
  EXPECT_EQ(Actions(), Lines{});
}

TEST_F(DockerPauseTest, DoesNotStartWhatHadStoppedByItself) {
  replies_["POST /containers/a/stop"] = {304};
  std::vector<PauseStep> steps;
  DockerPause pause(client_.get(), PauseMode::kStop, Log(),
                    [&steps](PauseStep step, const DockerContainer&) { steps.push_back(step); });
  ASSERT_TRUE(pause.Apply({FakeContainer("a"), FakeContainer("b")}).ok());
  EXPECT_TRUE(pause.Restore().ok());
  EXPECT_EQ(Actions(), (Lines{"a/stop", "b/stop", "b/start"}));
  // The helper must not start it either.
  EXPECT_EQ(steps,
            (std::vector<PauseStep>{PauseStep::kStopping, PauseStep::kBack, PauseStep::kStopping,
                                    PauseStep::kStopped, PauseStep::kBack}));
}

TEST_F(DockerPauseTest, RestoresWhatWasDoneBeforeAFailure) {
  replies_["POST /containers/b/stop"] = {500, R"({"message":"cannot kill"})"};
  DockerPause pause(client_.get(), PauseMode::kStop, Log());
  const absl::Status status =
      pause.Apply({FakeContainer("a"), FakeContainer("b"), FakeContainer("c")});
  EXPECT_NE(status.message().find("cannot stop container b"), absl::string_view::npos) << status;
  EXPECT_TRUE(pause.Restore().ok());
  // b's stop is asked for once more, lest a stop under way undo the start.
  EXPECT_EQ(Actions(), (Lines{"a/stop", "b/stop", "b/stop", "b/start", "a/start"}));
}

TEST_F(DockerPauseTest, SaysWhichContainerDidNotComeBackAndWhatToRun) {
  replies_["POST /containers/a/start"] = {500, R"({"message":"port is taken"})"};
  DockerPause pause(client_.get(), PauseMode::kStop, Log());
  ASSERT_TRUE(pause.Apply({FakeContainer("a"), FakeContainer("b")}).ok());
  const absl::Status status = pause.Restore();
  EXPECT_EQ(KindOf(status), ErrorKind::kPartial);
  EXPECT_NE(status.message().find("docker start a"), absl::string_view::npos) << status;
  ASSERT_EQ(warnings_.size(), 1u);
  EXPECT_NE(warnings_[0].find("CONTAINER a IS STILL STOPPED"), std::string::npos) << warnings_[0];
  EXPECT_NE(warnings_[0].find("port is taken"), std::string::npos);
  EXPECT_NE(warnings_[0].find("run: docker start a"), std::string::npos);
  EXPECT_EQ(fake_.Count("/b/start"), 1);
  EXPECT_GT(fake_.Count("/a/start"), 1);
  EXPECT_EQ(pause.Restore(), status);
}

TEST_F(DockerPauseTest, TakesAContainerThatSomebodyUnpausedForBack) {
  replies_["POST /containers/a/unpause"] = {500, R"({"message":"a is not paused"})"};
  DockerPause pause(client_.get(), PauseMode::kPause, Log());
  ASSERT_TRUE(pause.Apply({FakeContainer("a")}).ok());
  client_->Cancel();  // asks all the same
  EXPECT_TRUE(pause.Restore().ok());
  EXPECT_EQ(warnings_, Lines{});
}

TEST_F(DockerPauseTest, StopsNothingThatAStopWouldLose) {
  for (const char* name : {"fleeting", "task"}) {
    DockerPause pause(client_.get(), PauseMode::kStop, Log());
    const absl::Status status = pause.Apply({FakeContainer("a"), FakeContainer(name)});
    EXPECT_NE(status.message().find("use --pause"), absl::string_view::npos) << status;
  }
  EXPECT_EQ(Actions(), Lines{});
}

TEST_F(DockerPauseTest, StopsNoMoreOnceCancelledAndRestoresAllTheSame) {
  DockerPause pause(client_.get(), PauseMode::kPause, Log());
  ASSERT_TRUE(pause.Apply({FakeContainer("a")}).ok());
  client_->Cancel();
  EXPECT_TRUE(pause.Restore().ok());
  DockerPause another(client_.get(), PauseMode::kPause, Log());
  EXPECT_EQ(KindOf(another.Apply({FakeContainer("b")})), ErrorKind::kInterrupted);
  EXPECT_EQ(Actions(), (Lines{"a/pause", "a/unpause"}));
}

TEST_F(DockerPauseTest, TellsEachStep) {
  std::vector<std::pair<PauseStep, std::string>> steps;
  DockerPause pause(client_.get(), PauseMode::kStop, Log(),
                    [&steps](PauseStep step, const DockerContainer& container) {
                      steps.emplace_back(step, container.name);
                    });
  ASSERT_TRUE(pause.Apply({FakeContainer("a")}).ok());
  ASSERT_TRUE(pause.Restore().ok());
  EXPECT_EQ(steps,
            (std::vector<std::pair<PauseStep, std::string>>{
                {PauseStep::kStopping, "a"}, {PauseStep::kStopped, "a"}, {PauseStep::kBack, "a"}}));
}

TEST_F(DockerPauseTest, RestoresOnceForSeveralThreads) {
  DockerPause pause(client_.get(), PauseMode::kStop, Log());
  ASSERT_TRUE(pause.Apply({FakeContainer("a")}).ok());
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&pause] { EXPECT_TRUE(pause.Restore().ok()); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Actions(), (Lines{"a/stop", "a/start"}));
}

}  // namespace
}  // namespace volstream
