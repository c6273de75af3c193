// FileAttributes: attributes and ACLs as pax records, and the text of ACLs.
#include "stages/file_attributes.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/bytes.h"
#include "tests/support/attributes.h"
#include "tests/support/guards.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

using namespace std::literals;
using Records = std::vector<std::pair<std::string, std::string>>;

ByteSpan Bytes(const std::string& text) {
  return ByteSpan(reinterpret_cast<const uint8_t*>(text.data()), text.size());
}

// pax records, read as POSIX describes them, in their order.
Records Parse(std::string_view rest) {
  Records records;
  while (!rest.empty()) {
    const size_t blank = rest.find(' ');
    const size_t equals = rest.find('=');
    const size_t length = std::stoul(std::string(rest.substr(0, blank)));
    if (length > rest.size() || equals > length || rest[length - 1] != '\n') {
      ADD_FAILURE() << "bad record: " << rest;
      return records;
    }
    records.emplace_back(rest.substr(blank + 1, equals - blank - 1),
                         rest.substr(equals + 1, length - equals - 2));
    rest.remove_prefix(length);
  }
  return records;
}

TEST(AclText, OfTheLeastAclIsItsThreeEntries) {
  EXPECT_EQ(AclText(Bytes(AclValue(
                {{AclTag::kUserObject, 7}, {AclTag::kGroupObject, 5}, {AclTag::kOther, 0}}))),
            "user::rwx,group::r-x,other::---");
}

TEST(AclText, HasNumbersForUsersAndGroups) {
  EXPECT_EQ(AclText(Bytes(SomeAcl(1000, 4'294'967'294))),
            "user::rw-,user:1000:rwx,group::r--,group:4294967294:r-x,mask::rwx,other::---");
}

TEST(AclText, HasEveryPermission) {
  const char* const kTexts[] = {"---", "--x", "-w-", "-wx", "r--", "r-x", "rw-", "rwx"};
  for (uint16_t permissions = 0; permissions < 8; ++permissions) {
    EXPECT_EQ(AclText(Bytes(AclValue({{AclTag::kOther, permissions}}))),
              std::string("other::") + kTexts[permissions]);
  }
}

TEST(AclText, IsEmptyForWhatIsCutOff) {
  const std::string value = SomeAcl(1, 2);
  for (size_t bytes = 0; bytes < value.size(); ++bytes) {
    // Whole entries are an ACL, if a shorter one.
    if (bytes > 4 && (bytes - 4) % 8 == 0) continue;
    EXPECT_EQ(AclText(Bytes(value.substr(0, bytes))), "") << bytes;
  }
}

TEST(AclText, IsEmptyForOtherVersions) {
  for (const uint32_t version : {0u, 1u, 3u, 0x02000000u}) {
    EXPECT_EQ(AclText(Bytes(AclValue({{AclTag::kOther, 4}}, version))), "") << version;
  }
}

TEST(AclText, IsEmptyForTagsThatAreNotKnown) {
  for (const uint16_t tag : {0, 3, 0x40, 0xffff}) {
    EXPECT_EQ(AclText(Bytes(AclValue({{AclTag::kUserObject, 6}, {AclTag{tag}, 4}}))), "") << tag;
  }
}

class FileAttributesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!TakesAttributes(directory_.path())) {
      GTEST_SKIP() << "NOT TESTED: " << directory_.path() << " takes no extended attributes";
    }
    WriteFile(path_, "contents");
  }

  void Set(const std::string& name, std::string_view value) {
    ASSERT_TRUE(SetAttribute(path_, name, value)) << name << ": " << strerrordesc_np(errno);
  }

  static Records RecordsOf(const std::string& path) {
    const FileAttributes attributes = ReadFileAttributes(path);
    EXPECT_EQ(attributes.unreadable, std::vector<std::string>{});
    return Parse(attributes.pax_records);
  }

  TempDir directory_;
  const std::string path_ = directory_ / "file";
};

TEST_F(FileAttributesTest, OfAPlainFileAreNone) {
  EXPECT_EQ(RecordsOf(path_), Records{});
  EXPECT_EQ(ReadFileAttributes(path_).pax_records, "");
}

TEST_F(FileAttributesTest, OfWhatIsGoneAreNone) {
  EXPECT_EQ(RecordsOf(path_ + "-gone"), Records{});
  EXPECT_EQ(RecordsOf(path_ + "/below-a-file"), Records{});
}

TEST_F(FileAttributesTest, AreSortedByName) {
  for (const char* name : {"user.z", "user.a", "user.m", "user.B", "user.a1"}) Set(name, name);
  EXPECT_EQ(RecordsOf(path_), (Records{{"SCHILY.xattr.user.B", "user.B"},
                                       {"SCHILY.xattr.user.a", "user.a"},
                                       {"SCHILY.xattr.user.a1", "user.a1"},
                                       {"SCHILY.xattr.user.m", "user.m"},
                                       {"SCHILY.xattr.user.z", "user.z"}}));
}

TEST_F(FileAttributesTest, AreTheSameWhateverTheOrderTheyWereSetIn) {
  const std::string other = directory_ / "other";
  WriteFile(other, "");
  for (const char* name : {"user.one", "user.two", "user.three"}) Set(name, name);
  for (const char* name : {"user.three", "user.one", "user.two"}) {
    ASSERT_TRUE(SetAttribute(other, name, name));
  }
  EXPECT_EQ(ReadFileAttributes(path_).pax_records, ReadFileAttributes(other).pax_records);
}

