// `volstream backup docker:VOLUME` against a real Docker engine: what is found, how it is read, and
// what is said when it cannot be.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "engine/bytes.h"
#include "tests/support/archive.h"
#include "tests/support/cli.h"
#include "tests/support/docker_engine.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

class DockerSourceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(mkdir(backups_.c_str(), 0755), 0);
    ASSERT_EQ(chown(backups_.c_str(), kNobody, kNobody), 0);
    ASSERT_EQ(chmod(directory_.path().c_str(), 0777), 0);
  }
  void TearDown() override { docker_.RemoveAll(); }

  // A volume with all kinds of files; its tree.
  Tree MakeVolume(const std::string& name) {
    const std::string path = docker_.NewVolume(name);
    MakeTree(path);
    return SnapshotTree(path);
  }

  void Expect(const CommandResult& result, int exit_code, const std::string& words) {
    EXPECT_EQ(result.exit_code, exit_code) << result;
    EXPECT_NE(result.err.find(words), std::string::npos) << words << "\n" << result;
  }

  Tree RestoreLatest() {
    const std::string target = directory_ / "restored";
    const CommandResult result = Volstream({"restore", backups_ + "/latest", target}).Run();
    EXPECT_EQ(result.exit_code, 0) << result;
    return SnapshotTree(target);
  }

  // What comes through the engine: times are in whole seconds.
  static DiffOptions ThroughTheEngine() {
    DiffOptions options;
    options.mtime_tolerance_ns = 1'000'000'000;
    return options;
  }

  const DockerEngine& docker_ = DockerEngine::Shared();
  TempDir directory_;
  const std::string backups_ = directory_ / "backups";
};

TEST_F(DockerSourceTest, AVolumeIsReadInPlaceByRoot) {
  const Tree tree = MakeVolume("in-place");
  const CommandResult result =
      docker_.Volstream({"backup", "docker:in-place", "--to", backups_}).Run();
  Expect(result, 0, "/in-place/_data");
  EXPECT_EQ(NameOfArchive(ArchivesIn(backups_).at(0)), "in-place");
  EXPECT_EQ(DiffTrees(tree, RestoreLatest()), "");
}

TEST_F(DockerSourceTest, NothingIsWrittenThroughTheEngineWhenReadInPlace) {
  MakeVolume("quiet");
  docker_.Run({.name = "user", .volume = "quiet"});
  const std::string started = docker_.StartedAt("user");
  EXPECT_EQ(docker_.Volstream({"backup", "docker:quiet", "--to", backups_}).Run().exit_code, 0);
  EXPECT_EQ(docker_.StartedAt("user"), started);
  EXPECT_EQ(docker_.Containers(), std::vector<std::string>{"user"});
}

TEST_F(DockerSourceTest, OrdinaryUsersReadThroughARunningContainer) {
  const Tree tree = MakeVolume("streamed");
  docker_.Run({.name = "user", .volume = "streamed"});
  const CommandResult result =
      docker_.VolstreamAsNobody({"backup", "docker:streamed", "--to", backups_}).Run();
  Expect(result, 0, "through the Docker engine");
  EXPECT_EQ(NameOfArchive(ArchivesIn(backups_).at(0)), "streamed");
  EXPECT_EQ(DiffTrees(tree, RestoreLatest(), ThroughTheEngine()), "");
  EXPECT_EQ(docker_.Containers(), std::vector<std::string>{"user"});
}

TEST_F(DockerSourceTest, OrdinaryUsersReadThroughAStoppedContainer) {
  const Tree tree = MakeVolume("streamed");
  docker_.Create({.name = "user", .volume = "streamed"});
  const CommandResult result =
      docker_.VolstreamAsNobody({"backup", "docker:streamed", "--to", backups_}).Run();
  Expect(result, 0, "through the Docker engine");
  EXPECT_EQ(DiffTrees(tree, RestoreLatest(), ThroughTheEngine()), "");
  EXPECT_EQ(docker_.StateOf("user"), "created");
}

