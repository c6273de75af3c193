#include "stages/volume_plan.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "engine/check.h"
#include "stages/volume_walk.h"

namespace volstream {

absl::StatusOr<std::unique_ptr<VolumePlan>> VolumePlan::Make(const std::string& root,
                                                             Warnings* warnings,
                                                             const std::atomic<bool>* cancelled) {
  std::unique_ptr<VolumePlan> plan(new VolumePlan());
  VolumeWalk walk(plan.get(), warnings, cancelled);
  const absl::Status status = walk.Run(root);
  if (!status.ok()) return status;
  return plan;
}

std::string_view VolumePlan::NameOf(const Entry& entry) const {
  return std::string_view(names_).substr(entry.name_offset, entry.name_bytes);
}

std::string_view VolumePlan::SymlinkTargetOf(const Entry& entry) const {
  return std::string_view(names_).substr(entry.name_offset + entry.name_bytes, entry.link_bytes);
}

std::string VolumePlan::PathOf(uint32_t index) const {
  size_t bytes = 0;
  for (uint32_t i = index; entries_[i].parent != kNone; i = entries_[i].parent) {
    bytes += entries_[i].name_bytes + 1;
  }
  if (bytes == 0) return "";
  std::string path(bytes - 1, '/');
  size_t end = path.size();
  for (uint32_t i = index; entries_[i].parent != kNone; i = entries_[i].parent) {
    const std::string_view name = NameOf(entries_[i]);
    end -= name.size();
    path.replace(end, name.size(), name);
    if (end > 0) --end;
  }
  return path;
}

std::string VolumePlan::HeaderOf(uint32_t index) const {
  const Entry& entry = entries_[index];
  std::string path = "./" + PathOf(index);
  std::string link_target;
  TarEntry tar;
  tar.mode = entry.mode;
  tar.uid = entry.uid;
  tar.gid = entry.gid;
  if (const auto user = user_names_.find(entry.uid); user != user_names_.end()) {
    tar.user_name = user->second;
  }
  if (const auto group = group_names_.find(entry.gid); group != group_names_.end()) {
    tar.group_name = group->second;
  }
  tar.bytes = entry.bytes;
  tar.mtime_seconds = entry.mtime_seconds;
  tar.mtime_nanoseconds = entry.mtime_nanoseconds;
  switch (entry.mode & S_IFMT) {
    case S_IFDIR:
      tar.type = TarType::kDirectory;
      if (path.back() != '/') path.push_back('/');
      break;
    case S_IFLNK:
      tar.type = TarType::kSymlink;
      link_target = SymlinkTargetOf(entry);
      break;
    case S_IFIFO:
      tar.type = TarType::kFifo;
      break;
    case S_IFCHR:
    case S_IFBLK: {
      tar.type = S_ISCHR(entry.mode) ? TarType::kCharDevice : TarType::kBlockDevice;
      const dev_t number = device_numbers_[entry.device_number];
      tar.device_major = major(number);
      tar.device_minor = minor(number);
      break;
    }
    default:
      break;
  }
  if (entry.link_to != kNone) {
    tar.type = TarType::kHardLink;
    link_target = "./" + PathOf(entry.link_to);
  }
  tar.path = path;
  tar.link_target = link_target;
  return TarHeaderOf(tar);
}

size_t VolumePlan::IndexAt(uint64_t offset) const {
  VS_CHECK(offset < tar_bytes_);
  const auto after = std::upper_bound(
      entries_.begin(), entries_.end(), offset,
      [](uint64_t wanted, const Entry& entry) { return wanted < entry.tar_offset; });
  const size_t index = static_cast<size_t>(after - entries_.begin()) - 1;
  return offset < entries_[index].end_offset() ? index : entries_.size();
}

}  // namespace volstream
