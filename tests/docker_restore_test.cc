// `volstream restore ARCHIVE docker:VOLUME` against a real Docker engine: what is found or made,
// who stands still meanwhile, and what is refused.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
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

class DockerRestore : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(mkdir(backups_.c_str(), 0755), 0); }
  void TearDown() override { docker_.RemoveAll(); }

  // A backup of a volume with all kinds of files, as .tar.gz or .tar.zst; the volume's tree.
  Tree BackUpVolume(const std::string& name, const std::string& codec = "gzip") {
    const std::string path = docker_.NewVolume(name);
    MakeTree(path);
    EXPECT_EQ(chown(path.c_str(), 999, 998), 0);
    EXPECT_EQ(chmod(path.c_str(), 0710), 0);
    const Tree tree = SnapshotTree(path);
    const CommandResult result =
        docker_.Volstream({"backup", "docker:" + name, "--to", backups_, "--codec", codec}).Run();
    EXPECT_EQ(result.exit_code, 0) << result;
    return tree;
  }

  // A backup of one small file, `name`.
  void BackUpFile(const std::string& name) {
    const std::string source = directory_ / "source";
    ASSERT_EQ(mkdir(source.c_str(), 0755), 0);
    WriteFile(source + "/" + name, "restored");
    BackUp(source, backups_);
  }

  Command Restore(const std::string& volume, const std::vector<std::string>& extra = {}) {
    Command command = docker_.Volstream({"restore", backups_ + "/latest", "docker:" + volume});
    for (const std::string& arg : extra) command.Arg(arg);
    return command;
  }

  // A restore from an S3 server that becomes silent in mid-archive, until s3_.OpenGate(): `user`
  // is stopped, and part of the volume written.
  Command RestoreThatHangs(const std::string& volume) {
    const std::string source = directory_ / "large";
    EXPECT_EQ(mkdir(source.c_str(), 0755), 0);
    WriteFile(source + "/file", RandomBytes(1, 64 * kMiB));
    const std::string destination = std::string("s3://") + FakeS3::kBucket + "/";
    const CommandResult result =
        s3_.Volstream({"backup", source, "--to", destination, "--level", "1"}).Run();
    EXPECT_EQ(result.exit_code, 0) << result;
    Fault hang;
    hang.operation = S3Operation::kGetObject;
    hang.key_suffix = ".tar.gz";
    hang.action = FaultAction::kHang;
    // Reads go several at a time and in any order; by this one the first are through.
    hang.first = 20;
    s3_.AddFault(hang);
    Command command = s3_.Volstream(
        {"restore", destination + "latest", "docker:" + volume, "--stop", "--memory", "32MiB"});
    command.Env("DOCKER_HOST", docker_.host());
    return command;
  }

  void StartAndHang(Command* command) {
    command->Start();
    ASSERT_TRUE(s3_.WaitUntilHanging(1));
    ASSERT_TRUE(docker_.WaitForState("user", "exited"));
  }

  // As who may use the engine, but not write the volume's directory.
  Command AsNobody(Command command) {
    EXPECT_EQ(chmod(directory_.path().c_str(), 0755), 0);
    for (const std::string& name : NamesIn(backups_)) {
      EXPECT_EQ(chmod((backups_ + "/" + name).c_str(), 0644), 0);
    }
    command.RunAs(kNobody, kNobody);
    return command;
  }

  static void ExpectIn(const CommandResult& result, const std::string& words) {
    EXPECT_NE(result.err.find(words), std::string::npos) << words << "\n" << result;
  }
  static void ExpectNotIn(const CommandResult& result, const std::string& words) {
    EXPECT_EQ(result.err.find(words), std::string::npos) << words << "\n" << result;
  }

  const DockerEngine& docker_ = DockerEngine::Shared();
  TempDir directory_;
  const std::string backups_ = directory_ / "backups";
  FakeS3 s3_;
};