TEST_F(DockerSourceTest, OrdinaryUsersReadAVolumeThatNoContainerUses) {
  const Tree tree = MakeVolume("lonely");
  const CommandResult result =
      docker_.VolstreamAsNobody({"backup", "docker:lonely", "--to", backups_}).Run();
  Expect(result, 0, "used by no container");
  EXPECT_EQ(DiffTrees(tree, RestoreLatest(), ThroughTheEngine()), "");
  EXPECT_EQ(docker_.Containers(), std::vector<std::string>{}) << result;
  EXPECT_EQ(docker_.Volumes(), std::vector<std::string>{"lonely"}) << result;
}

TEST_F(DockerSourceTest, SqliteDatabasesThroughTheEngineAreAWarningUnlessHeldStill) {
  const std::string path = docker_.NewVolume("databases");
  WriteFile(path + "/a.db", std::string("SQLite format 3\0", 16) + RandomBytes(1, 5000));
  WriteFile(path + "/file", "contents");
  docker_.Run({.name = "user", .volume = "databases"});
  const std::string words = "1 SQLite database came through the Docker engine";
  CommandResult result =
      docker_.VolstreamAsNobody({"backup", "docker:databases", "--to", backups_}).Run();
  Expect(result, 0, words);
  const auto receipt = ReceiptOf(backups_ + "/" + ArchivesIn(backups_).at(0));
  EXPECT_EQ(receipt["entries"], 3);
  ASSERT_EQ(receipt["warnings"].size(), 1u);
  EXPECT_NE(receipt["warnings"][0].get<std::string>().find(words), std::string::npos);
  result =
      docker_.VolstreamAsNobody({"backup", "docker:databases", "--to", backups_, "--pause"}).Run();
  Expect(result, 0, "user goes on");
  EXPECT_EQ(result.err.find("SQLite"), std::string::npos) << result;
}

// Another volume mounted inside hides what lies there, and shows what is not the volume's.
TEST_F(DockerSourceTest, AContainerThatHidesPartOfTheVolumeIsNotReadThrough) {
  const Tree tree = MakeVolume("outer");
  WriteFile(docker_.NewVolume("inner") + "/not-of-outer", "x");
  docker_.Run({.name = "user", .volume = "outer", .more_binds = {"inner:/data/inner"}});
  const std::string outer = docker_.NewVolume("outer");
  const Tree before = SnapshotTree(outer);  // with the empty mount point that the engine made
  EXPECT_EQ(docker_.VolstreamAsNobody({"backup", "docker:outer", "--to", backups_}).Run().exit_code,
            0);
  EXPECT_EQ(DiffTrees(before, RestoreLatest(), ThroughTheEngine()), "");
  EXPECT_EQ(docker_.Containers(), std::vector<std::string>{"user"});
}

// Such a volume's directory is empty while no container uses it.
TEST_F(DockerSourceTest, AVolumeThatIsMountedOnUseIsReadThroughTheEngine) {
  const std::string elsewhere = directory_ / "elsewhere";
  MakeTree(elsewhere);
  docker_.NewVolume("mounted", R"({"type":"none","o":"bind","device":")" + elsewhere + R"("})");
  const CommandResult result =
      docker_.Volstream({"backup", "docker:mounted", "--to", backups_}).Run();
  Expect(result, 0, "mounted only while a container uses it");
  EXPECT_EQ(DiffTrees(SnapshotTree(elsewhere), RestoreLatest(), ThroughTheEngine()), "");
}

TEST_F(DockerSourceTest, AStreamLargerThanMemoryIsStoredWhole) {
  const std::string path = docker_.NewVolume("large");
  WriteFile(path + "/large", RandomBytes(1, 100 * kMiB));
  const Tree tree = SnapshotTree(path);
  const CommandResult result = docker_
                                   .VolstreamAsNobody({"backup", "docker:large", "--to", backups_,
                                                       "--memory", "32MiB", "--level", "1"})
                                   .Run();
  Expect(result, 0, "is proven");
  EXPECT_EQ(DiffTrees(tree, RestoreLatest(), ThroughTheEngine()), "");
}

