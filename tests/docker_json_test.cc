// The engines' answers as they really are (Docker 20.10, Podman 4.3, shortened), and damaged ones.
#include "stages/docker_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace volstream {
namespace {

constexpr char kDockerList[] = R"([{"Id":"00be30","Names":["/c2/alias","/c1"],"Image":"bb:1",
  "ImageID":"sha256:3246","State":"running","Status":"Up 1 second",
  "Labels":{"volstream.stop-during-backup":"true"},
  "Mounts":[{"Type":"volume","Name":"vol1","Source":"/var/lib/docker/volumes/vol1/_data",
    "Destination":"/data","Driver":"local","RW":true},
    {"Type":"bind","Source":"/srv","Destination":"/srv"}]}])";
constexpr char kPodmanList[] = R"([{"Id":"515c75","Names":["/c1"],"Image":"docker.io/library/bb",
  "State":"created","Labels":null,"NetworkSettings":{"Networks":null},"Mounts":null,"Name":""}])";

TEST(DockerJson, ReadsTheListOfContainers) {
  const absl::StatusOr<std::vector<DockerContainer>> list = ParseDockerContainers(kDockerList);
  ASSERT_TRUE(list.ok()) << list.status();
  ASSERT_EQ(list->size(), 1u);
  const DockerContainer& container = list->front();
  EXPECT_EQ(container.id, "00be30");
  EXPECT_EQ(container.name, "c1");
  EXPECT_TRUE(container.running());
  EXPECT_EQ(container.Label("volstream.stop-during-backup"), "true");
  EXPECT_EQ(container.Label("none"), "");
  ASSERT_NE(container.MountOf("vol1"), nullptr);
  EXPECT_EQ(container.MountOf("vol1")->destination, "/data");
  EXPECT_EQ(container.MountOf("/srv"), nullptr);
}

TEST(DockerJson, ReadsPodmansList) {
  const absl::StatusOr<std::vector<DockerContainer>> list = ParseDockerContainers(kPodmanList);
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_EQ(list->front().name, "c1");
  EXPECT_FALSE(list->front().running());
}

TEST(DockerJson, AContainerWritesIfAnyOfItsMountsDoes) {
  DockerContainer container;
  container.mounts = {{"volume", "vol", "", "/read", true, false}, {"bind", "", "/srv", "/srv"}};
  EXPECT_FALSE(container.WritesTo("vol"));
  container.mounts.push_back({"volume", "vol", "", "/write"});
  EXPECT_TRUE(container.WritesTo("vol"));
  EXPECT_FALSE(container.WritesTo("other"));
}

TEST(DockerJson, KnowsAMountOfASubdirectoryFromTheInspection) {
  const absl::StatusOr<DockerContainer> container = ParseDockerContainer(R"({"Id":"1","Name":"/c",
    "State":{"Status":"paused"},"Config":{"Labels":{"a":"b"}},"Image":"sha256:1",
    "HostConfig":{"AutoRemove":true,"Mounts":[{"Type":"volume","Source":"v","Target":"/sub",
      "VolumeOptions":{"Subpath":"x"}},{"Type":"volume","Source":"v","Target":"/all"}]},
    "Mounts":[{"Type":"volume","Name":"v","Destination":"/sub"},
      {"Type":"volume","Name":"v","Destination":"/all"}]})");
  ASSERT_TRUE(container.ok()) << container.status();
  EXPECT_EQ(container->name, "c");
  EXPECT_EQ(container->state, "paused");
  EXPECT_EQ(container->Label("a"), "b");
  EXPECT_TRUE(container->auto_remove);
  EXPECT_FALSE(container->mounts[0].whole);
  EXPECT_TRUE(container->mounts[1].whole);
}

TEST(DockerJson, ReadsVolumes) {
  const absl::StatusOr<std::vector<DockerVolume>> list = ParseDockerVolumes(
      R"({"Volumes":[{"Name":"v","Driver":"local","Mountpoint":"/m","Options":{"type":"nfs"}},
                     {"Name":"w","Driver":"local","Mountpoint":"/n","Options":null}]})");
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_EQ(list->at(0).options.at("type"), "nfs");
  EXPECT_TRUE(list->at(1).options.empty());
  // What Docker says when there is none.
  EXPECT_TRUE(ParseDockerVolumes(R"({"Volumes":null,"Warnings":null})")->empty());
}

