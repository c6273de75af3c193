// --stop, --pause and hooks against a real Docker engine: containers hold still while the source is
// read, and are back afterwards, whatever happened.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "engine/bytes.h"
#include "tests/support/archive.h"
#include "tests/support/cli.h"
#include "tests/support/docker_engine.h"
#include "tests/support/fake_s3.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

class DockerHold : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(mkdir(backups_.c_str(), 0755), 0); }
  void TearDown() override { docker_.RemoveAll(); }

  // A volume that does not fit into the memory of Upload(): while its upload hangs, so does the
  // reading.
  void MakeLargeVolume() {
    WriteFile(docker_.NewVolume("large") + "/file", RandomBytes(1, 64 * kMiB));
  }
  void MakeSmallVolume() {
    WriteFile(docker_.NewVolume("small") + "/file", RandomBytes(1, 12 * kMiB));
  }

  // A backup to an S3 server whose parts hang until s3_.OpenGate().
  Command Upload(const std::string& volume, const std::string& flag) {
    Fault hang;
    hang.operation = S3Operation::kUploadPart;
    hang.action = FaultAction::kHang;
    s3_.AddFault(hang);
    Command command = s3_.Volstream(
        {"backup", "docker:" + volume, "--to", std::string("s3://") + FakeS3::kBucket + "/",
         "--memory", "32MiB", "--part-size", "5MiB", "--level", "1", "--workers", "1", flag});
    command.Env("DOCKER_HOST", docker_.host());
    return command;
  }

  Command Backup(const std::string& volume, std::vector<std::string> extra) {
    Command command = docker_.Volstream({"backup", "docker:" + volume, "--to", backups_});
    for (std::string& arg : extra) command.Arg(std::move(arg));
    return command;
  }

  std::string RestoredFile(const std::string& name) {
    const std::string target = directory_ / "restored";
    const CommandResult result = Volstream({"restore", backups_ + "/latest", target}).Run();
    EXPECT_EQ(result.exit_code, 0) << result;
    return ReadFile(target + "/" + name);
  }

  static void ExpectIn(const CommandResult& result, const std::string& words) {
    EXPECT_NE(result.err.find(words), std::string::npos) << words << "\n" << result;
  }
  static void ExpectNotIn(const CommandResult& result, const std::string& words) {
    EXPECT_EQ(result.err.find(words), std::string::npos) << words << "\n" << result;
  }

  // Says in the volume whether it runs.
  static ContainerSpec Telltale(const std::string& volume) {
    return {.name = "telltale",
            .volume = volume,
            .command =
                "trap 'echo stopped > /data/state; exit 0' TERM; echo running > /data/state;"
                "while true; do sleep 1 & wait $!; done"};
  }

  // The helper process of this volstream; 0 if there is none.
  static pid_t HelperOf(pid_t parent) {
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const std::string path = entry.path();
      if (!isdigit(entry.path().filename().string()[0])) continue;
      std::ifstream command(path + "/cmdline");
      std::ifstream status(path + "/stat");
      const std::string words((std::istreambuf_iterator<char>(command)), {});
      std::string skipped;
      pid_t its_parent = 0;
      status >> skipped >> skipped >> skipped >> its_parent;
      if (its_parent == parent && words.find("docker-rescue") != std::string::npos) {
        return std::stoi(entry.path().filename());
      }
    }
    return 0;
  }

  const DockerEngine& docker_ = DockerEngine::Shared();
  TempDir directory_;
  const std::string backups_ = directory_ / "backups";
  FakeS3 s3_;
};