TEST_F(DockerSourceTest, WithoutASourceTheContainersNameDecides) {
  MakeVolume("its-data");
  MakeVolume("other");
  docker_.Create({.name = "My-Open-WebUI-1",
                  .volume = "its-data",
                  .destination = "/app/backend/data",
                  .more_binds = {"other:/cache"}});
  const CommandResult result = docker_.Volstream({"backup", "--to", backups_}).Run();
  Expect(result, 0, "volume its-data");
  EXPECT_EQ(NameOfArchive(ArchivesIn(backups_).at(0)), "its-data");
}

TEST_F(DockerSourceTest, WithoutSuchAContainerTheVolumesNameDecides) {
  MakeVolume("compose_openwebui_data");
  MakeVolume("other");
  const CommandResult result = docker_.Volstream({"backup", "--to", backups_}).Run();
  Expect(result, 0, "volume compose_openwebui_data");
}

TEST_F(DockerSourceTest, SeveralCandidatesAreListedWithTheWayToChoose) {
  docker_.NewVolume("openwebui");
  docker_.NewVolume("open-webui-old");
  ExpectOneError(docker_.Volstream({"backup", "--to", backups_}).Run(), kExitGeneral,
                 {"openwebui", "open-webui-old", "volstream backup docker:NAME"});
}

TEST_F(DockerSourceTest, SeveralContainersOfOneVolumeAreOneCandidate) {
  docker_.NewVolume("shared");
  docker_.Create({.name = "openwebui-1", .volume = "shared"});
  docker_.Create({.name = "openwebui-2", .volume = "shared"});
  Expect(docker_.Volstream({"backup", "--to", backups_}).Run(), 0, "volume shared");
}

TEST_F(DockerSourceTest, NoCandidateIsSourceNotFound) {
  docker_.NewVolume("postgres");
  ExpectOneError(docker_.Volstream({"backup", "--to", backups_}).Run(), kExitSourceNotFound,
                 {"openwebui", "postgres", "docker:NAME"});
}

TEST_F(DockerSourceTest, AMistypedNameIsAnsweredWithThoseNearIt) {
  docker_.NewVolume("openwebui");
  docker_.NewVolume("postgres");
  const CommandResult result =
      docker_.Volstream({"backup", "docker:openwebiu", "--to", backups_}).Run();
  ExpectOneError(result, kExitSourceNotFound, {"openwebiu", "near it are: openwebui"});
  EXPECT_EQ(result.err.find("postgres"), std::string::npos) << result;
}

TEST_F(DockerSourceTest, WithoutAnEngineTheSocketAndTheRemedyAreNamed) {
  ExpectOneError(Volstream({"backup", "docker:x", "--to", backups_})
                     .Env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
                     .Run(),
                 kExitPrerequisite, {"/nonexistent/docker.sock", "start the engine"});
}

TEST_F(DockerSourceTest, WithoutPermissionTheSocketAndTheRemedyAreNamed) {
  ASSERT_EQ(chmod(docker_.socket().c_str(), 0660), 0);
  const CommandResult result =
      docker_.VolstreamAsNobody({"backup", "docker:x", "--to", backups_}).Run();
  ASSERT_EQ(chmod(docker_.socket().c_str(), 0666), 0);
  ExpectOneError(result, kExitPrerequisite, {"no permission", docker_.socket(), "docker"});
}

TEST_F(DockerSourceTest, ATcpPortWithNothingBehindItIsAPrerequisite) {
  ExpectOneError(Volstream({"backup", "docker:x", "--to", backups_})
                     .Env("DOCKER_HOST", "tcp://127.0.0.1:1")
                     .Run(),
                 kExitPrerequisite, {"tcp://127.0.0.1:1", "DOCKER_HOST"});
}

TEST_F(DockerSourceTest, AnUnknownKindOfHostIsAPrerequisite) {
  ExpectOneError(Volstream({"backup", "docker:x", "--to", backups_})
                     .Env("DOCKER_HOST", "ssh://somewhere")
                     .Run(),
                 kExitPrerequisite, {"ssh://somewhere", "unix://"});
}

}  // namespace
}  // namespace volstream