TEST(DockerJson, ReadsTheSizesThatTheEngineKnows) {
  const auto sizes = ParseDockerVolumeSizes(
      R"({"Volumes":[{"Name":"a","UsageData":{"RefCount":1,"Size":5242889}},
          {"Name":"b","UsageData":{"RefCount":1,"Size":-1}},{"Name":"c","UsageData":null}]})");
  ASSERT_TRUE(sizes.ok());
  EXPECT_EQ(*sizes, (std::map<std::string, uint64_t>{{"a", 5242889}}));
}

TEST(DockerJson, ReadsTheStateOfAnExec) {
  EXPECT_EQ(ParseDockerExec(R"({"Running":false,"ExitCode":3})")->exit_code, 3);
  EXPECT_TRUE(ParseDockerExec(R"({"Running":true,"ExitCode":null})")->running);
  EXPECT_FALSE(ParseDockerExec(R"({"Running":false,"ExitCode":null})").ok());
}

TEST(DockerJson, TakesTheMessageOfAnErrorAsOneLine) {
  EXPECT_EQ(DockerMessageOf(R"({"message":"get nix: no such volume"})"), "get nix: no such volume");
  EXPECT_EQ(DockerMessageOf(R"({"cause":"x","message":"a\nb","response":404})"), "a b");
  EXPECT_EQ(DockerMessageOf("404 page not found\n"), "404 page not found");
  EXPECT_EQ(DockerMessageOf(""), "");
  EXPECT_LT(DockerMessageOf(std::string(10'000, 'x')).size(), 1000u);
}

TEST(DockerJson, NeverThrowsAtAnotherShape) {
  for (const char* text :
       {"", "x", "null", "[]", "{}", "[1]", "[{}]", "\"text\"", "[[]]", R"({"Id":1})",
        R"([{"Id":"a","Names":[1],"Mounts":[1],"Labels":[1],"State":1}])", R"({"Volumes":{}})",
        R"({"Volumes":[1]})", R"({"Id":"a","Mounts":1,"HostConfig":[]})"}) {
    ParseDockerVersion(text).IgnoreError();
    ParseDockerContainers(text).IgnoreError();
    ParseDockerContainer(text).IgnoreError();
    ParseDockerVolumes(text).IgnoreError();
    ParseDockerVolume(text).IgnoreError();
    ParseDockerImageIds(text).IgnoreError();
    ParseDockerExec(text).IgnoreError();
    ParseDockerId(text).IgnoreError();
    ParseDockerVolumeSizes(text).IgnoreError();
    DockerMessageOf(text);
  }
  EXPECT_FALSE(ParseDockerContainers("{}").ok());
  EXPECT_FALSE(ParseDockerVolumes("[]").ok());
  EXPECT_FALSE(ParseDockerVersion("{}").ok());
}

TEST(DockerJson, AsksForAReadOnlyMountAndNoNetwork) {
  const auto json = nlohmann::json::parse(DockerReaderJson("sha256:1", "v", "/here", true));
  EXPECT_EQ(json.at("Image"), "sha256:1");
  EXPECT_EQ(json.at("HostConfig").at("Binds"), nlohmann::json::array({"v:/here:ro"}));
  EXPECT_EQ(json.at("HostConfig").at("NetworkMode"), "none");
  EXPECT_EQ(json.at("Labels").at("volstream.reader"), "v");
}

TEST(DockerJson, AsksForAWritableMountWhereItIsToWrite) {
  const auto json = nlohmann::json::parse(DockerReaderJson("sha256:1", "v", "/here", false));
  EXPECT_EQ(json.at("HostConfig").at("Binds"), nlohmann::json::array({"v:/here"}));
}

TEST(DockerJson, AsksForAVolumeByName) {
  EXPECT_EQ(nlohmann::json::parse(DockerVolumeJson("v")), nlohmann::json({{"Name", "v"}}));
}

}  // namespace
}  // namespace volstream
