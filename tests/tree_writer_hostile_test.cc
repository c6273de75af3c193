// TreeWriter against entries, and a target, that try to make it write elsewhere.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "stages/error_kind.h"
#include "stages/tree_writer.h"
#include "tests/support/attributes.h"
#include "tests/support/cli.h"
#include "tests/support/guards.h"
#include "tests/support/tree.h"
#include "tests/support/tree_writer_fixture.h"

namespace volstream {
namespace {

namespace fs = std::filesystem;

class TreeWriterHostile : public TreeWriterTest {
 protected:
  TreeWriterHostile() {
    fs::create_directories(Outside("sub"));
    WriteFile(Outside("victim"), "untouched");
    before_ = SnapshotTree(Outside());
  }
  ~TreeWriterHostile() override {
    writer_ = nullptr;
    EXPECT_EQ(DiffTrees(before_, SnapshotTree(Outside())), "");
    struct stat info {};
    EXPECT_EQ(stat(Outside("victim").c_str(), &info), 0);
    EXPECT_EQ(info.st_nlink, 1u);
    for (const std::string& name : NamesIn(directory_.path())) {
      EXPECT_TRUE(name == "outside" || name == "target") << name;
    }
  }

  std::string Outside(std::string_view name = "") const {
    return directory_ / (name.empty() ? "outside" : "outside/" + std::string(name));
  }
  void AddSymlink(const std::string& path, const std::string& to) {
    Add(LinkEntry(TarType::kSymlink, path, to));
  }
  // Everything that one can put at or below a name, at least where a link is.
  void AddAllBelow(const std::string& link) {
    AddFile(link + "/victim", "overwritten");
    AddFile(link + "/large", std::string(2 * kMiB, 'x'));
    AddDirectory(link + "/sub");
    AddDirectory(link + "/new/deeper");
    AddSymlink(link + "/symlink", "x");
    Add(EntryOf(TarType::kFifo, link + "/fifo"));
    Add(LinkEntry(TarType::kHardLink, "stolen", link + "/victim"));
    Add(LinkEntry(TarType::kHardLink, link + "/planted", "inside"));
  }

