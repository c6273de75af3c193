#include "stages/file_metadata.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "stages/acl_text.h"
#include "stages/beneath.h"
#include "stages/warnings.h"

namespace volstream {
namespace {

constexpr char kAccessAcl[] = "system.posix_acl_access";
constexpr char kDefaultAcl[] = "system.posix_acl_default";
constexpr mode_t kSetIdBits = S_ISUID | S_ISGID;
constexpr mode_t kPermissions = 0777;

// Collects "its owner (Operation not permitted), its attribute user.a (Not supported)".
class Refusals {
 public:
  void Add(std::string_view what, int error) {
    absl::StrAppend(&text_, text_.empty() ? "" : ", ", std::string(what), " (",
                    strerrordesc_np(error), ")");
  }
  std::string Text() && {
    return text_.empty() ? std::string() : absl::StrCat("could not restore ", text_);
  }

 private:
  std::string text_;
};

// The calls that differ between an open file and a name. Each returns 0 or -1 with errno.
struct ByDescriptor {
  int fd;

  int Chown(uid_t uid, gid_t gid) const { return fchown(fd, uid, gid); }
  int Chmod(mode_t mode) const { return fchmod(fd, mode); }
  int SetTimes(const timespec times[2]) const { return futimens(fd, times); }
  int SetAttribute(const char* name, const std::string& value) const {
    return fsetxattr(fd, name, value.data(), value.size(), 0);
  }
  int RemoveAttribute(const char* name) const { return fremovexattr(fd, name); }
};

struct ByName {
  int directory_fd;
  const char* name;
  std::string path;  // through /proc: the xattr family has no call relative to a directory

