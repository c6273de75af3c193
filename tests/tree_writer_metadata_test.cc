// TreeWriter: owners, modes, times, attributes and ACLs.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "stages/acl_text.h"
#include "stages/digest.h"
#include "stages/tree_writer.h"
#include "tests/support/attributes.h"
#include "tests/support/cli.h"
#include "tests/support/tree.h"
#include "tests/support/tree_writer_fixture.h"

namespace volstream {
namespace {

namespace fs = std::filesystem;

using TreeWriterMetadata = TreeWriterTest;

void SetTime(const std::string& path, int64_t seconds) {
  const timespec times[2] = {{seconds, 0}, {seconds, 0}};
  ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
}

TEST_F(TreeWriterMetadata, ADirectoryThatWasThereGetsItsEntrysMetadata) {
  options_.overwrite = Overwrite::kAlways;
  fs::create_directories(Target("d"));
  ASSERT_EQ(chmod(Target("d").c_str(), 0500), 0);
  RestoreEntry entry = EntryOf(TarType::kDirectory, "d");
  entry.mode = 0751;
  Add(entry);
  AddFile("d/file", "x");
  EXPECT_EQ(Finish().not_restored, 0u);
  const TreeNode node = SnapshotTree(Target()).at("d");
  EXPECT_EQ(node.mode, 0751u);
  EXPECT_EQ(node.mtime_ns, kEntrySeconds * 1'000'000'000);
}

TEST_F(TreeWriterMetadata, GivesBackAttributesAndAcls) {
  if (!TakesAttributes(directory_.path()) || !TakesAcls(directory_.path())) {
    GTEST_SKIP() << "NOT TESTED: no attributes or ACLs here";
  }
  const std::string source = directory_ / "source";
  fs::create_directories(source + "/d");
  WriteFile(source + "/file", "x", 0440);
  const std::string value("a\0b\xff", 4);
  for (const char* name : {"/file", "/d"}) {
    ASSERT_TRUE(SetAttribute(source + name, "user.a=b", value));
    ASSERT_TRUE(SetAttribute(source + name, kAccessAclName, SomeAcl(1000, 100)));
  }
  ASSERT_TRUE(SetAttribute(source + "/d", kDefaultAclName, SomeAcl(1000, 100)));
  const bool capability = SetAttribute(source + "/file", kCapabilityName, SomeCapability());
  const std::string acl = AclText(AsBytes(SomeAcl(1000, 100)));
  options_.owners = geteuid() == 0 ? Owners::kByNumber : Owners::kOwn;
  for (const char* name : {"d", "file"}) {
    RestoreEntry entry =
        EntryOf(name == std::string("d") ? TarType::kDirectory : TarType::kFile, name);
    struct stat info {};
    ASSERT_EQ(stat((source + "/" + name).c_str(), &info), 0);
    entry.mode = info.st_mode & 07777;
    entry.uid = info.st_uid;
    entry.gid = info.st_gid;
    entry.attributes = {{"user.a=b", value}};
    entry.access_acl = acl;
    if (entry.type == TarType::kDirectory) {
      entry.default_acl = acl;
      Add(entry);
    } else {
      if (capability) entry.attributes.emplace_back(kCapabilityName, SomeCapability());
      AddFile(entry, "x");
    }
    SetTime(source + "/" + name, kEntrySeconds);
  }
  EXPECT_EQ(Finish().warnings, 0u);
  DiffOptions diff;
  diff.root_mtime = false;
  EXPECT_EQ(DiffTrees(SnapshotTree(source), SnapshotTree(Target()), diff), "");
}

TEST_F(TreeWriterMetadata, AnAclThatTheTargetHandsDownIsNotTheEntrys) {
  if (!TakesAcls(directory_.path())) GTEST_SKIP() << "NOT TESTED: no ACLs here";
  fs::create_directories(Target());
  ASSERT_TRUE(SetAttribute(Target(), kDefaultAclName, SomeAcl(1000, 100)));
  AddDirectory("d");
  AddFile("d/file", "x");
  EXPECT_EQ(Finish().warnings, 0u);
  const Tree tree = SnapshotTree(Target());
  EXPECT_TRUE(tree.at("d").attributes.empty());
  EXPECT_TRUE(tree.at("d/file").attributes.empty());
  EXPECT_EQ(tree.at("d/file").mode, 0644u);
}

TEST_F(TreeWriterMetadata, OwnersAreByNumberOrByNameAndThenByNumber) {
  if (geteuid() != 0) GTEST_SKIP() << "NOT TESTED: needs root";
  RestoreEntry entry = EntryOf(TarType::kFile, "file");
  entry.uid = entry.gid = 4242;
  entry.user_name = "nobody";
  entry.group_name = "no-such-group";
  entry.mode = 06755;
  for (const Owners owners : {Owners::kOwn, Owners::kByNumber, Owners::kByName}) {
    options_.owners = owners;
    options_.target = directory_ / std::to_string(static_cast<int>(owners));
    AddFile(entry, "x");
    AddDirectory("d");
    Add(LinkEntry(TarType::kSymlink, "d/link", "x"));
    EXPECT_EQ(Finish().warnings, 0u);
    const Tree tree = SnapshotTree(Target());
    const TreeNode& file = tree.at("file");
    EXPECT_EQ(file.uid, owners == Owners::kOwn ? 0u : owners == Owners::kByName ? kNobody : 4242u);
    EXPECT_EQ(file.gid, owners == Owners::kOwn ? 0u : 4242u);
    // A program of somebody else's is not to run with root's rights.
    EXPECT_EQ(file.mode, owners == Owners::kOwn ? 0755u : 06755u);
  }
}

TEST_F(TreeWriterMetadata, TimesBeforeTheEpochAndNanosecondsComeBack) {
  RestoreEntry entry = EntryOf(TarType::kFile, "file");
  entry.mtime_seconds = -100;
  entry.mtime_nanoseconds = 123'456'789;
  AddFile(entry, "x");
  entry.type = TarType::kDirectory;
  entry.path = "d";
  Add(entry);
  EXPECT_EQ(Finish().warnings, 0u);
  for (const char* name : {"file", "d"}) {
    EXPECT_EQ(SnapshotTree(Target()).at(name).mtime_ns, -100'000'000'000 + 123'456'789) << name;
  }
}

TEST_F(TreeWriterMetadata, AnAclThatCannotBeReadIsAWarningThatShowsIt) {
  RestoreEntry entry = EntryOf(TarType::kFile, "file");
  entry.access_acl = "user::rw-,user:nobody-knows-this-user:rwx,group::r--,other::---";
  AddFile(entry, "x");
  EXPECT_EQ(Finish().warnings, 1u);
  EXPECT_NE(warnings().at(0).find("nobody-knows-this-user"), std::string::npos);
  EXPECT_EQ(SnapshotTree(Target()).at("file").mode, 0644u);
}

}  // namespace
}  // namespace volstream
