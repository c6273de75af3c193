#include "stages/file_attributes.h"

#include <errno.h>
#include <linux/limits.h>
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
