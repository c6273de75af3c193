#include "stages/tree_directories.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/absl_text.h"
#include "stages/entry_path.h"
#include "stages/local_file.h"
#include "stages/new_name.h"

namespace volstream {
namespace {

// Levels of the current path whose descriptors are kept; a hostile path may have thousands.
size_t MaxOpenLevels() { return static_cast<size_t>(std::clamp(DescriptorLimit() / 16, 2, 64)); }

constexpr int kOpenFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

// Whether what is made in it gets a group or an ACL from it.
bool HandsDown(int fd) {
  struct stat info {};
  if (fstat(fd, &info) != 0 || (info.st_mode & S_ISGID) != 0) return true;
  // EBADF: it may be searched and not read.
  const ssize_t acl_bytes = fgetxattr(fd, "system.posix_acl_default", nullptr, 0);
  return acl_bytes > 0 || (acl_bytes < 0 && errno == EBADF);
}

bool IsNoDirectory(int error) { return error == ENOTDIR || error == ELOOP; }

}  // namespace

TreeDirectories::TreeDirectories(UniqueFd root, Options options)
    : options_(std::move(options)), max_open_levels_(MaxOpenLevels()), root_([&] {
        const bool hands_down = HandsDown(root.get());
        return std::make_shared<const OpenDirectory>(std::move(root), hands_down, &open_count_);
      }()) {
  known_[""].is_ours = options_.root_is_ours;
}

TreeDirectories::Known* TreeDirectories::Find(std::string_view path) {
  const auto found = known_.find(ToAbsl(path));
  return found == known_.end() ? nullptr : &found->second;
}

bool TreeDirectories::Knows(std::string_view path) const { return known_.contains(ToAbsl(path)); }

void TreeDirectories::Push(std::string_view path, SharedDirectory directory) {
  chain_.push_back({std::string(Split(path).name), path.size(), std::move(directory)});
  if (chain_.size() > max_open_levels_) {
    chain_[chain_.size() - max_open_levels_ - 1].directory = nullptr;
  }
}

void TreeDirectories::Cut(std::string_view path) {
  if (!chain_path_.starts_with(path)) return;
  if (chain_path_.size() > path.size() && chain_path_[path.size()] != '/') return;
  while (!chain_.empty() && chain_.back().path_bytes >= path.size()) chain_.pop_back();
  chain_path_.resize(chain_.empty() ? 0 : chain_.back().path_bytes);
}

absl::StatusOr<TreeDirectories::SharedDirectory> TreeDirectories::Enter(std::string_view path) {
  if (path.empty()) return root_;
  if (path == chain_path_ && !chain_.empty() && chain_.back().directory != nullptr) {
    return chain_.back().directory;
  }
  return Walk(path);
}

absl::StatusOr<TreeDirectories::SharedDirectory> TreeDirectories::Walk(std::string_view path) {
  // Down to what both paths share and is open.
  size_t shared = 0;
  for (size_t begin = 0; shared < chain_.size() && begin < path.size(); ++shared) {
    const std::string_view name = path.substr(begin, path.find('/', begin) - begin);
    if (name != chain_[shared].name) break;
    begin += name.size() + 1;
  }
  while (shared > 0 && chain_[shared - 1].directory == nullptr) --shared;
  chain_.resize(shared);
  chain_path_ = path.substr(0, shared == 0 ? 0 : chain_.back().path_bytes);
  while (chain_path_.size() < path.size()) {
    const size_t begin = chain_path_.empty() ? 0 : chain_path_.size() + 1;
    const std::string_view next = path.substr(0, path.find('/', begin));
    const SharedDirectory parent = chain_.empty() ? root_ : chain_.back().directory;
    VS_ASSIGN_OR_RETURN(SharedDirectory child, EnterChild(parent, next));
    if (child == nullptr) return child;
    Push(next, std::move(child));
    chain_path_ = next;
  }
  return chain_.empty() ? root_ : chain_.back().directory;
}

absl::Status TreeDirectories::KeepOut(std::string_view path, std::string_view what, int error) {
  if (TreeProblems::IsFinal(error)) return options_.problems->Final(path, what, error);
  kept_out_.emplace(path);
  options_.problems->Warn(path, absl::StrCat("not restored, with all below it: ", ToAbsl(what),
                                             " it: ", strerrordesc_np(error)));
  return absl::OkStatus();
}

UniqueFd TreeDirectories::OpenChild(int parent_fd, const std::string& name) {
  UniqueFd fd(openat(parent_fd, name.c_str(), kOpenFlags));
  // One that may be searched and not read will do as well.
  if (!fd.valid() && errno == EACCES) {
    fd = UniqueFd(openat(parent_fd, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  }
  return fd;
}

absl::StatusOr<bool> TreeDirectories::ReplaceObstacle(int parent_fd, std::string_view path,
                                                      mode_t mode, const timespec* mtime) {
  const std::string name(Split(path).name);
  struct stat there {};
  const NameRules rules{.overwrite = options_.overwrite,
                        .is_ours = options_.is_ours(path),
                        .mtime = mtime == nullptr ? timespec{} : *mtime};
  const bool is_newer = mtime == nullptr && rules.overwrite == Overwrite::kOlder && !rules.is_ours;
  if (fstatat(parent_fd, name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0 &&
      (is_newer || Decide(rules, there) == Precedence::kKeep)) {
    kept_out_.emplace(path);
    options_.problems->Warn(path,
                            "not restored, with all below it: what is there is no directory, "
                            "and stays");
    return false;
  }
  if (const int error = ReplaceByDirectory(parent_fd, name, mode); error != 0) {
    VS_RETURN_IF_ERROR(KeepOut(path, "cannot replace what is in the place of", error));
    return false;
  }
  known_.erase(ToAbsl(path));
  Cut(path);
  return true;
}

absl::StatusOr<TreeDirectories::SharedDirectory> TreeDirectories::EnterChild(
    const SharedDirectory& parent, std::string_view path) {
  options_.wait_for(path);
  if (kept_out_.contains(ToAbsl(path))) return SharedDirectory();
  options_.wait_for_descriptors();
  const std::string name(Split(path).name);
  UniqueFd fd = OpenChild(parent->fd(), name);
  if (!fd.valid() && !completing_) {
    const int error = errno;
    if (IsNoDirectory(error)) {
      VS_ASSIGN_OR_RETURN(const bool made, ReplaceObstacle(parent->fd(), path, 0755, nullptr));
      if (!made) return SharedDirectory();
      Note(path) = Known{.is_ours = true, .inherits = parent->inherits(), .metadata = nullptr};
      fd = OpenChild(parent->fd(), name);
    } else if (error == ENOENT) {
      if (mkdirat(parent->fd(), name.c_str(), 0755) == 0) {
        Note(path) = Known{.is_ours = true, .inherits = parent->inherits(), .metadata = nullptr};
      } else if (errno != EEXIST) {
        VS_RETURN_IF_ERROR(KeepOut(path, "cannot make", errno));
        return SharedDirectory();
      }
      fd = OpenChild(parent->fd(), name);
    }
  }
  if (!fd.valid()) {
    VS_RETURN_IF_ERROR(KeepOut(path, "cannot open", errno));
    return SharedDirectory();
  }
  const Known* known = Find(path);
  // While they are completed the known ones must stay where they are.
  if (known == nullptr && !completing_) Note(path);
  const bool is_ours = known != nullptr && known->is_ours;
  const bool hands_down = is_ours ? parent->inherits() : HandsDown(fd.get());
  return std::make_shared<const OpenDirectory>(std::move(fd), hands_down, &open_count_);
}

absl::StatusOr<int> TreeDirectories::MakeChild(int parent_fd, std::string_view path,
                                               const timespec& mtime) {
  const std::string name(Split(path).name);
  // Nobody else gets in before it is whole.
  if (mkdirat(parent_fd, name.c_str(), 0700) == 0) return 0;
  if (errno != EEXIST) return errno;
  struct stat there {};
  if (fstatat(parent_fd, name.c_str(), &there, AT_SYMLINK_NOFOLLOW) != 0) return errno;
  if (!S_ISDIR(there.st_mode)) {
    VS_ASSIGN_OR_RETURN(const bool made, ReplaceObstacle(parent_fd, path, 0700, &mtime));
    return made ? 0 : ENOTDIR;
  }
  LetOwnerIn(parent_fd, name);
  return EEXIST;
}

absl::StatusOr<bool> TreeDirectories::Make(std::string_view path, FileMetadata metadata) {
  Known* known = Find(path);
  if (known == nullptr) {
    VS_ASSIGN_OR_RETURN(const SharedDirectory parent, Enter(Split(path).parent));
    if (parent == nullptr || kept_out_.contains(ToAbsl(path))) return false;
    options_.wait_for(path);
    VS_ASSIGN_OR_RETURN(const int error, MakeChild(parent->fd(), path, metadata.mtime));
    if (error != 0 && error != EEXIST) {
      if (!kept_out_.contains(ToAbsl(path))) {
        VS_RETURN_IF_ERROR(KeepOut(path, "cannot make", error));
      }
      return false;
    }
    known = &Note(path);
    known->is_ours = error == 0;
    known->inherits = parent->inherits();
  }
  // One that was there and is to stay as it is.
  if (options_.overwrite == Overwrite::kNever && !known->is_ours) return true;
  if (known->metadata != nullptr) extra_bytes_ -= known->metadata->extra_bytes();
  if (extra_bytes_ + metadata.extra_bytes() > kMaxExtraBytes) {
    metadata.extras = nullptr;
    options_.problems->Warn(path,
                            "its ACL and extended attributes are not restored: those of all "
                            "directories together are more than 64 MiB");
  }
  extra_bytes_ += metadata.extra_bytes();
  known->metadata = std::make_unique<FileMetadata>(std::move(metadata));
  return true;
}

// A directory that was there and forbids its owner to write; it gets its mode from its entry later.
void TreeDirectories::LetOwnerIn(int parent_fd, const std::string& name) const {
  if (options_.overwrite == Overwrite::kNever) return;
  const UniqueFd fd(openat(parent_fd, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat info {};
  if (!fd.valid() || fstat(fd.get(), &info) != 0 || info.st_uid != geteuid() ||
      (info.st_mode & S_IRWXU) == S_IRWXU) {
    return;
  }
  // fchmod(2) takes no O_PATH descriptor. If this fails, what is made in it says so.
  const int ignored [[maybe_unused]] =
      chmod(absl::StrCat("/proc/self/fd/", fd.get()).c_str(), (info.st_mode & 07777) | S_IRWXU);
}

int TreeDirectories::Remove(std::string_view path) {
  const Known* known = Find(path);
  if (known == nullptr || path.empty()) return EBUSY;
  if (options_.overwrite == Overwrite::kNever && !known->is_ours) return EEXIST;
  const absl::StatusOr<SharedDirectory> parent = Enter(Split(path).parent);
  if (!parent.ok() || *parent == nullptr) return ENOENT;
  const std::string name(Split(path).name);
  if (unlinkat((*parent)->fd(), name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
    return errno == EEXIST ? ENOTEMPTY : errno;
  }
  known_.erase(ToAbsl(path));
  Cut(path);
  return 0;
}

void TreeDirectories::CompleteOne(const std::string& path, const Known& known) {
  UniqueFd child;
  int fd = root_->fd();
  if (!path.empty()) {
    const SplitPath split = Split(path);
    const absl::StatusOr<SharedDirectory> parent = Enter(split.parent);
    if (!parent.ok() || *parent == nullptr) return;  // of which a warning was given
    child = UniqueFd(openat((*parent)->fd(), std::string(split.name).c_str(), kOpenFlags));
    fd = child.get();
  }
  const MetadataSubject subject{.is_new = known.is_ours && !path.empty(),
                                .inherits = known.inherits};
  const std::string problems =
      fd >= 0 ? ApplyMetadata(fd, *known.metadata, subject)
              : absl::StrCat("could not restore its metadata (", strerrordesc_np(errno), ")");
  if (!problems.empty()) options_.problems->Warn(path, problems);
}

void TreeDirectories::Complete() {
  completing_ = true;
  using Entry = Paths::value_type;
  std::vector<const Entry*> entries;
  for (const Entry& entry : known_) {
    if (entry.second.metadata != nullptr) entries.push_back(&entry);
  }
  // What is below a directory comes before it, as its path begins with the directory's.
  std::sort(entries.begin(), entries.end(),
            [](const Entry* a, const Entry* b) { return a->first > b->first; });
  for (const Entry* entry : entries) CompleteOne(entry->first, entry->second);
}

}  // namespace volstream
