// OpenBeneath stays below its root whatever the tree does; UniqueFd closes what it owns.
#include "stages/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <utility>

#include "tests/support/tree.h"

namespace volstream {
namespace {

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

class Beneath : public ::testing::Test {
 protected:
  Beneath() {
    std::filesystem::create_directories(directory_ / "root/a/b");
    std::filesystem::create_directories(directory_ / "outside");
    WriteFile(directory_ / "root/a/b/file", "inside");
    WriteFile(directory_ / "root/top", "top");
    WriteFile(directory_ / "outside/file", "outside");
    root_ = UniqueFd(open((directory_ / "root").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }

  // The contents, or "" with errno when it cannot be opened.
  std::string Read(std::string_view path) {
    const UniqueFd fd = OpenBeneath(root_.get(), path, O_RDONLY);
    if (!fd.valid()) return "";
    char text[100];
    const ssize_t count = read(fd.get(), text, sizeof(text));
    return std::string(text, count < 0 ? 0 : static_cast<size_t>(count));
  }

  void Symlink(const std::string& target, const std::string& name) {
    ASSERT_EQ(symlink(target.c_str(), (directory_ / "root/" + name).c_str()), 0);
  }

  TempDir directory_;
  UniqueFd root_;
};

TEST_F(Beneath, OpensAFileInTheRoot) { EXPECT_EQ(Read("top"), "top"); }

TEST_F(Beneath, OpensAFileFurtherDown) { EXPECT_EQ(Read("a/b/file"), "inside"); }

TEST_F(Beneath, PassesOverSlashesAndDots) {
  EXPECT_EQ(Read("/a//b/./file"), "inside");
  EXPECT_EQ(Read("./top"), "top");
}

TEST_F(Beneath, OpensTheRootItselfForAnEmptyPath) {
  const UniqueFd fd = OpenBeneath(root_.get(), "", O_RDONLY | O_DIRECTORY);
  struct stat of_fd {};
  struct stat of_root {};
  ASSERT_EQ(fstat(fd.get(), &of_fd), 0);
  ASSERT_EQ(fstat(root_.get(), &of_root), 0);
  EXPECT_EQ(of_fd.st_ino, of_root.st_ino);
}

TEST_F(Beneath, OpensADirectoryWithASlashAtItsEnd) {
  EXPECT_TRUE(OpenBeneath(root_.get(), "a/b/", O_RDONLY | O_DIRECTORY).valid());
}

TEST_F(Beneath, SaysThatANameIsMissing) {
  EXPECT_FALSE(OpenBeneath(root_.get(), "a/none", O_RDONLY).valid());
  EXPECT_EQ(errno, ENOENT);
  EXPECT_FALSE(OpenBeneath(root_.get(), "none/file", O_RDONLY).valid());
  EXPECT_EQ(errno, ENOENT);
}

TEST_F(Beneath, SaysThatAFileIsNoDirectory) {
  EXPECT_FALSE(OpenBeneath(root_.get(), "top/file", O_RDONLY).valid());
  EXPECT_EQ(errno, ENOTDIR);
}

TEST_F(Beneath, RefusesASymlinkAsTheLastComponent) {
  Symlink("../outside/file", "link");
  EXPECT_FALSE(OpenBeneath(root_.get(), "link", O_RDONLY).valid());
  EXPECT_EQ(errno, ELOOP);
}

TEST_F(Beneath, RefusesASymlinkOnTheWay) {
  Symlink("../outside", "link");
  EXPECT_FALSE(OpenBeneath(root_.get(), "link/file", O_RDONLY).valid());
  EXPECT_TRUE(errno == ELOOP || errno == ENOTDIR) << errno;
}

TEST_F(Beneath, RefusesASymlinkWithASlashAtItsEnd) {
  Symlink("../outside", "link");
  EXPECT_FALSE(OpenBeneath(root_.get(), "link/", O_RDONLY | O_DIRECTORY).valid());
}

TEST_F(Beneath, RefusesASymlinkThatStaysInside) {
  Symlink("a", "link");
  EXPECT_FALSE(OpenBeneath(root_.get(), "link/b/file", O_RDONLY).valid());
}

TEST_F(Beneath, RefusesDotDotAnywhere) {
  for (const char* path : {"..", "../outside/file", "a/../top", "a/..", "a/b/../../../outside"}) {
    EXPECT_FALSE(OpenBeneath(root_.get(), path, O_RDONLY).valid()) << path;
    EXPECT_EQ(errno, EXDEV) << path;
  }
}

TEST_F(Beneath, TakesNamesThatOnlyBeginWithTwoDots) {
  WriteFile(directory_ / "root/..name", "dots");
  EXPECT_EQ(Read("..name"), "dots");
}

TEST_F(Beneath, OpensPathsLongerThanPathMax) {
  const std::string name(200, 'd');
  std::string path;
  UniqueFd parent(open((directory_ / "root").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  while (path.size() < 5000) {
    ASSERT_EQ(mkdirat(parent.get(), name.c_str(), 0755), 0);
    parent = UniqueFd(openat(parent.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    path += name + "/";
  }
  const UniqueFd file(openat(parent.get(), "deep", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  ASSERT_EQ(write(file.get(), "deep", 4), 4);
  EXPECT_EQ(Read(path + "deep"), "deep");
}

TEST_F(Beneath, ClosesItsFilesOnExec) {
  const UniqueFd fd = OpenBeneath(root_.get(), "a/b/file", O_RDONLY);
  EXPECT_EQ(fcntl(fd.get(), F_GETFD), FD_CLOEXEC);
}

TEST(UniqueFd, ClosesWhenItGoes) {
  int number = -1;
  {
    const UniqueFd fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
    number = fd.get();
    EXPECT_TRUE(IsOpen(number));
  }
  EXPECT_FALSE(IsOpen(number));
}

TEST(UniqueFd, MovesWithoutClosing) {
  UniqueFd from(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int number = from.get();
  const UniqueFd to(std::move(from));
  EXPECT_FALSE(from.valid());  // NOLINT(bugprone-use-after-move): what a move leaves is the point
  EXPECT_EQ(to.get(), number);
  EXPECT_TRUE(IsOpen(number));
}

TEST(UniqueFd, AssignmentClosesWhatWasThere) {
  UniqueFd fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
  UniqueFd other(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int old_number = fd.get();
  const int new_number = other.get();
  fd = std::move(other);
  EXPECT_FALSE(IsOpen(old_number));
  EXPECT_EQ(fd.get(), new_number);
}

TEST(UniqueFd, ResetOfNoneIsNothing) {
  UniqueFd fd;
  EXPECT_EQ(fd.Reset(), 0);
  EXPECT_FALSE(fd.valid());
}

}  // namespace
}  // namespace volstream
