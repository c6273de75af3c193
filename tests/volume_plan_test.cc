// VolumePlan: the layout of the stream, the order of its entries, and what is left out.
#include "stages/volume_plan.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "stages/error_kind.h"
#include "tests/support/guards.h"
#include "tests/support/tar_reader.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

class VolumePlanTest : public ::testing::Test {
 protected:
  VolumePlanTest() { std::filesystem::create_directory(root_); }

  std::unique_ptr<VolumePlan> Make() {
    absl::StatusOr<std::unique_ptr<VolumePlan>> plan = VolumePlan::Make(root_, &warnings_);
    EXPECT_TRUE(plan.ok()) << plan.status();
    return plan.ok() ? *std::move(plan) : nullptr;
  }

  std::string File(const std::string& name, std::string_view contents = "contents") {
    const std::string path = root_ + "/" + name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    WriteFile(path, contents);
    return path;
  }

  static std::vector<std::string> PathsOf(const VolumePlan& plan) {
    std::vector<std::string> paths;
    for (uint32_t i = 0; i < plan.entries().size(); ++i) paths.push_back(plan.PathOf(i));
    return paths;
  }

  static TarItem HeaderItem(const VolumePlan& plan, uint32_t index) {
    return ReadTarHeader(plan.HeaderOf(index));
  }

  static absl::Status Refusal(const std::string& root) {
    Warnings warnings;
    return VolumePlan::Make(root, &warnings).status();
  }

  TempDir directory_;
  const std::string root_ = directory_ / "volume";
  Warnings warnings_;
};

TEST_F(VolumePlanTest, OfAnEmptyDirectoryIsItsRootAndTheEndMark) {
  const std::unique_ptr<VolumePlan> plan = Make();
  ASSERT_EQ(plan->entries().size(), 1u);
  EXPECT_EQ(plan->PathOf(0), "");
  EXPECT_EQ(HeaderItem(*plan, 0).path, "./");
  EXPECT_EQ(plan->tar_bytes(), plan->entries()[0].header_bytes + kTarEndBytes);
  EXPECT_EQ(plan->file_bytes(), 0u);
}

TEST_F(VolumePlanTest, LaysEntriesOutWithoutGaps) {
  MakeTree(root_);
  const std::unique_ptr<VolumePlan> plan = Make();
  uint64_t offset = 0;
  for (uint32_t i = 0; i < plan->entries().size(); ++i) {
    const VolumePlan::Entry& entry = plan->entries()[i];
    ASSERT_EQ(entry.tar_offset, offset) << plan->PathOf(i);
    ASSERT_EQ(entry.header_bytes, plan->HeaderOf(i).size()) << plan->PathOf(i);
    ASSERT_EQ(entry.header_bytes % kTarBlockBytes, 0u) << plan->PathOf(i);
    offset = entry.end_offset();
  }
  EXPECT_EQ(plan->tar_bytes(), offset + kTarEndBytes);
}

TEST_F(VolumePlanTest, OrdersChildrenByTheirBytesAndSubtreesWhole) {
  for (const char* name : {"b/z", "b/a", "a", "B", "b.txt", "b-c", "\xc3\xa4", "b/sub/x"}) {
    File(name);
  }
  EXPECT_EQ(PathsOf(*Make()),
            (std::vector<std::string>{"", "B", "a", "b", "b/a", "b/sub", "b/sub/x", "b/z", "b-c",
                                      "b.txt", "\xc3\xa4"}));
}

TEST_F(VolumePlanTest, HasTheSameHeaderInASpaceThatHeldAnother) {
  MakeTree(root_);
  const std::unique_ptr<VolumePlan> plan = Make();
  const auto count = static_cast<uint32_t>(plan->entries().size());
  VolumePlan::HeaderSpace space;
  for (uint32_t i = 0; i < count; ++i) {
    ASSERT_EQ(plan->HeaderOf(i, &space), plan->HeaderOf(i)) << plan->PathOf(i);
    const uint32_t other = count - 1 - i;
    ASSERT_EQ(plan->HeaderOf(other, &space), plan->HeaderOf(other)) << plan->PathOf(other);
  }
}