  Tree before_;
};

TEST_F(TreeWriterHostile, NamesThatLeadOutAreRefused) {
  const std::vector<std::string> kNames = {
      "../outside/victim",    "a/../../outside/victim", "..", "a/..", "/etc/volstream-test", "/",
      std::string("a\0b", 3), Outside("victim")};
  for (const std::string& name : kNames) {
    for (const TarType type : {TarType::kFile, TarType::kDirectory, TarType::kSymlink,
                               TarType::kHardLink, TarType::kFifo}) {
      RestoreEntry entry = LinkEntry(type, name, "x");
      const absl::Status status = writer().Begin(entry);
      ASSERT_FALSE(status.ok()) << name;
      EXPECT_EQ(KindOf(status), ErrorKind::kIntegrity) << status;
    }
  }
  EXPECT_EQ(NamesIn(Target()), std::vector<std::string>{});
}

TEST_F(TreeWriterHostile, ARootThatIsNoDirectoryIsRefused) {
  for (const char* name : {"", ".", "./", "././/"}) {
    for (const TarType type : {TarType::kFile, TarType::kSymlink, TarType::kFifo}) {
      EXPECT_EQ(KindOf(writer().Begin(LinkEntry(type, name, "x"))), ErrorKind::kIntegrity) << name;
    }
  }
  AddDirectory("./");
  AddFile(".//a/./b", "x");
  Finish();
  EXPECT_EQ(ReadFile(Target("a/b")), "x");
}

TEST_F(TreeWriterHostile, HardLinksOutAreRefused) {
  for (const std::string& to : {std::string("../outside/victim"), Outside("victim"),
                                std::string("/etc/passwd"), std::string("a/../../x")}) {
    const absl::Status status = writer().Begin(LinkEntry(TarType::kHardLink, "stolen", to));
    EXPECT_EQ(KindOf(status), ErrorKind::kIntegrity) << to;
  }
}

TEST_F(TreeWriterHostile, TheArchivesOwnSymlinksAreNotFollowed) {
  AddFile("inside", "x");
  AddDirectory("real");
  const std::vector<std::string> kLinks = {"out", "up", "real/deep"};
  for (const std::string& link : kLinks) {
    AddSymlink(link, link == "up" ? "../outside" : Outside());
    AddAllBelow(link);
  }
  AddSymlink("file", Outside("victim"));
  AddFile("file", "overwritten");
  Finish();
  EXPECT_EQ(ReadFile(Target("file")), "overwritten");
  EXPECT_EQ(ReadFile(Target("out/victim")), "overwritten");
}

TEST_F(TreeWriterHostile, SymlinksOfTheTargetAreReplaced) {
  options_.overwrite = Overwrite::kAlways;
  fs::create_directories(Target("d"));
  fs::create_symlink(Outside(), Target("out"));
  fs::create_symlink("../../outside", Target("d/up"));
  AddFile("inside", "x");
  AddAllBelow("out");
  AddAllBelow("d/up");
  AddDirectory("out");
  EXPECT_EQ(Finish().not_restored, 0u);
  EXPECT_TRUE(fs::is_directory(fs::symlink_status(Target("out"))));
  EXPECT_EQ(ReadFile(Target("d/up/victim")), "overwritten");
  // Nothing of the exchange is left.
  EXPECT_EQ(NamesIn(Target()), (std::vector<std::string>{"d", "inside", "out", "stolen"}));
}

// They are newer than the archive's entries; and a directory without an entry has no time at all.
TEST_F(TreeWriterHostile, NewerObstaclesOfDirectoriesStay) {
  options_.overwrite = Overwrite::kOlder;
  fs::create_directories(Target());
  fs::create_symlink(Outside(), Target("out"));
  WriteFile(Target("keep"), "newer and precious");
  AddDirectory("keep");
  AddFile("keep/inner", "x");
  AddAllBelow("out");
  EXPECT_GT(Finish().not_restored, 0u);
  EXPECT_EQ(ReadFile(Target("keep")), "newer and precious");
  EXPECT_EQ(fs::read_symlink(Target("out")), Outside());
}

TEST_F(TreeWriterHostile, SymlinksOfTheTargetStayWhereNothingIsReplaced) {
  options_.overwrite = Overwrite::kNever;
  fs::create_directories(Target());
  fs::create_symlink(Outside(), Target("out"));
  AddFile("inside", "x");
  AddAllBelow("out");
  AddDirectory("out");
  EXPECT_EQ(Finish().not_restored, 9u);
  EXPECT_EQ(fs::read_symlink(Target("out")), Outside());
}

TEST_F(TreeWriterHostile, ADirectoryThatBecomesASymlinkGetsNoMetadata) {
  RestoreEntry directory = EntryOf(TarType::kDirectory, "d");
  directory.mode = 0777;
  directory.uid = directory.gid = 4242;
  if (geteuid() == 0) options_.owners = Owners::kByNumber;
  Add(directory);
  AddDirectory("e");
  AddSymlink("d", Outside());
  Add(directory);
  AddSymlink("d", Outside("sub"));
  AddFile("d/below", "x");
  AddSymlink("e", Outside());
  Finish();
  EXPECT_EQ(fs::read_symlink(Target("e")), Outside());
}

// As if somebody else wrote into the target at the same time.
TEST_F(TreeWriterHostile, ADirectoryThatIsExchangedMeanwhileLeadsNowhere) {
  AddDirectory("a");
  AddFile("a/b/first", "x");
  AddFile("c/file", "x");
  fs::rename(Target("a"), Target("moved"));
  fs::create_symlink(Outside(), Target("a"));
  AddFile("a/victim", "overwritten");
  AddFile("a/sub/new", "new");
  Finish();
}

TEST_F(TreeWriterHostile, MetadataOfSymlinksIsTheirOwn) {
  RestoreEntry link = LinkEntry(TarType::kSymlink, "link", Outside("victim"));
  link.mode = 0777;
  link.uid = link.gid = 4242;
  link.attributes = {{"user.a", "b"}};
  if (geteuid() == 0) options_.owners = Owners::kByNumber;
  Add(link);
  Finish();
  EXPECT_EQ(SnapshotTree(Target()).at("link").uid, geteuid() == 0 ? 4242u : geteuid());
}

TEST_F(TreeWriterHostile, AHardLinkToNothingIsAWarning) {
  Add(LinkEntry(TarType::kHardLink, "a", "missing"));
  Add(LinkEntry(TarType::kHardLink, "b", "missing/too"));
  Add(LinkEntry(TarType::kHardLink, "c", "c"));
  Add(LinkEntry(TarType::kHardLink, "d", ""));
  AddDirectory("e");
  Add(LinkEntry(TarType::kHardLink, "f", "e"));
  EXPECT_EQ(Finish().not_restored, 5u);
  EXPECT_EQ(NamesIn(Target()), std::vector<std::string>{"e"});
}

TEST_F(TreeWriterHostile, AHardLinkToASymlinkIsThatSymlink) {
  AddSymlink("link", Outside("victim"));
  Add(LinkEntry(TarType::kHardLink, "again", "link"));
  AddFile("again", "overwritten");
  Finish();
  EXPECT_EQ(ReadFile(Target("again")), "overwritten");
}

TEST_F(TreeWriterHostile, DevicesAreRefusedToOrdinaryUsersAndFilesOfOthersAreTheirOwn) {
  if (geteuid() != 0) GTEST_SKIP() << "NOT TESTED: needs root to become another user";
  fs::create_directory(Target());
  ASSERT_EQ(chown(Target().c_str(), kNobody, kNobody), 0);
  {
    const AsNobody nobody;
    RestoreEntry device = EntryOf(TarType::kCharDevice, "null");
    device.device_major = 1;
    device.device_minor = 3;
    Add(device);
    RestoreEntry program = EntryOf(TarType::kFile, "program");
    program.mode = 06755;
    AddFile(program, "x");
    RestoreEntry capable = EntryOf(TarType::kFile, "capable");
    capable.attributes = {{kCapabilityName, SomeCapability()}};
    AddFile(capable, "x");
    const TreeWriterReport report = Finish();
    EXPECT_EQ(report.not_restored, 1u);
    EXPECT_EQ(report.warnings, 2u);
  }
  EXPECT_FALSE(Exists(Target("null")));
  EXPECT_EQ(SnapshotTree(Target()).at("program").mode, 0755u);
  bool named = false;
  for (const std::string& warning : warnings()) {
    named = named || warning.find(kCapabilityName) != std::string::npos;
  }
  EXPECT_TRUE(named);
}

TEST_F(TreeWriterHostile, AnOwnerThatIsRefusedTakesSetIdBitsAlong) {
  if (geteuid() != 0) GTEST_SKIP() << "NOT TESTED: needs root to become another user";
  fs::create_directory(Target());
  ASSERT_EQ(chown(Target().c_str(), kNobody, kNobody), 0);
  options_.owners = Owners::kByNumber;
  {
    const AsNobody nobody;
    RestoreEntry program = EntryOf(TarType::kFile, "program");
    program.mode = 06755;
    AddFile(program, "x");
    EXPECT_EQ(Finish().warnings, 1u);
  }
  EXPECT_EQ(SnapshotTree(Target()).at("program").mode, 0755u);
}

}  // namespace
}  // namespace volstream