TEST_F(DockerHold, AStoppedContainersLastWordIsInTheBackup) {
  docker_.NewVolume("volume");
  docker_.Run(Telltale("volume"));
  const std::string started = docker_.StartedAt("telltale");
  const CommandResult result = Backup("volume", {"--stop"}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(RestoredFile("state"), "stopped\n");
  EXPECT_EQ(docker_.StateOf("telltale"), "running");
  EXPECT_NE(docker_.StartedAt("telltale"), started);
}

TEST_F(DockerHold, ContainersAreStoppedWhileTheSourceIsRead) {
  MakeLargeVolume();
  docker_.Run({.name = "user", .volume = "large"});
  Command command = Upload("large", "--stop");
  command.Start();
  ASSERT_TRUE(s3_.WaitUntilHanging(1));
  EXPECT_EQ(docker_.StateOf("user"), "exited");
  s3_.OpenGate();
  const CommandResult result = command.Wait();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(docker_.StateOf("user"), "running");
}

TEST_F(DockerHold, ContainersArePausedWhileTheSourceIsRead) {
  MakeLargeVolume();
  docker_.Run({.name = "user", .volume = "large"});
  const std::string started = docker_.StartedAt("user");
  Command command = Upload("large", "--pause");
  command.Start();
  ASSERT_TRUE(s3_.WaitUntilHanging(1));
  EXPECT_EQ(docker_.StateOf("user"), "paused");
  s3_.OpenGate();
  const CommandResult result = command.Wait();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(docker_.StateOf("user"), "running");
  EXPECT_EQ(docker_.StartedAt("user"), started);
}

TEST_F(DockerHold, ContainersAreBackWhileTheUploadGoesOn) {
  MakeSmallVolume();
  docker_.Run({.name = "user", .volume = "small"});
  Command command = Upload("small", "--pause");
  command.Start();
  ASSERT_TRUE(s3_.WaitUntilHanging(1));
  EXPECT_TRUE(command.WaitForStderr("user goes on"));
  EXPECT_EQ(docker_.StateOf("user"), "running");
  s3_.OpenGate();
  EXPECT_EQ(command.Wait().exit_code, 0);
}

TEST_F(DockerHold, ContainersAreBackAfterTheDestinationFailed) {
  MakeLargeVolume();
  docker_.Run({.name = "user", .volume = "large"});
  Fault refusal;
  refusal.operation = S3Operation::kUploadPart;
  refusal.status = 403;
  refusal.code = "AccessDenied";
  s3_.AddFault(refusal);
  const CommandResult result = Upload("large", "--stop").Run();
  EXPECT_EQ(result.exit_code, kExitS3) << result;
  ExpectIn(result, "user is started again");
  EXPECT_EQ(docker_.StateOf("user"), "running");
}

TEST_F(DockerHold, ContainersAreBackAfterCtrlC) {
  MakeLargeVolume();
  docker_.Run({.name = "user", .volume = "large"});
  for (const char* flag : {"--stop", "--pause"}) {
    Command command = Upload("large", flag);
    command.Start();
    ASSERT_TRUE(s3_.WaitUntilHanging(1));
    command.Signal(SIGINT);
    const CommandResult result = command.Wait();
    EXPECT_EQ(result.exit_code, kExitInterrupted) << result;
    EXPECT_EQ(docker_.StateOf("user"), "running") << flag;
  }
}

TEST_F(DockerHold, ContainersComeBackAfterASecondCtrlCWhileTheyStop) {
  docker_.NewVolume("volume");
  docker_.Run({.name = "stubborn",
               .volume = "volume",
               .command = "trap '' TERM; while true; do sleep 1; done",
               .stop_timeout_seconds = 2});
  const std::string started = docker_.StartedAt("stubborn");
  Command command = Backup("volume", {"--stop"});
  command.Start();
  ASSERT_TRUE(command.WaitForStderr("stopping container stubborn"));
  command.Signal(SIGINT);
  ASSERT_TRUE(command.WaitForStderr("press Ctrl-C again"));
  command.Signal(SIGINT);
  const CommandResult result = command.Wait();
  EXPECT_EQ(result.exit_code, kExitInterrupted) << result;
  EXPECT_LT(result.seconds, 1.9);
  EXPECT_TRUE(docker_.WaitForRestart("stubborn", started));
}

// A session or service that ends sends more than one signal to all of its processes.
TEST_F(DockerHold, ContainersComeBackAfterAKillThoughTheHelperGotSignals) {
  MakeLargeVolume();
  docker_.Run({.name = "user", .volume = "large"});
  Command command = Upload("large", "--stop");
  command.Start();
  ASSERT_TRUE(s3_.WaitUntilHanging(1));
  const pid_t helper = HelperOf(command.pid());
  ASSERT_GT(helper, 0);
  for (const int signal_number : {SIGTERM, SIGINT, SIGHUP, SIGTERM}) kill(helper, signal_number);
  command.Signal(SIGKILL);
  EXPECT_EQ(command.Wait().signal, SIGKILL);
  EXPECT_TRUE(docker_.WaitForState("user", "running"));
}

TEST_F(DockerHold, ContainersComeBackAfterAKill) {
  MakeLargeVolume();
  docker_.Run({.name = "user", .volume = "large"});
  for (const char* flag : {"--stop", "--pause"}) {
    Command command = Upload("large", flag);
    command.Start();
    ASSERT_TRUE(s3_.WaitUntilHanging(1));
    command.Signal(SIGKILL);
    EXPECT_EQ(command.Wait().signal, SIGKILL);
    EXPECT_TRUE(docker_.WaitForState("user", "running")) << flag;
  }
}

TEST_F(DockerHold, WhatStoodStillBeforeStaysSo) {
  docker_.NewVolume("volume");
  docker_.Create({.name = "created", .volume = "volume"});
  docker_.Run({.name = "paused", .volume = "volume"});
  docker_.Act("paused", "pause");
  for (const char* flag : {"--stop", "--pause"}) {
    const CommandResult result = Backup("volume", {flag}).Run();
    EXPECT_EQ(result.exit_code, 0) << result;
    ExpectIn(result, "created is created and stays so");
    EXPECT_EQ(docker_.StateOf("created"), "created");
    EXPECT_EQ(docker_.StateOf("paused"), "paused");
  }
}

TEST_F(DockerHold, OnlyLabelledContainersAreStoppedWhereThereAreSome) {
  docker_.NewVolume("volume");
  docker_.Run({.name = "labelled",
               .volume = "volume",
               .labels = {{"volstream.stop-during-backup", "true"}}});
  docker_.Run({.name = "plain", .volume = "volume"});
  const std::string started = docker_.StartedAt("plain");
  const CommandResult result = Backup("volume", {"--stop"}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  ExpectIn(result, "labelled is started again");
  EXPECT_EQ(docker_.StartedAt("plain"), started);
}

TEST_F(DockerHold, ContainersThatOnlyReadAreLeftAlone) {
  docker_.NewVolume("volume");
  docker_.Run({.name = "writer", .volume = "volume"});
  docker_.Run({.name = "reader", .more_binds = {"volume:/data:ro"}});
  const CommandResult result = Backup("volume", {"--pause"}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  ExpectIn(result, "pausing container writer");
  ExpectNotIn(result, "pausing container reader");
}

TEST_F(DockerHold, AContainerIsChosenByName) {
  docker_.NewVolume("volume");
  docker_.Run({.name = "user", .volume = "volume"});
  docker_.Run({.name = "elsewhere"});
  const CommandResult result = Backup("volume", {"--pause", "--container", "elsewhere"}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  ExpectIn(result, "pausing container elsewhere");
  ExpectNotIn(result, "pausing container user");
}

TEST_F(DockerHold, AnUnknownContainerEndsTheRunBeforeAnythingIsTouched) {
  docker_.NewVolume("volume");
  docker_.Run({.name = "user", .volume = "volume"});
  const CommandResult result =
      Backup("volume", {"--stop", "--container", "user", "--container", "nobody"}).Run();
  ExpectOneError(result, kExitGeneral, {"--container nobody", "No such container"});
  ExpectNotIn(result, "stopping");
}

TEST_F(DockerHold, ContainersOfADirectoryAreThoseThatMountIt) {
  const std::string source = directory_ / "source";
  ASSERT_EQ(mkdir(source.c_str(), 0755), 0);
  WriteFile(source + "/file", "contents");
  docker_.Run({.name = "user", .volume = source});
  docker_.Run({.name = "stranger"});
  const CommandResult result =
      docker_.Volstream({"backup", source, "--to", backups_, "--stop"}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  ExpectIn(result, "user is started again");
  ExpectNotIn(result, "stranger");
}

TEST_F(DockerHold, ContainersOfADirectoryMayHaveBoundASymlinkToIt) {
  const std::string source = directory_ / "source";
  ASSERT_EQ(mkdir(source.c_str(), 0755), 0);
  ASSERT_EQ(symlink(source.c_str(), (directory_ / "link").c_str()), 0);
  docker_.Run({.name = "user", .volume = directory_ / "link"});
  const CommandResult result =
      docker_.Volstream({"backup", source, "--to", backups_, "--pause"}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  ExpectIn(result, "user goes on");
}

TEST_F(DockerHold, AContainerThatMountsTheVolumeForReadingAndAgainForWritingWrites) {
  docker_.NewVolume("volume");
  docker_.Run({.name = "both", .more_binds = {"volume:/a:ro", "volume:/b", "volume:/c:ro"}});
  const CommandResult result = Backup("volume", {"--pause"}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  ExpectIn(result, "both goes on");
}

TEST_F(DockerHold, AContainerThatAStopWouldRemoveIsNotStopped) {
  docker_.NewVolume("volume");
  docker_.Run({.name = "fleeting", .volume = "volume", .auto_remove = true});
  ExpectOneError(Backup("volume", {"--stop"}).Run(), kExitGeneral, {"fleeting", "--rm", "--pause"});
  EXPECT_EQ(docker_.StateOf("fleeting"), "running");
  EXPECT_EQ(Backup("volume", {"--pause"}).Run().exit_code, 0);
}

TEST_F(DockerHold, OrdinaryUsersStopAndReadThroughTheEngine) {
  ASSERT_EQ(chown(backups_.c_str(), kNobody, kNobody), 0);
  docker_.NewVolume("volume");
  docker_.Run(Telltale("volume"));
  const CommandResult result =
      docker_.VolstreamAsNobody({"backup", "docker:volume", "--to", backups_, "--stop"}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(RestoredFile("state"), "stopped\n");
  EXPECT_EQ(docker_.StateOf("telltale"), "running");
}

// The engine then ends its tar in the middle, under an HTTP answer that looks whole.
TEST_F(DockerHold, AFileThatShrinksUnderTheEnginesEyesFailsTheBackup) {
  MakeLargeVolume();
  const std::string file = docker_.NewVolume("large") + "/file";
  Command command = Upload("large", "--no-progress");
  command.RunAs(kNobody, kNobody);
  command.Start();
  ASSERT_TRUE(s3_.WaitUntilHanging(1)) << command.Wait();
  WriteFile(file, "short");
  s3_.OpenGate();
  const CommandResult result = command.Wait();
  ExpectOneError(result, kExitIntegrity, {"end mark", "cut short", "--pause"});
  EXPECT_TRUE(s3_.Objects().empty());
}

TEST_F(DockerHold, HooksInContainersRunAroundTheReading) {
  docker_.NewVolume("volume");
  docker_.Run(
      {.name = "user",
       .volume = "volume",
       .labels = {{"volstream.pre-hook", "echo made by $VOLSTREAM_SOURCE > /data/made"},
                  {"volstream.post-hook", "rm /data/made; echo status $VOLSTREAM_STATUS"}}});
  const CommandResult result = Backup("volume", {"--stop"}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(RestoredFile("made"), "made by docker:volume\n");
  ExpectIn(result, "user: status ok");
  EXPECT_FALSE(Exists(docker_.NewVolume("volume") + "/made"));
}

TEST_F(DockerHold, AFailedPreHookEndsTheRunWithContainersUntouched) {
  docker_.NewVolume("volume");
  docker_.Run({.name = "user",
               .volume = "volume",
               .labels = {{"volstream.pre-hook", "echo out of order >&2; exit 3"},
                          {"volstream.post-hook", "echo status $VOLSTREAM_STATUS"}}});
  const CommandResult result = Backup("volume", {"--stop"}).Run();
  ExpectOneError(result, kExitGeneral, {"volstream.pre-hook of user failed", "exit code 3"});
  ExpectIn(result, "user: out of order");
  ExpectIn(result, "user: status failed");
  ExpectNotIn(result, "stopping");
  EXPECT_EQ(NamesIn(backups_), std::vector<std::string>{});
}

TEST_F(DockerHold, AFailedPostHookLeavesTheBackupProven) {
  docker_.NewVolume("volume");
  docker_.Run({.name = "user", .volume = "volume", .labels = {{"volstream.post-hook", "exit 4"}}});
  const CommandResult result = Backup("volume", {}).Run();
  ExpectOneError(result, kExitPartial, {"proven", "volstream.post-hook of user", "exit code 4"});
  EXPECT_EQ(ArchivesIn(backups_).size(), 1u);
  EXPECT_EQ(LeftoversIn(backups_), std::vector<std::string>{});
}

TEST_F(DockerHold, AHookThatTakesTooLongFails) {
  docker_.NewVolume("volume");
  docker_.Run(
      {.name = "user", .volume = "volume", .labels = {{"volstream.pre-hook", "sleep 100"}}});
  const CommandResult result = Backup("volume", {"--hook-timeout", "1s"}).Run();
  ExpectOneError(result, kExitGeneral, {"volstream.pre-hook of user", "--hook-timeout"});
  EXPECT_LT(result.seconds, 30);
}

TEST_F(DockerHold, CtrlCEndsAHookInAContainer) {
  docker_.NewVolume("volume");
  docker_.Run({.name = "user",
               .volume = "volume",
               .labels = {{"volstream.pre-hook", "echo in hook; sleep 100"}}});
  Command command = Backup("volume", {"--stop"});
  command.Start();
  ASSERT_TRUE(command.WaitForStderr("user: in hook"));
  command.Signal(SIGINT);
  const CommandResult result = command.Wait();
  EXPECT_EQ(result.exit_code, kExitInterrupted) << result;
  EXPECT_LT(result.seconds, 30);
  EXPECT_EQ(docker_.StateOf("user"), "running");
}

}  // namespace
}  // namespace volstream