TEST_F(VolumePlanTest, IsTheSameEveryTime) {
  MakeTree(root_);
  const std::unique_ptr<VolumePlan> first = Make();
  const std::unique_ptr<VolumePlan> second = Make();
  ASSERT_EQ(PathsOf(*first), PathsOf(*second));
  for (uint32_t i = 0; i < first->entries().size(); ++i) {
    ASSERT_EQ(first->HeaderOf(i), second->HeaderOf(i));
  }
}

TEST_F(VolumePlanTest, FindsTheEntryAtEveryOffset) {
  File("a", std::string(1000, 'a'));
  File("b", "");
  File("c", std::string(512, 'c'));
  const std::unique_ptr<VolumePlan> plan = Make();
  for (size_t i = 0; i < plan->entries().size(); ++i) {
    const VolumePlan::Entry& entry = plan->entries()[i];
    EXPECT_EQ(plan->IndexAt(entry.tar_offset), i);
    EXPECT_EQ(plan->IndexAt(entry.end_offset() - 1), i);
  }
  EXPECT_EQ(plan->IndexAt(plan->tar_bytes() - kTarEndBytes), plan->entries().size());
  EXPECT_EQ(plan->IndexAt(plan->tar_bytes() - 1), plan->entries().size());
}

TEST_F(VolumePlanTest, CountsFileBytesOfHardLinksOnce) {
  const std::string first = File("a", std::string(1000, 'a'));
  File("c", "1234");
  std::filesystem::create_hard_link(first, root_ + "/b");
  EXPECT_EQ(Make()->file_bytes(), 1004u);
}

TEST_F(VolumePlanTest, LinksLaterNamesToTheFirst) {
  const std::string first = File("d/first");
  std::filesystem::create_hard_link(first, root_ + "/d/second");
  std::filesystem::create_hard_link(first, root_ + "/z");
  const std::unique_ptr<VolumePlan> plan = Make();
  ASSERT_EQ(PathsOf(*plan), (std::vector<std::string>{"", "d", "d/first", "d/second", "z"}));
  EXPECT_EQ(plan->entries()[2].link_to, VolumePlan::kNone);
  EXPECT_TRUE(plan->entries()[2].has_links);
  for (const uint32_t index : {3u, 4u}) {
    EXPECT_EQ(plan->entries()[index].link_to, 2u);
    EXPECT_EQ(plan->entries()[index].bytes, 0u);
    EXPECT_EQ(HeaderItem(*plan, index).type, 'h');
    EXPECT_EQ(HeaderItem(*plan, index).link_target, "./d/first");
  }
}

TEST_F(VolumePlanTest, TakesSymlinksAsTheyAre) {
  const std::string target = std::string(3000, 't');
  std::filesystem::create_symlink("../outside/none", root_ + "/a");
  std::filesystem::create_symlink(target, root_ + "/b");
  const std::unique_ptr<VolumePlan> plan = Make();
  EXPECT_EQ(HeaderItem(*plan, 1).type, 'l');
  EXPECT_EQ(HeaderItem(*plan, 1).link_target, "../outside/none");
  EXPECT_EQ(HeaderItem(*plan, 2).link_target, target);
}

TEST_F(VolumePlanTest, DoesNotFollowASymlinkToADirectory) {
  std::filesystem::create_directory(directory_ / "outside");
  WriteFile(directory_ / "outside/secret", "secret");
  std::filesystem::create_directory_symlink(directory_ / "outside", root_ + "/link");
  EXPECT_EQ(PathsOf(*Make()), (std::vector<std::string>{"", "link"}));
}

TEST_F(VolumePlanTest, FollowsARootThatIsASymlink) {
  File("a");
  std::filesystem::create_directory_symlink(root_, directory_ / "link");
  absl::StatusOr<std::unique_ptr<VolumePlan>> plan =
      VolumePlan::Make(directory_ / "link", &warnings_);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(PathsOf(**plan), (std::vector<std::string>{"", "a"}));
}

TEST_F(VolumePlanTest, TakesFifosAndDevices) {
  ASSERT_EQ(mkfifo((root_ + "/fifo").c_str(), 0600), 0);
  if (mknod((root_ + "/null").c_str(), S_IFCHR | 0666, makedev(1, 3)) != 0) {
    GTEST_SKIP() << "may not make device nodes";
  }
  const std::unique_ptr<VolumePlan> plan = Make();
  EXPECT_EQ(HeaderItem(*plan, 1).type, 'p');
  const TarItem device = HeaderItem(*plan, 2);
  EXPECT_EQ(device.type, 'c');
  EXPECT_EQ(device.device_major, 1u);
  EXPECT_EQ(device.device_minor, 3u);
}

