// WalkPrivateTree: sees all of a tree and nothing beside it.
#include "stages/private_tree.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <set>
#include <string>

#include "stages/beneath.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

namespace fs = std::filesystem;
using Names = std::set<std::string>;

class PrivateTree : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(root_ + "/a/b/c");
    fs::create_directories(root_ + "/a/d");
    fs::create_directories(root_ + "/e");
    WriteFile(root_ + "/a/b/c/file", "1");
    WriteFile(root_ + "/a/d/file", "2");
    WriteFile(root_ + "/last", "3");
    fs::create_directory(outside_);
    WriteFile(outside_ + "/file", "precious");
    fs::create_symlink(outside_, root_ + "/a/link");
    root_fd_ = UniqueFd(open(root_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  Names Walked() {
    Names names;
    const absl::Status status = WalkPrivateTree(
        root_fd_.get(),
        {.on_entry =
             [&](int directory_fd, const std::string& name, const std::string& path,
                 const struct stat& info) {
               struct stat again {};
               EXPECT_EQ(fstatat(directory_fd, name.c_str(), &again, AT_SYMLINK_NOFOLLOW), 0);
               EXPECT_EQ(again.st_ino, info.st_ino);
               names.insert(path);
               return absl::OkStatus();
             },
         .on_left =
             [&](int, const std::string& name) {
               names.insert(name + "/");
               return absl::OkStatus();
             }});
    EXPECT_TRUE(status.ok()) << status;
    return names;
  }

  TempDir directory_;
  const std::string root_ = directory_ / "root";
  const std::string outside_ = directory_ / "outside";
  UniqueFd root_fd_;
};

TEST_F(PrivateTree, IsWalkedWholeAndNoSymlinkIsFollowed) {
  EXPECT_EQ(Walked(),
            (Names{"a/", "b/", "c/", "d/", "e/", "a/b/c/file", "a/d/file", "a/link", "last"}));
}

TEST_F(PrivateTree, IsReadWhereItsOwnerMayNot) {
  chmod((root_ + "/a/b").c_str(), 0);
  EXPECT_TRUE(Walked().contains("a/b/c/file"));
}

TEST_F(PrivateTree, IsEmptiedAndNothingBesideIt) {
  chmod((root_ + "/a/d").c_str(), 0500);
  const absl::Status status = EmptyPrivateTree(root_fd_.get());
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_TRUE(NamesIn(root_).empty());
  EXPECT_EQ(ReadFile(outside_ + "/file"), "precious");
}

TEST_F(PrivateTree, MayBeDeeperThanAPathIsLong) {
  UniqueFd at(open(root_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const std::string name(200, 'x');
  for (int depth = 0; depth < 100; ++depth) {
    ASSERT_EQ(mkdirat(at.get(), name.c_str(), 0700), 0);
    at = UniqueFd(openat(at.get(), name.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  const absl::Status status = EmptyPrivateTree(root_fd_.get());
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_TRUE(NamesIn(root_).empty());
}

}  // namespace
}  // namespace volstream
