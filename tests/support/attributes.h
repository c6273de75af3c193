// Extended attributes and ACLs by system calls, as tests of trees need them: no libacl, no
// setfattr, and values of any bytes.
#ifndef VOLSTREAM_TESTS_SUPPORT_ATTRIBUTES_H_
#define VOLSTREAM_TESTS_SUPPORT_ATTRIBUTES_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace volstream {

inline constexpr char kAccessAclName[] = "system.posix_acl_access";
inline constexpr char kDefaultAclName[] = "system.posix_acl_default";
inline constexpr char kCapabilityName[] = "security.capability";

// Of the file itself, symlinks too. False with errno.
bool SetAttribute(const std::string& path, const std::string& name, std::string_view value);
// All of them, with their values as the kernel gives them.
std::map<std::string, std::string> AttributesOf(const std::string& path);

// Whether the file system of this directory takes user attributes, and ACLs.
bool TakesAttributes(const std::string& directory);
bool TakesAcls(const std::string& directory);

// Tags of acl(5), as the kernel numbers them.
enum class AclTag : uint16_t {
  kUserObject = 0x01,
  kUser = 0x02,
  kGroupObject = 0x04,
  kGroup = 0x08,
  kMask = 0x10,
  kOther = 0x20,
};
inline constexpr uint32_t kNoId = 0xffffffff;

struct AclEntry {
  AclTag tag;
  uint16_t permissions;  // 4 = read, 2 = write, 1 = execute
  uint32_t id = kNoId;
};

// The value of system.posix_acl_access or _default. The kernel wants the entries by tag and id.
std::string AclValue(const std::vector<AclEntry>& entries, uint32_t version = 2);

// The owner's permissions, a user and a group with rights of their own, and the mask they need.
std::string SomeAcl(uint32_t uid, uint32_t gid, uint16_t owner = 6);

// The value of security.capability that gives cap_net_bind_service (effective, permitted).
std::string SomeCapability();

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_ATTRIBUTES_H_
