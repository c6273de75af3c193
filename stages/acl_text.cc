#include "stages/acl_text.h"

#include <endian.h>
#include <linux/posix_acl_xattr.h>
#include <string.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "stages/absl_text.h"

namespace volstream {
namespace {

// Tags of posix_acl_xattr_entry::e_tag, from linux/posix_acl.h, which is not for programs. The
// kernel wants entries in this order.
enum AclTag : uint16_t {
  kUserObject = 0x01,
  kUser = 0x02,
  kGroupObject = 0x04,
  kGroup = 0x08,
  kMask = 0x10,
  kOther = 0x20,
};

struct AclEntry {
  uint16_t tag = 0;
  uint16_t permissions = 0;
  uint32_t id = UINT32_MAX;  // none

  bool named() const { return tag == kUser || tag == kGroup; }
};

std::optional<uint16_t> PermissionsOf(absl::string_view text) {
  uint16_t permissions = 0;
  for (const char c : text) {
    switch (c) {
      case 'r':
        permissions |= 4;
        break;
      case 'w':
        permissions |= 2;
        break;
      case 'x':
        permissions |= 1;
        break;
      case '-':
        break;
      default:
        return std::nullopt;
    }
  }
  return permissions;
}

std::optional<uint32_t> IdOf(absl::string_view name, absl::string_view number, bool group,
                             const AclIdOf& id_of) {
  uint32_t id = 0;
  if (absl::SimpleAtoi(name, &id)) return id;
  const std::optional<uint32_t> known = id_of(std::string_view(name.data(), name.size()), group);
  if (known.has_value()) return known;
  if (absl::SimpleAtoi(number, &id)) return id;
  return std::nullopt;
}

// "TAG:NAME:PERMISSIONS", with ":ID" behind it or not; Solaris has "mask:PERMISSIONS" too.
std::optional<AclEntry> EntryOf(absl::string_view text, const AclIdOf& id_of) {
  std::vector<absl::string_view> fields = absl::StrSplit(text, ':');
  if (fields[0] == "default" || fields[0] == "d") fields.erase(fields.begin());
  if (fields.size() < 2) return std::nullopt;
  const absl::string_view tag = fields[0];
  const bool user = tag == "user" || tag == "u";
  const bool group = tag == "group" || tag == "g";
  const bool mask = tag == "mask" || tag == "m";
  if (!user && !group && !mask && tag != "other" && tag != "o") return std::nullopt;
  if (!user && !group && fields.size() == 2) fields.insert(fields.begin() + 1, "");
  if (fields.size() < 3 || fields.size() > 4) return std::nullopt;
  AclEntry entry;
  const std::optional<uint16_t> permissions = PermissionsOf(fields[2]);
  if (!permissions.has_value()) return std::nullopt;
  entry.permissions = *permissions;
  const absl::string_view name = fields[1];
  if (!user && !group) {
    entry.tag = mask ? kMask : kOther;
    return name.empty() ? std::optional(entry) : std::nullopt;
  }
  if (name.empty()) {
    entry.tag = user ? kUserObject : kGroupObject;
    return entry;
  }
  entry.tag = user ? kUser : kGroup;
  const std::optional<uint32_t> id =
      IdOf(name, fields.size() == 4 ? fields[3] : absl::string_view(), group, id_of);
  if (!id.has_value()) return std::nullopt;
  entry.id = *id;
  return entry;
}

void AddMissingMask(std::vector<AclEntry>* entries) {
  bool any_named = false;
  AclEntry mask{kMask};
  for (const AclEntry& entry : *entries) {
    if (entry.tag == kMask) return;
    any_named = any_named || entry.named();
    if (entry.named() || entry.tag == kGroupObject) mask.permissions |= entry.permissions;
  }
  if (any_named) entries->push_back(mask);
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

std::string AclValue(std::string_view text, const AclIdOf& id_of) {
  std::vector<AclEntry> entries;
  for (absl::string_view line : absl::StrSplit(ToAbsl(text), absl::ByAnyChar(",\n"))) {
    line = absl::StripAsciiWhitespace(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    const std::optional<AclEntry> entry = EntryOf(line, id_of);
    if (!entry.has_value()) return "";
    entries.push_back(*entry);
  }
  if (entries.empty()) return "";
  AddMissingMask(&entries);
  std::sort(entries.begin(), entries.end(), [](const AclEntry& a, const AclEntry& b) {
    return std::pair(a.tag, a.id) < std::pair(b.tag, b.id);
  });
  const posix_acl_xattr_header header{htole32(POSIX_ACL_XATTR_VERSION)};
  std::string value(reinterpret_cast<const char*>(&header), sizeof(header));
  for (const AclEntry& entry : entries) {
    const posix_acl_xattr_entry raw{htole16(entry.tag), htole16(entry.permissions),
                                    htole32(entry.id)};
    value.append(reinterpret_cast<const char*>(&raw), sizeof(raw));
  }
  return value;
}

}  // namespace volstream
