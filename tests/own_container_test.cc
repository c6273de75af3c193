// volstream knows the container that it runs in, however that is set up, and says when it does not.
#include "stages/own_container.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "tests/support/tree.h"

namespace volstream {
namespace {

const std::string kId = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const std::string kOther = "f123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

class OwnContainerTest : public ::testing::Test {
 protected:
  OwnContainerTest() {
    Write("/proc/self/cgroup", "0::/\n");
    Write("/proc/self/mountinfo", "1 0 0:1 / / rw - overlay overlay rw\n");
    Write("/proc/sys/kernel/hostname", "host\n");
  }
  void Write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(
        std::filesystem::path(directory_ / path.substr(1)).parent_path());
    WriteFile(directory_ / path.substr(1), text);
  }
  OwnContainer Find() { return OwnContainer::Find(directory_.path()); }

  static DockerContainer Container(const std::string& id) {
    DockerContainer container;
    container.id = id;
    container.mounts.push_back({"volume", "v", "/v", "/data"});
    return container;
  }
  void ExpectFound() {
    const OwnContainer own = Find();
    EXPECT_TRUE(own.inside());
    EXPECT_TRUE(own.Is(Container(kId)));
    EXPECT_FALSE(own.Is(Container(kOther)));
    EXPECT_FALSE(own.MayBe(Container(kOther)));
  }

  TempDir directory_;
};

TEST_F(OwnContainerTest, IsFoundByItsHostName) {
  Write("/proc/sys/kernel/hostname", kId.substr(0, 12) + "\n");
  ExpectFound();
}

TEST_F(OwnContainerTest, IsFoundByItsCgroup) {
  for (const std::string& line :
       {"12:pids:/docker/" + kId, "0::/system.slice/docker-" + kId + ".scope",
        "0::/machine.slice/libpod-" + kId + ".scope/container"}) {
    Write("/proc/self/cgroup", line + "\n");
    ExpectFound();
  }
}

TEST_F(OwnContainerTest, IsFoundByTheEnginesFiles) {
  for (const std::string& line :
       {"5 1 8:1 /var/lib/docker/containers/" + kId + "/hostname /etc/hostname rw - ext4 x rw",
        "5 1 0:9 /containers/storage/overlay-containers/" + kId +
            "/userdata/hosts /etc/hosts rw - tmpfs x rw"}) {
    Write("/proc/self/mountinfo", line + "\n");
    ExpectFound();
  }
}

// Who mounts /var/lib/docker sees the mounts of all containers in it.
TEST_F(OwnContainerTest, IsNotAnotherWhoseMountsShow) {
  Write("/proc/self/mountinfo",
        "5 1 0:9 / /var/lib/docker/containers/" + kId + "/mounts/shm rw - tmpfs shm rw\n");
  EXPECT_FALSE(Find().Is(Container(kId)));
}

TEST_F(OwnContainerTest, IsNoneOnAHost) {
  EXPECT_FALSE(Find().inside());
  EXPECT_FALSE(Find().Is(Container(kId)));
  EXPECT_FALSE(Find().MayBe(Container(kId)));
}

TEST_F(OwnContainerTest, OfUnknownIdMayBeAnyThatHasTheSameMounts) {
  for (const char* marker : {"/.dockerenv", "/run/.containerenv"}) {
    Write(marker, "");
    EXPECT_TRUE(Find().inside());
    EXPECT_FALSE(Find().Is(Container(kId)));
    EXPECT_FALSE(Find().MayBe(Container(kId)));
    Write("/proc/self/mountinfo", "5 1 8:1 /v /data rw - ext4 x rw\n");
    EXPECT_TRUE(Find().MayBe(Container(kId)));
    Write("/proc/self/mountinfo", "");
    std::filesystem::remove(directory_ / std::string(marker + 1));
  }
}

}  // namespace
}  // namespace volstream
