#include "stages/file_attributes.h"

#include <endian.h>
#include <errno.h>
#include <linux/posix_acl_xattr.h>
#include <string.h>
#include <sys/xattr.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "stages/digest.h"
#include "stages/tar_header.h"
#include "stages/warnings.h"

namespace volstream {
namespace {

constexpr std::string_view kAccessAcl = "system.posix_acl_access";
constexpr std::string_view kDefaultAcl = "system.posix_acl_default";

// Tags of posix_acl_xattr_entry::e_tag, from linux/posix_acl.h, which is not for programs.
enum AclTag : uint16_t {
  kUserObject = 0x01,
  kUser = 0x02,
  kGroupObject = 0x04,
  kGroup = 0x08,
  kMask = 0x10,
  kOther = 0x20,
};

// Grows the buffer until a size-returning call of the xattr family fits. Nullopt with errno.
template <typename Call>
std::optional<std::string> ReadGrowing(size_t first_bytes, Call call) {
  std::string buffer(first_bytes, '\0');
  while (true) {
    const ssize_t bytes = call(buffer.data(), buffer.size());
    if (bytes >= 0) {
      buffer.resize(static_cast<size_t>(bytes));
      return buffer;
    }
    if (errno != ERANGE || buffer.size() > XATTR_SIZE_MAX) return std::nullopt;
    buffer.resize(4 * buffer.size());
  }
}

std::string KeywordOf(std::string_view name) {
  std::string keyword = "SCHILY.xattr.";
  for (const char c : name) {
    if (c == '%') {
      keyword += "%25";
    } else if (c == '=') {
      keyword += "%3D";
    } else {
      keyword += c;
    }
  }
  return keyword;
}

}  // namespace

std::string AclText(ByteSpan value) {
  posix_acl_xattr_header header;
  if (value.size() < sizeof(header)) return "";
  memcpy(&header, value.data(), sizeof(header));
  if (le32toh(header.a_version) != POSIX_ACL_XATTR_VERSION) return "";
  value = value.subspan(sizeof(header));
  if (value.size() % sizeof(posix_acl_xattr_entry) != 0) return "";
  std::string text;
  for (; !value.empty(); value = value.subspan(sizeof(posix_acl_xattr_entry))) {
    posix_acl_xattr_entry entry;
    memcpy(&entry, value.data(), sizeof(entry));
    const uint32_t id = le32toh(entry.e_id);
    if (!text.empty()) text += ',';
    switch (le16toh(entry.e_tag)) {
      case kUserObject:
        text += "user::";
        break;
      case kUser:
        absl::StrAppend(&text, "user:", id, ":");
        break;
      case kGroupObject:
        text += "group::";
        break;
      case kGroup:
        absl::StrAppend(&text, "group:", id, ":");
        break;
      case kMask:
        text += "mask::";
        break;
      case kOther:
        text += "other::";
        break;
      default:
        return "";
    }
    const uint16_t permissions = le16toh(entry.e_perm);
    text += (permissions & 4) != 0 ? 'r' : '-';
    text += (permissions & 2) != 0 ? 'w' : '-';
    text += (permissions & 1) != 0 ? 'x' : '-';
  }
  return text;
}

FileAttributes ReadFileAttributes(const std::string& path) {
  FileAttributes attributes;
  // Nearly every file has none: no allocation for those.
  char few[512];
  const ssize_t list_bytes = llistxattr(path.c_str(), few, sizeof(few));
  if (list_bytes == 0) return attributes;
  std::optional<std::string> list;
  if (list_bytes > 0) {
    list.emplace(few, static_cast<size_t>(list_bytes));
  } else if (errno == ERANGE) {
    list = ReadGrowing(4 * sizeof(few), [&](char* out, size_t bytes) {
      return llistxattr(path.c_str(), out, bytes);
    });
  }
  if (!list.has_value()) {
    if (errno != ENOTSUP && errno != ENOENT && errno != ENOTDIR) {
      attributes.unreadable.push_back(
          absl::StrCat("its extended attributes cannot be listed: ", strerror(errno)));
    }
    return attributes;
  }
  // The kernel's order is not fixed, and equal files must give equal headers.
  std::vector<std::string> names;
  for (size_t begin = 0; begin < list->size(); begin = list->find('\0', begin) + 1) {
    names.emplace_back(list->c_str() + begin);
  }
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    const std::optional<std::string> value = ReadGrowing(256, [&](char* out, size_t bytes) {
      return lgetxattr(path.c_str(), name.c_str(), out, bytes);
    });
    if (!value.has_value()) {
      if (errno == ENODATA || errno == ENOENT) continue;
      attributes.unreadable.push_back(absl::StrCat("its attribute ", PrintablePath(name),
                                                   " cannot be read, left out: ", strerror(errno)));
      continue;
    }
    if (name == kAccessAcl || name == kDefaultAcl) {
      const std::string text = AclText(AsBytes(*value));
      if (text.empty()) {
        attributes.unreadable.push_back(
            absl::StrCat("its ", name, " is of a form that is not known, left out"));
        continue;
      }
      AppendPaxRecord(name == kAccessAcl ? "SCHILY.acl.access" : "SCHILY.acl.default", text,
                      &attributes.pax_records);
      continue;
    }
    AppendPaxRecord(KeywordOf(name), *value, &attributes.pax_records);
  }
  return attributes;
}

}  // namespace volstream