TEST_F(VolumePlanTest, LeavesSocketsOutWithAWarning) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = root_ + "/socket";
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  close(fd);
  EXPECT_EQ(PathsOf(*Make()), (std::vector<std::string>{""}));
  ASSERT_EQ(warnings_.texts().size(), 1u);
  EXPECT_NE(warnings_.texts()[0].find("socket"), std::string::npos);
  EXPECT_EQ(warnings_.missing_count(), 0u);  // a socket has no content to miss
}

TEST_F(VolumePlanTest, WalksThreeHundredLevels) {
  // Deeper than the directories kept open, longer than PATH_MAX, with a sibling on every level
  // that is visited on the way back.
  const std::string name(20, 'd');
  int fd = open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  for (int i = 0; i < 300; ++i) {
    close(openat(fd, "e", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    ASSERT_EQ(mkdirat(fd, name.c_str(), 0755), 0);
    const int next = openat(fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    close(fd);
    fd = next;
  }
  close(fd);
  const std::unique_ptr<VolumePlan> plan = Make();
  EXPECT_EQ(plan->entries().size(), 601u);
  EXPECT_EQ(plan->PathOf(300).size(), 300 * 21u - 1);
  EXPECT_EQ(HeaderItem(*plan, 300).path, "./" + plan->PathOf(300) + "/");
  EXPECT_EQ(plan->PathOf(600), "e");
  EXPECT_EQ(warnings_.count(), 0u);
}

TEST_F(VolumePlanTest, CountsAnUnreadableDirectoryAsMissing) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  File("closed/inside");
  File("open");
  ASSERT_EQ(chmod((root_ + "/closed").c_str(), 0700), 0);
  std::unique_ptr<VolumePlan> plan;
  {
    const AsNobody nobody;
    plan = Make();
  }
  EXPECT_EQ(PathsOf(*plan), (std::vector<std::string>{"", "closed", "open"}));
  EXPECT_EQ(warnings_.missing_count(), 1u);
  ASSERT_EQ(warnings_.texts().size(), 1u);
  EXPECT_TRUE(warnings_.texts()[0].starts_with("closed: ")) << warnings_.texts()[0];
}

TEST_F(VolumePlanTest, RefusesAnUnreadableRoot) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  ASSERT_EQ(chmod(root_.c_str(), 0700), 0);
  const AsNobody nobody;
  EXPECT_EQ(KindOf(Refusal(root_)), ErrorKind::kVolumeNotFound);
}

TEST_F(VolumePlanTest, RefusesAMissingRoot) {
  const absl::Status status = Refusal(root_ + "/none");
  EXPECT_EQ(KindOf(status), ErrorKind::kVolumeNotFound);
  EXPECT_NE(std::string(status.message()).find(root_ + "/none does not exist"), std::string::npos)
      << status;
}

TEST_F(VolumePlanTest, RefusesARootThatIsAFile) {
  const absl::Status status = Refusal(File("a"));
  EXPECT_EQ(KindOf(status), ErrorKind::kVolumeNotFound);
  EXPECT_NE(std::string(status.message()).find("not a directory"), std::string::npos) << status;
}

TEST_F(VolumePlanTest, NamesOwnersThatHaveNames) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to give files away";
  const std::string path = File("a");
  ASSERT_EQ(chown(path.c_str(), 0, 0), 0);
  const std::string other = File("b");
  ASSERT_EQ(chown(other.c_str(), 54'321, 54'321), 0);
  const std::unique_ptr<VolumePlan> plan = Make();
  EXPECT_EQ(HeaderItem(*plan, 1).user_name, "root");
  EXPECT_EQ(HeaderItem(*plan, 1).group_name, "root");
  EXPECT_EQ(HeaderItem(*plan, 2).uid, 54'321);
  EXPECT_EQ(HeaderItem(*plan, 2).user_name, "");
}

}  // namespace
}  // namespace volstream