TEST_F(FileAttributesTest, KeepValuesOfAnyBytes) {
  const std::string kValues[] = {""s, "\0"s, "a\0b\0"s, "line\nline\n"s, "=%"s, "\xff\xfe"s, " "s};
  for (const std::string& value : kValues) {
    Set("user.value", value);
    EXPECT_EQ(RecordsOf(path_), (Records{{"SCHILY.xattr.user.value", value}}));
  }
}

TEST_F(FileAttributesTest, KeepValuesOfEverySize) {
  // Around the buffers' sizes, up to what ext4 has room for beside the inode.
  for (const size_t bytes : {255, 256, 257, 1023, 1024, 1025, 3000}) {
    const std::string value = RandomBytes(bytes, bytes);
    Set("user.value", value);
    EXPECT_EQ(RecordsOf(path_), (Records{{"SCHILY.xattr.user.value", value}})) << bytes;
  }
}

TEST_F(FileAttributesTest, KeepTheLargestValues) {
  const std::string value = RandomBytes(1, 64 * kKiB);
  if (!SetAttribute(path_, "user.large", value)) {
    GTEST_SKIP() << "NOT TESTED: no values of 64 KiB in " << directory_.path();
  }
  EXPECT_EQ(RecordsOf(path_), (Records{{"SCHILY.xattr.user.large", value}}));
}

TEST_F(FileAttributesTest, MayBeMoreThanTheFirstBufferLists) {
  Records expected;
  for (int i = 100; i < 130; ++i) {
    const std::string name = "user.a-name-of-some-length-" + std::to_string(i);
    Set(name, "v");
    expected.emplace_back("SCHILY.xattr." + name, "v");
  }
  EXPECT_EQ(RecordsOf(path_), expected);
}

TEST_F(FileAttributesTest, EncodeNamesAsGnuTarDoes) {
  Set("user.a=b", "1");
  Set("user.c%d", "2");
  Set("user.e%3Df", "3");
  EXPECT_EQ(RecordsOf(path_), (Records{{"SCHILY.xattr.user.a%3Db", "1"},
                                       {"SCHILY.xattr.user.c%25d", "2"},
                                       {"SCHILY.xattr.user.e%253Df", "3"}}));
}

TEST_F(FileAttributesTest, OfADirectoryAreRead) {
  ASSERT_TRUE(SetAttribute(directory_.path(), "user.d", "1"));
  EXPECT_EQ(RecordsOf(directory_.path()), (Records{{"SCHILY.xattr.user.d", "1"}}));
}

TEST_F(FileAttributesTest, OfASymlinkAreItsOwn) {
  Set("user.of-the-target", "1");
  const std::string link = directory_ / "link";
  std::filesystem::create_symlink("file", link);
  EXPECT_EQ(RecordsOf(link), Records{});
  if (geteuid() != 0) return;
  if (!SetAttribute(link, "trusted.link", "2")) GTEST_SKIP() << "NOT TESTED: no trusted.*";
  EXPECT_EQ(RecordsOf(link), (Records{{"SCHILY.xattr.trusted.link", "2"}}));
}

TEST_F(FileAttributesTest, HoldCapabilities) {
  if (!SetAttribute(path_, kCapabilityName, SomeCapability())) {
    GTEST_SKIP() << "NOT TESTED: may not set capabilities";
  }
  EXPECT_EQ(RecordsOf(path_), (Records{{"SCHILY.xattr.security.capability", SomeCapability()}}));
}

TEST_F(FileAttributesTest, HoldAclsAsText) {
  if (!TakesAcls(directory_.path())) GTEST_SKIP() << "NOT TESTED: no ACLs";
  Set(kAccessAclName, SomeAcl(1000, 100));
  const char* const kText = "user::rw-,user:1000:rwx,group::r--,group:100:r-x,mask::rwx,other::---";
  EXPECT_EQ(RecordsOf(path_), (Records{{"SCHILY.acl.access", kText}}));
  ASSERT_TRUE(SetAttribute(directory_.path(), kDefaultAclName, SomeAcl(1000, 100)));
  EXPECT_EQ(RecordsOf(directory_.path()), (Records{{"SCHILY.acl.default", kText}}));
}

TEST_F(FileAttributesTest, ThatMayNotBeReadAreNamed) {
  if (geteuid() != 0) GTEST_SKIP() << "NOT TESTED: needs root to become another user";
  Set("user.secret\n", "1");
  ASSERT_EQ(chmod(path_.c_str(), 0600), 0);
  const AsNobody nobody;
  const FileAttributes attributes = ReadFileAttributes(path_);
  EXPECT_EQ(attributes.pax_records, "");
  ASSERT_EQ(attributes.unreadable.size(), 1u);
  EXPECT_NE(attributes.unreadable[0].find("user.secret\\n"), std::string::npos)
      << attributes.unreadable[0];
  EXPECT_NE(attributes.unreadable[0].find("Permission denied"), std::string::npos);
}

TEST_F(FileAttributesTest, OfAFileSystemWithoutThemAreNone) {
  EXPECT_EQ(RecordsOf("/proc/self/stat"), Records{});
}

}  // namespace
}  // namespace volstream
