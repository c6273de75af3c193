// AclValue: the kernel's form of ACLs from the text of whoever wrote the archive. AclText, the
// inverse, is tested with the attributes of files.
#include "stages/acl_text.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>

#include "stages/digest.h"
#include "tests/support/attributes.h"

namespace volstream {
namespace {

std::optional<uint32_t> IdOf(std::string_view name, bool group) {
  if (name == "alice" && !group) return 1000;
  if (name == "staff" && group) return 50;
  return std::nullopt;
}

std::string Value(std::string_view text) { return AclValue(text, IdOf); }

TEST(AclValue, IsTheInverseOfAclText) {
  for (const std::string& value :
       {SomeAcl(1000, 4'294'967'294), SomeAcl(0, 0, 0),
        AclValue({{AclTag::kUserObject, 7}, {AclTag::kGroupObject, 5}, {AclTag::kOther, 0}})}) {
    EXPECT_EQ(Value(AclText(AsBytes(value))), value);
  }
}

TEST(AclValue, TakesTheFormsOfOtherTars) {
  const std::string expected = AclValue({{AclTag::kUserObject, 6},
                                         {AclTag::kUser, 7, 1000},
                                         {AclTag::kGroupObject, 4},
                                         {AclTag::kGroup, 5, 50},
                                         {AclTag::kMask, 7},
                                         {AclTag::kOther, 0}});
  for (const char* text :
       {"user::rw-,user:alice:rwx,group::r--,group:staff:r-x,mask::rwx,other::---",
        "user::rw-,user:alice:rwx:7,group::r--,group:staff:r-x:8,mask::rwx,other::---",
        "user::rw-,user:unknown:rwx:1000,group::r--,group:other:r-x:50,mask::rwx,other::---",
        "user::rw-\nuser:1000:rwx\t#effective:rwx\ngroup::r--\ngroup:50:r-x\nmask::rwx\nother::---"
        "\n",
        "u::rw,u:1000:rwx,g::r,g:50:rx,m::rwx,o::-",
        "default:user::rw-,default:user:alice:rwx,default:group::r--,default:group:staff:r-x,"
        "default:mask::rwx,default:other::---",
        "user::rw-,user:alice:rwx,group::r--,group:staff:r-x,mask:rwx,other:---"}) {
    EXPECT_EQ(Value(text), expected) << text;
  }
}

TEST(AclValue, HasItsEntriesInTheKernelsOrder) {
  EXPECT_EQ(AclText(AsBytes(Value("other::---,mask::rwx,group:9:r--,group:7:r--,user:5:r--,"
                                  "group::r--,user:3:r--,user::rw-"))),
            "user::rw-,user:3:r--,user:5:r--,group::r--,group:7:r--,group:9:r--,mask::rwx,"
            "other::---");
}

TEST(AclValue, GetsTheMaskThatItsNamesNeed) {
  EXPECT_EQ(AclText(AsBytes(Value("user::rw-,user:3:-w-,group::r--,other::---"))),
            "user::rw-,user:3:-w-,group::r--,mask::rw-,other::---");
  EXPECT_EQ(AclText(AsBytes(Value("user::rw-,group::r--,other::r--"))),
            "user::rw-,group::r--,other::r--");
}

TEST(AclValue, IsEmptyForWhatIsNone) {
  for (const char* text :
       {"", ",", "\n", "user", "user:", "user:bob:rwx", "user::rwz", "nobody::rwx", "mask:5:rwx",
        "user:1:rwx:1:1", "user::rw-,group", "user:99999999999:r--", "default", ":::"}) {
    EXPECT_EQ(Value(text), "") << text;
  }
}

}  // namespace
}  // namespace volstream