  int Chown(uid_t uid, gid_t gid) const {
    return fchownat(directory_fd, name, uid, gid, AT_SYMLINK_NOFOLLOW);
  }
  // fchmodat(2) follows symlinks and knows no flag that forbids it; a descriptor of the name itself
  // does not, whatever takes its place meanwhile.
  int Chmod(mode_t mode) const {
    const UniqueFd fd(openat(directory_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    struct stat info {};
    if (!fd.valid() || fstat(fd.get(), &info) != 0) return -1;
    if (S_ISLNK(info.st_mode)) {
      errno = ELOOP;
      return -1;
    }
    return chmod(absl::StrCat("/proc/self/fd/", fd.get()).c_str(), mode);
  }
  int SetTimes(const timespec times[2]) const {
    return utimensat(directory_fd, name, times, AT_SYMLINK_NOFOLLOW);
  }
  int SetAttribute(const char* attribute, const std::string& value) const {
    return lsetxattr(path.c_str(), attribute, value.data(), value.size(), 0);
  }
  int RemoveAttribute(const char* attribute) const { return lremovexattr(path.c_str(), attribute); }
};

template <typename Calls>
void ApplyAttributes(const Calls& calls, const FileExtras& extras, Refusals* refusals) {
  for (const auto& [name, value] : extras.attributes) {
    if (calls.SetAttribute(name.c_str(), value) != 0) {
      refusals->Add(absl::StrCat("its attribute ", PrintablePath(name)), errno);
    }
  }
}

template <typename Calls>
void ApplyAcls(const Calls& calls, const FileExtras& extras, Refusals* refusals) {
  if (!extras.access_acl.empty() && calls.SetAttribute(kAccessAcl, extras.access_acl) != 0) {
    refusals->Add("its ACL", errno);
  }
  if (!extras.default_acl.empty() && calls.SetAttribute(kDefaultAcl, extras.default_acl) != 0) {
    refusals->Add("its default ACL", errno);
  }
}

template <typename Calls>
std::string Apply(const Calls& calls, const FileMetadata& metadata, const MetadataSubject& subject,
                  bool is_symlink) {
  Refusals refusals;
  mode_t mode = metadata.mode;
  const bool has_owner = subject.is_new && !subject.inherits && metadata.owner_is_own;
  if (!metadata.set_owner) {
    // Of whatever group the directory has handed down.
    if (subject.inherits) mode &= ~S_ISGID;
  } else if (!has_owner && calls.Chown(metadata.uid, metadata.gid) != 0) {
    refusals.Add("its owner", errno);
    mode &= ~kSetIdBits;  // nobody gets the rights of somebody else's program
  }
  const FileExtras* extras = metadata.extras.get();
  // An ACL that a directory handed down is none of the entry's.
  const bool may_have_acl = subject.inherits || !subject.is_new;
  if (may_have_acl && !is_symlink) {
    if (extras == nullptr || extras->access_acl.empty()) calls.RemoveAttribute(kAccessAcl);
    if (extras == nullptr || extras->default_acl.empty()) calls.RemoveAttribute(kDefaultAcl);
  }
  if (extras != nullptr) ApplyAttributes(calls, *extras, &refusals);
  if (!is_symlink && !subject.mode_is_set && calls.Chmod(mode) != 0) {
    refusals.Add("its mode", errno);
  }
  if (extras != nullptr) ApplyAcls(calls, *extras, &refusals);
  const timespec times[2] = {{0, UTIME_OMIT}, metadata.mtime};
  if (calls.SetTimes(times) != 0) refusals.Add("its time", errno);
  std::string problems = std::move(refusals).Text();
  if (extras != nullptr && !extras->problems.empty()) {
    absl::StrAppend(&problems, problems.empty() ? "" : "; ", extras->problems);
  }
  return problems;
}

}  // namespace

uint64_t FileExtras::bytes() const {
  uint64_t bytes = access_acl.size() + default_acl.size() + problems.size();
  for (const auto& [name, value] : attributes) bytes += name.size() + value.size();
  return bytes;
}

MetadataMaker::MetadataMaker(Owners owners)
    : owners_(owners), own_uid_(geteuid()), own_gid_(getegid()) {}

FileMetadata MetadataMaker::Make(const RestoreEntry& entry) {
  FileMetadata metadata;
  metadata.mode = entry.mode & (kPermissions | kSetIdBits | S_ISVTX);
  metadata.mtime = {static_cast<time_t>(entry.mtime_seconds),
                    static_cast<long>(std::min(entry.mtime_nanoseconds, 999'999'999u))};
  switch (owners_) {
    case Owners::kOwn:
      if (entry.uid != own_uid_) metadata.mode &= ~S_ISUID;
      if (entry.gid != own_gid_) metadata.mode &= ~S_ISGID;
      break;
    case Owners::kByNumber:
    case Owners::kByName: {
      const bool by_name = owners_ == Owners::kByName;
      metadata.set_owner = true;
      metadata.uid = by_name ? names_.UserId(entry.user_name).value_or(entry.uid) : entry.uid;
      metadata.gid = by_name ? names_.GroupId(entry.group_name).value_or(entry.gid) : entry.gid;
      metadata.owner_is_own = metadata.uid == own_uid_ && metadata.gid == own_gid_;
      break;
    }
  }
  if (entry.attributes.empty() && entry.access_acl.empty() && entry.default_acl.empty()) {
    return metadata;
  }
  auto extras = std::make_unique<FileExtras>();
  // No kernel takes more of one file (xattr(7)); an archive can claim any size.
  uint64_t name_bytes = 0;
  size_t refused = 0;
  for (const auto& [name, value] : entry.attributes) {
    name_bytes += name.size() + 1;
    if (value.size() > XATTR_SIZE_MAX || name_bytes > XATTR_LIST_MAX) {
      ++refused;
    } else {
      extras->attributes.emplace_back(name, value);
    }
  }
  if (refused > 0) {
    extras->problems = absl::StrCat(refused,
                                    " of its extended attributes are larger than any system "
                                    "takes");
  }
  const AclIdOf by_name = [this](std::string_view name, bool group) {
    return group ? names_.GroupId(name) : names_.UserId(name);
  };
  const AclIdOf by_number = [](std::string_view, bool) { return std::nullopt; };
  const auto add_acl = [&](const std::string& text, std::string_view what, std::string* value) {
    if (text.empty()) return;
    if (owners_ == Owners::kByNumber) *value = AclValue(text, by_number);
    // Names without numbers are asked for in any case.
    if (value->empty()) *value = AclValue(text, by_name);
    if (!value->empty()) return;
    absl::StrAppend(&extras->problems, extras->problems.empty() ? "" : "; ", std::string(what),
                    " is of a form or has a name that is not known here: ", PrintablePath(text));
  };
  add_acl(entry.access_acl, "its ACL", &extras->access_acl);
  if (entry.type == TarType::kDirectory) {
    add_acl(entry.default_acl, "its default ACL", &extras->default_acl);
  }
  metadata.extras = std::move(extras);
  return metadata;
}

bool CanBeMadeWithMode(const FileMetadata& metadata, bool inherits, mode_t umask) {
  const bool keeps_owner = !metadata.set_owner || metadata.owner_is_own;
  return !inherits && keeps_owner && metadata.extras == nullptr &&
         (metadata.mode & ~kPermissions) == 0 && (metadata.mode & umask) == 0;
}

mode_t ReadUmask() {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    unsigned value = 0;
    if (sscanf(line.c_str(), "Umask: %o", &value) == 1) return value & kPermissions;
  }
  return kPermissions;
}

std::string ApplyMetadata(int fd, const FileMetadata& metadata, const MetadataSubject& subject) {
  return Apply(ByDescriptor{fd}, metadata, subject, /*is_symlink=*/false);
}

std::string ApplyMetadataAt(int directory_fd, const std::string& name, const FileMetadata& metadata,
                            const MetadataSubject& subject, bool is_symlink) {
  const ByName calls{directory_fd, name.c_str(),
                     absl::StrCat("/proc/self/fd/", directory_fd, "/", name)};
  return Apply(calls, metadata, subject, is_symlink);
}

}  // namespace volstream
