// Which volume is meant, from lists of volumes and containers alone, and where it can be read.
#include "stages/docker_volume.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "stages/error_kind.h"
#include "tests/support/fake_docker.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

std::vector<DockerVolume> Volumes(const std::vector<std::string>& names) {
  std::vector<DockerVolume> volumes;
  for (const std::string& name : names) volumes.push_back({name, "local", "/v/" + name, {}});
  return volumes;
}

DockerContainer Container(const std::string& name, std::vector<DockerMount> mounts) {
  DockerContainer container;
  container.id = container.name = name;
  container.mounts = std::move(mounts);
  return container;
}

DockerMount Mount(const std::string& volume, const std::string& destination) {
  return {"volume", volume, "/v/" + volume, destination};
}

TEST(DockerVolume, TakesTheNamedOne) {
  EXPECT_EQ(*ChooseDockerVolume("b", Volumes({"a", "b"}), {}), "b");
}

TEST(DockerVolume, PrefersOpenWebUisOwnDataDirectory) {
  EXPECT_EQ(*ChooseDockerVolume("", Volumes({"cache", "data", "openwebui-old"}),
                                {Container("OpenWebUI", {Mount("cache", "/root/.cache"),
                                                         Mount("data", "/app/backend/data")}),
                                 Container("postgres", {Mount("pg", "/var/lib/postgresql")})}),
            "data");
}

TEST(DockerVolume, TakesTheOnlyVolumeOfTheContainer) {
  EXPECT_EQ(*ChooseDockerVolume("", Volumes({"data"}),
                                {Container("my-open-webui-1", {Mount("data", "/elsewhere")})}),
            "data");
}

TEST(DockerVolume, FallsBackToTheVolumesName) {
  EXPECT_EQ(*ChooseDockerVolume("", Volumes({"x", "stack_OpenWebUI"}), {Container("x", {})}),
            "stack_OpenWebUI");
}

TEST(DockerVolume, SaysWhereADirectoryIsUsedInstead) {
  DockerMount bind;
  bind.type = "bind";
  bind.source = "/srv/webui";
  bind.destination = "/app/backend/data";
  const absl::Status status =
      ChooseDockerVolume("", Volumes({"x"}), {Container("openwebui", {bind})}).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kVolumeNotFound);
  EXPECT_NE(status.message().find("volstream backup /srv/webui"), absl::string_view::npos);
}

TEST(DockerVolume, ListsSeveralCandidatesWithTheirContainers) {
  const absl::Status status =
      ChooseDockerVolume("", Volumes({"a", "b"}),
                         {Container("openwebui", {Mount("a", "/a"), Mount("b", "/b")})})
          .status();
  EXPECT_EQ(KindOf(status), ErrorKind::kGeneral);
  EXPECT_EQ(status.message(),
            "2 volumes may be OpenWebUI's: a (of openwebui), b (of openwebui); choose with: "
            "volstream backup docker:NAME");
}

TEST(DockerVolume, ListsTenNamesAtMost) {
  std::vector<std::string> names;
  for (int i = 0; i < 30; ++i) names.push_back("volume-of-another-kind-" + std::to_string(i));
  const absl::Status status = ChooseDockerVolume("zzz", Volumes(names), {}).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kVolumeNotFound);
  EXPECT_NE(status.message().find("and 20 more"), absl::string_view::npos) << status;
}

TEST(DockerVolume, SaysThatThereIsNoneAtAll) {
  for (const char* wanted : {"", "x"}) {
    const absl::Status status = ChooseDockerVolume(wanted, {}, {}).status();
    EXPECT_EQ(KindOf(status), ErrorKind::kVolumeNotFound);
    EXPECT_NE(status.message().find("no volume at all"), absl::string_view::npos) << status;
  }
}

// Another backup may read through its own one at this moment.
TEST(DockerVolume, CountsNoContainerOfVolstreamsOwnAmongItsUsers) {
  const std::string now = std::to_string(absl::ToUnixSeconds(absl::Now()));
  const std::string mounts = R"("Mounts":[{"Type":"volume","Name":"v","Destination":"/d"}]})";
  const std::string reader = R"("Labels":{"volstream.reader":"v"},)";
  FakeDocker fake([&](const std::string& line, const std::string&) -> FakeReply {
    if (line == "GET /volumes") return {200, R"({"Volumes":[{"Name":"v","Driver":"local"}]})"};
    if (line == "GET /volumes/v") return {200, R"({"Name":"v","Driver":"local"})"};
    return {200, R"([{"Id":"user",)" + mounts + R"(,{"Id":"young","Created":)" + now + "," +
                     reader + mounts + R"(,{"Id":"old","Created":1600000000,)" + reader + mounts +
                     "]"};
  });
  const auto client = fake.Connect();
  const absl::StatusOr<DockerSource> source = FindDockerSource(client.get(), "v");
  ASSERT_TRUE(source.ok()) << source.status();
  ASSERT_EQ(source->users.size(), 1u);
  EXPECT_EQ(source->users[0].id, "user");
  EXPECT_EQ(source->stale_readers, std::vector<std::string>{"old"});
}

TEST(DockerVolume, IsNotReadInPlaceWhereThatMayBeAnotherDirectoryOrAnEmptyOne) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  TempDir directory;
  DockerEndpoint local;
  local.unix_socket = "/var/run/docker.sock";
  const DockerVolume volume = {"v", "local", directory.path(), {}};
  EXPECT_EQ(WhyNotInPlace(local, volume), "");
  EXPECT_NE(WhyNotInPlace(DockerEndpoint(), volume), "");
  EXPECT_NE(WhyNotInPlace(local, {"v", "rclone", directory.path(), {}}), "");
  EXPECT_NE(WhyNotInPlace(local, {"v", "local", directory.path(), {{"type", "nfs"}}}), "");
  EXPECT_NE(WhyNotInPlace(local, {"v", "local", directory / "none", {}}), "");
  EXPECT_NE(WhyNotInPlace(local, {"v", "local", "", {}}), "");
}

}  // namespace
}  // namespace volstream
