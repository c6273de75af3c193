#include "tests/support/attributes.h"

#include <linux/limits.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>

#include "engine/check.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

void AppendLittleEndian(uint64_t value, int bytes, std::string* out) {
  for (int i = 0; i < bytes; ++i, value >>= 8) out->push_back(static_cast<char>(value & 0xff));
}

// Whether a file in `directory` can be given this attribute.
bool Takes(const std::string& directory, const std::string& name, const std::string& value) {
  const std::string path = directory + "/.takes-attributes";
  WriteFile(path, "");
  const bool takes = SetAttribute(path, name, value);
  VS_CHECK(unlink(path.c_str()) == 0);
  return takes;
}

}  // namespace

bool SetAttribute(const std::string& path, const std::string& name, std::string_view value) {
  return lsetxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0) == 0;
}

std::map<std::string, std::string> AttributesOf(const std::string& path) {
  std::map<std::string, std::string> attributes;
  std::string names(XATTR_LIST_MAX, '\0');
  const ssize_t bytes = llistxattr(path.c_str(), names.data(), names.size());
  if (bytes < 0) {
    VS_CHECK(errno == ENOTSUP);
    return attributes;
  }
  names.resize(static_cast<size_t>(bytes));
  for (size_t begin = 0; begin < names.size(); begin = names.find('\0', begin) + 1) {
    const std::string name = names.c_str() + begin;
    std::string value(XATTR_SIZE_MAX, '\0');
    const ssize_t count = lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
    // One that may not be read is there all the same.
    value.resize(count < 0 ? 0 : static_cast<size_t>(count));
    attributes.emplace(name, std::move(value));
  }
  return attributes;
}

bool TakesAttributes(const std::string& directory) {
  return Takes(directory, "user.volstream", "value");
}

bool TakesAcls(const std::string& directory) {
  return Takes(directory, kAccessAclName, SomeAcl(1, 2));
}

std::string AclValue(const std::vector<AclEntry>& entries, uint32_t version) {
  std::string value;
  AppendLittleEndian(version, 4, &value);
  for (const AclEntry& entry : entries) {
    AppendLittleEndian(static_cast<uint16_t>(entry.tag), 2, &value);
    AppendLittleEndian(entry.permissions, 2, &value);
    AppendLittleEndian(entry.id, 4, &value);
  }
  return value;
}

std::string SomeAcl(uint32_t uid, uint32_t gid, uint16_t owner) {
  return AclValue({{AclTag::kUserObject, owner},
                   {AclTag::kUser, 7, uid},
                   {AclTag::kGroupObject, 4},
                   {AclTag::kGroup, 5, gid},
                   {AclTag::kMask, 7},
                   {AclTag::kOther, 0}});
}

std::string SomeCapability() {
  // linux/capability.h: struct vfs_cap_data, revision 2.
  constexpr uint32_t kRevision2Effective = 0x02000001;
  constexpr uint32_t kNetBindService = 1u << 10;
  std::string value;
  AppendLittleEndian(kRevision2Effective, 4, &value);
  AppendLittleEndian(kNetBindService, 4, &value);
  AppendLittleEndian(0, 4, &value);
  AppendLittleEndian(0, 8, &value);
  return value;
}

}  // namespace volstream