TEST_F(DockerRestore, AVolumeThatIsMadeGetsTheTreeWithOwnersAndModes) {
  const Tree tree = BackUpVolume("original", "zstd");
  const CommandResult result = Restore("copy", {"--create"}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  ExpectIn(result, "docker:copy");
  EXPECT_EQ(docker_.Volumes(), (std::vector<std::string>{"copy", "original"}));
  EXPECT_EQ(DiffTrees(tree, SnapshotTree(docker_.NewVolume("copy"))), "");
}

// The host's names mean nothing in a container: it gives "daemon" number 1.
TEST_F(DockerRestore, OwnersGoByNumberThoughTheHostKnowsTheName) {
  const std::string source = directory_ / "source";
  ASSERT_EQ(mkdir(source.c_str(), 0755), 0);
  WriteFile(source + "/file", "contents");
  const std::string archive = directory_ / "named.tar";
  const CommandResult made = Command({"tar", "--create", "--file", archive, "--directory", source,
                                      "--owner=daemon:4321", "--group=daemon:8765", "."})
                                 .Run();
  ASSERT_EQ(made.exit_code, 0) << made;
  const std::string path = docker_.NewVolume("volume");
  const CommandResult result = docker_.Volstream({"restore", archive, "docker:volume"}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  struct stat info {};
  ASSERT_EQ(stat((path + "/file").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, 4321u);
  EXPECT_EQ(info.st_gid, 8765u);
}

TEST_F(DockerRestore, OnlyThePathsAskedForCome) {
  const std::string source = directory_ / "source";
  ASSERT_EQ(mkdir(source.c_str(), 0755), 0);
  WriteFile(source + "/wanted", "1");
  WriteFile(source + "/other", "2");
  BackUp(source, backups_);
  const std::string path = docker_.NewVolume("volume");
  const CommandResult result = Restore("volume", {"wanted"}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(NamesIn(path), std::vector<std::string>{"wanted"});
}

TEST_F(DockerRestore, AMissingVolumeIsAnErrorThatNamesItAndTheRemedy) {
  BackUpFile("file");
  docker_.NewVolume("postgres");
  ExpectOneError(Restore("postgers").Run(), kExitSourceNotFound,
                 {"postgers", "near it are: postgres", "--create"});
  EXPECT_EQ(docker_.Volumes(), std::vector<std::string>{"postgres"});
}

TEST_F(DockerRestore, AVolumeMadeForARestoreThatWritesNothingIsRemoved) {
  WriteFile(backups_ + "/no.tar.gz", "no archive at all");
  const CommandResult result =
      docker_.Volstream({"restore", backups_ + "/no.tar.gz", "docker:copy", "--create"}).Run();
  EXPECT_EQ(result.exit_code, kExitIntegrity) << result;
  EXPECT_EQ(docker_.Volumes(), std::vector<std::string>{});
}

TEST_F(DockerRestore, ADryRunMakesNothingAndStopsNothing) {
  BackUpFile("file");
  docker_.NewVolume("volume");
  docker_.Run({.name = "user", .volume = "volume"});
  CommandResult result = Restore("volume", {"--stop", "--dry-run"}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(result.out, ".\nfile\n");
  ExpectNotIn(result, "stopping");
  result = Restore("other", {"--create", "--dry-run"}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(docker_.Volumes(), std::vector<std::string>{"volume"});
}

TEST_F(DockerRestore, AVolumeThatIsNotEmptyIsRefusedBeforeAnythingIsStopped) {
  BackUpFile("file");
  WriteFile(docker_.NewVolume("volume") + "/there", "before");
  docker_.Run({.name = "user", .volume = "volume"});
  const CommandResult result = Restore("volume", {"--stop"}).Run();
  ExpectOneError(result, kExitGeneral, {"not empty", "--overwrite"});
  ExpectNotIn(result, "stopping");
}

TEST_F(DockerRestore, WithOverwriteWhatIsThereStaysBesideWhatComes) {
  BackUpFile("file");
  const std::string path = docker_.NewVolume("volume");
  WriteFile(path + "/there", "before");
  WriteFile(path + "/file", "before");
  const CommandResult result = Restore("volume", {"--overwrite", "always"}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(ReadFile(path + "/there"), "before");
  EXPECT_EQ(ReadFile(path + "/file"), "restored");
}

TEST_F(DockerRestore, ContainersAreStoppedMeanwhileAndStartedAgain) {
  BackUpFile("file");
  const std::string path = docker_.NewVolume("volume");
  // Says its last word into the volume, and what it finds there when it starts.
  docker_.Run({.name = "user",
               .volume = "volume",
               .command = "trap 'echo stopped > /data/state; exit 0' TERM; cat /data/file > "
                          "/data/found; while true; do sleep 1 & wait $!; done"});
  docker_.Run({.name = "reader", .more_binds = {"volume:/data:ro"}});
  ASSERT_TRUE(docker_.WaitForState("user", "running"));
  const std::string started = docker_.StartedAt("user");
  const CommandResult result = Restore("volume", {"--stop", "--overwrite", "always"}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  ExpectIn(result, "stopping container user");
  ExpectIn(result, "stopping container reader");
  EXPECT_EQ(docker_.StateOf("user"), "running");
  EXPECT_EQ(docker_.StateOf("reader"), "running");
  EXPECT_NE(docker_.StartedAt("user"), started);
  EXPECT_EQ(ReadFile(path + "/state"), "stopped\n");
  docker_.Act("user", "stop");
  EXPECT_EQ(ReadFile(path + "/found"), "restored");
}

TEST_F(DockerRestore, AContainerThatWritesIsARefusalUnlessLive) {
  BackUpFile("file");
  const std::string path = docker_.NewVolume("volume");
  docker_.Run({.name = "user", .volume = "volume"});
  ExpectOneError(Restore("volume").Run(), kExitGeneral,
                 {"volume volume", "user (running)", "--stop", "--live"});
  EXPECT_EQ(NamesIn(path), std::vector<std::string>{});
  const std::string started = docker_.StartedAt("user");
  const CommandResult result = Restore("volume", {"--live"}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(ReadFile(path + "/file"), "restored");
  EXPECT_EQ(docker_.StartedAt("user"), started);
}

TEST_F(DockerRestore, AWriterThatIsNotAmongThoseNamedIsARefusal) {
  BackUpFile("file");
  docker_.NewVolume("volume");
  docker_.Run({.name = "one", .volume = "volume"});
  docker_.Run({.name = "two", .volume = "volume"});
  const CommandResult result = Restore("volume", {"--stop", "--container", "one"}).Run();
  ExpectOneError(result, kExitGeneral, {"two (running)", "--container"});
  ExpectNotIn(result, "stopping");
}

TEST_F(DockerRestore, APausedContainerIsARefusalToo) {
  BackUpFile("file");
  docker_.NewVolume("volume");
  docker_.Run({.name = "user", .volume = "volume"});
  docker_.Act("user", "pause");
  ExpectOneError(Restore("volume", {"--stop"}).Run(), kExitGeneral,
                 {"user (paused)", "stop by hand"});
  EXPECT_EQ(docker_.StateOf("user"), "paused");
}

TEST_F(DockerRestore, WhoOnlyReadsOrStandsStillIsNoObstacle) {
  BackUpFile("file");
  docker_.NewVolume("volume");
  docker_.Create({.name = "created", .volume = "volume"});
  docker_.Run({.name = "reader", .more_binds = {"volume:/data:ro"}});
  const CommandResult result = Restore("volume").Run();
  EXPECT_EQ(result.exit_code, 0) << result;
}

TEST_F(DockerRestore, AContainerThatAStopWouldRemoveIsNotStopped) {
  BackUpFile("file");
  docker_.NewVolume("volume");
  docker_.Run({.name = "fleeting", .volume = "volume", .auto_remove = true});
  const CommandResult result = Restore("volume", {"--stop"}).Run();
  ExpectOneError(result, kExitGeneral, {"fleeting", "--rm", "stop it by hand"});
  ExpectNotIn(result, "--pause");
  EXPECT_EQ(docker_.StateOf("fleeting"), "running");
}

TEST_F(DockerRestore, ContainersAreBackAfterCtrlC) {
  docker_.NewVolume("volume");
  docker_.Run({.name = "user", .volume = "volume"});
  Command command = RestoreThatHangs("volume");
  ASSERT_NO_FATAL_FAILURE(StartAndHang(&command));
  command.Signal(SIGINT);
  const CommandResult result = command.Wait();
  EXPECT_EQ(result.exit_code, kExitInterrupted) << result;
  ExpectIn(result, "user is started again");
  EXPECT_EQ(docker_.StateOf("user"), "running");
}

TEST_F(DockerRestore, ContainersComeBackAfterAKill) {
  docker_.NewVolume("volume");
  docker_.Run({.name = "user", .volume = "volume"});
  Command command = RestoreThatHangs("volume");
  ASSERT_NO_FATAL_FAILURE(StartAndHang(&command));
  command.Signal(SIGKILL);
  EXPECT_EQ(command.Wait().signal, SIGKILL);
  EXPECT_TRUE(docker_.WaitForState("user", "running"));
}

TEST_F(DockerRestore, ContainersAreBackAfterAFailure) {
  docker_.NewVolume("volume");
  docker_.Run({.name = "user", .volume = "volume"});
  BackUpFile("file");
  const std::string archive = backups_ + "/" + ArchivesIn(backups_).at(0);
  auto receipt = ReceiptOf(archive);
  receipt["xxh3"] = std::string(receipt["xxh3"].get<std::string>().size(), '0');
  WriteFile(archive + std::string(kReceiptEnding), receipt.dump());
  const CommandResult result = Restore("volume", {"--stop"}).Run();
  EXPECT_EQ(result.exit_code, kExitIntegrity) << result;
  ExpectIn(result, "user is started again");
  EXPECT_EQ(docker_.StateOf("user"), "running");
}

TEST_F(DockerRestore, OrdinaryUsersRestoreThroughTheEngine) {
  const Tree tree = BackUpVolume("original");
  const CommandResult result = AsNobody(Restore("copy", {"--create"})).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  ExpectIn(result, "through the Docker engine");
  ExpectIn(result, "before-1970: could not restore its time");
  DiffOptions options;
  options.holes = false;
  EXPECT_EQ(DiffTrees(tree, SnapshotTree(docker_.NewVolume("copy")), options),
            "times/before-1970: mtime in ns is 0, should be -86400000000000\n");
  EXPECT_EQ(docker_.Containers(), std::vector<std::string>{});
  EXPECT_EQ(docker_.Volumes(), (std::vector<std::string>{"copy", "original"}));
}

TEST_F(DockerRestore, OrdinaryUsersSalvageThroughTheEngine) {
  BackUpFile("file");
  const CommandResult result = AsNobody(Restore("copy", {"--create", "--salvage"})).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(ReadFile(docker_.NewVolume("copy") + "/file"), "restored");
}

TEST_F(DockerRestore, OrdinaryUsersStopContainersAndReplaceFiles) {
  BackUpFile("file");
  const std::string path = docker_.NewVolume("volume");
  WriteFile(path + "/file", "before");
  WriteFile(path + "/there", "before");
  docker_.Run({.name = "user", .volume = "volume"});
  const std::string started = docker_.StartedAt("user");
  ExpectOneError(AsNobody(Restore("volume", {"--stop"})).Run(), kExitGeneral,
                 {"volume volume is not empty", "--overwrite always"});
  EXPECT_EQ(docker_.StartedAt("user"), started);
  ExpectOneError(AsNobody(Restore("volume", {"--stop", "--overwrite", "older"})).Run(),
                 kExitGeneral, {"--overwrite always", "root"});
  const CommandResult result =
      AsNobody(Restore("volume", {"--stop", "--overwrite", "always"})).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(ReadFile(path + "/file"), "restored");
  EXPECT_EQ(ReadFile(path + "/there"), "before");
  EXPECT_TRUE(docker_.WaitForRestart("user", started));
  EXPECT_EQ(docker_.Containers(), std::vector<std::string>{"user"});
}

TEST_F(DockerRestore, OrdinaryUsersRestorePathsWithWhatIsAboveThem) {
  docker_.NewVolume("copy");
  const std::string source = directory_ / "source";
  ASSERT_EQ(mkdir(source.c_str(), 0755), 0);
  ASSERT_EQ(mkdir((source + "/a").c_str(), 0755), 0);
  WriteFile(source + "/a/wanted", "1");
  WriteFile(source + "/a/other", "2");
  BackUp(source, backups_);
  const CommandResult result = AsNobody(Restore("copy", {"a/wanted"})).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  const std::string path = docker_.NewVolume("copy");
  EXPECT_EQ(NamesIn(path), std::vector<std::string>{"a"});
  EXPECT_EQ(NamesIn(path + "/a"), std::vector<std::string>{"wanted"});
}

// The engine's own word must come through, though it ends the upload in the middle.
TEST_F(DockerRestore, WhatTheEngineCannotUnpackIsAnErrorWithItsWords) {
  const std::string source = directory_ / "source";
  ASSERT_EQ(mkdir(source.c_str(), 0755), 0);
  WriteFile(source + "/a", "a file");
  WriteFile(source + "/b", RandomBytes(1, 20 * kMiB));
  BackUp(source, backups_);
  const std::string path = docker_.NewVolume("volume");
  ASSERT_EQ(mkdir((path + "/a").c_str(), 0755), 0);
  docker_.Run({.name = "user", .volume = "volume"});
  const CommandResult result =
      AsNobody(Restore("volume", {"--stop", "--overwrite", "always"})).Run();
  ExpectOneError(result, kExitGeneral, {"the Docker engine says", "directory"});
  EXPECT_EQ(docker_.StateOf("user"), "running");
  EXPECT_EQ(docker_.Containers(), std::vector<std::string>{"user"});
}

TEST_F(DockerRestore, CtrlCEndsAnUploadAndContainersAreBack) {
  docker_.NewVolume("volume");
  docker_.Run({.name = "user", .volume = "volume"});
  Command command = AsNobody(RestoreThatHangs("volume"));
  ASSERT_NO_FATAL_FAILURE(StartAndHang(&command));
  command.Signal(SIGINT);
  const CommandResult result = command.Wait();
  EXPECT_EQ(result.exit_code, kExitInterrupted) << result;
  EXPECT_EQ(docker_.StateOf("user"), "running");
  EXPECT_EQ(docker_.Containers(), std::vector<std::string>{"user"});
}

TEST_F(DockerRestore, FlagsForVolumesAreRefusedForADirectory) {
  BackUpFile("file");
  ExpectOneError(
      Volstream({"restore", backups_ + "/latest", directory_ / "target", "--stop"}).Run(),
      kExitGeneral, {"--stop", "docker:VOLUME"});
}

TEST_F(DockerRestore, AnEmptyNameIsAnError) {
  BackUpFile("file");
  ExpectOneError(Restore("").Run(), kExitGeneral, {"docker:VOLUME"});
}

}  // namespace
}  // namespace volstream
