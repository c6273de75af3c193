#include "stages/volume_plan.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "engine/check.h"
#include "engine/status_macros.h"
#include "stages/volume_walk.h"

namespace volstream {

absl::Status VolumePlan::Check(const std::string& root, const PlanOptions& options) {
  VS_RETURN_IF_ERROR(OpenVolume(root).status());
  if (options.spool.directory.empty()) return absl::OkStatus();
  return CheckSpoolDirectory(options.spool.directory, root);
}

absl::StatusOr<std::unique_ptr<VolumePlan>> VolumePlan::Make(const std::string& root,
                                                             Warnings* warnings,
                                                             const std::atomic<bool>* cancelled,
                                                             const PlanOptions& options) {
  VS_RETURN_IF_ERROR(Check(root, options));
  std::unique_ptr<VolumePlan> plan(new VolumePlan());
  PlanOptions walk_options = options;
  walk_options.scan.sparse = options.sparse;
  VolumeWalk walk(plan.get(), warnings, cancelled, walk_options);
  const absl::Status status = walk.Run(root);
  if (!status.ok()) return status;
  return plan;
}

std::string_view VolumePlan::NameOf(const Entry& entry) const {
  return names_.View(entry.name_position, entry.name_bytes);
}

std::string_view VolumePlan::SymlinkTargetOf(const Entry& entry) const {
  return names_.View(entry.name_position + entry.name_bytes, entry.link_bytes);
}

const SparseMap* VolumePlan::SparseOf(const Entry& entry) const {
  return entry.extra == kNone ? nullptr : extras_[entry.extra].sparse.get();
}

const SpoolFile* VolumePlan::SnapshotOf(const Entry& entry) const {
  return entry.extra == kNone ? nullptr : extras_[entry.extra].snapshot.get();
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

void VolumePlan::Describe(uint32_t index, DirectoryPath* directory, std::string* path,
                          std::string* link_target, TarEntry* tar) const {
  const Entry& entry = entries_[index];
  *path = "./";
  if (entry.parent != kNone) {
    if (directory->index != entry.parent) {
      directory->index = entry.parent;
      directory->path = PathOf(entry.parent);
    }
    path->append(directory->path);
    if (!directory->path.empty()) path->push_back('/');
    path->append(NameOf(entry));
  }
  tar->mode = entry.mode;
  tar->uid = entry.uid;
  tar->gid = entry.gid;
  if (const auto user = user_names_.find(entry.uid); user != user_names_.end()) {
    tar->user_name = user->second;
  }
  if (const auto group = group_names_.find(entry.gid); group != group_names_.end()) {
    tar->group_name = group->second;
  }
  tar->bytes = entry.bytes;
  tar->mtime_seconds = entry.mtime_seconds;
  tar->mtime_nanoseconds = entry.mtime_nanoseconds;
  const Extra* const extra = entry.extra == kNone ? nullptr : &extras_[entry.extra];
  if (extra != nullptr && extra->pax_records != kNone) {
    tar->pax_records = pax_records_[extra->pax_records];
  }
  switch (entry.mode & S_IFMT) {
    case S_IFDIR:
      tar->type = TarType::kDirectory;
      if (path->back() != '/') path->push_back('/');
      break;
    case S_IFLNK:
      tar->type = TarType::kSymlink;
      *link_target = SymlinkTargetOf(entry);
      break;
    case S_IFIFO:
      tar->type = TarType::kFifo;
      break;
    case S_IFCHR:
    case S_IFBLK: {
      tar->type = S_ISCHR(entry.mode) ? TarType::kCharDevice : TarType::kBlockDevice;
      tar->device_major = major(extra->device_number);
      tar->device_minor = minor(extra->device_number);
      break;
    }
    default:
      if (extra != nullptr && extra->sparse != nullptr) {
        tar->sparse = true;
        tar->sparse_file_bytes = extra->sparse->file_bytes;
      }
      break;
  }
  if (entry.link_to != kNone) {
    tar->type = TarType::kHardLink;
    *link_target = "./" + PathOf(entry.link_to);
  }
  tar->path = *path;
  tar->link_target = *link_target;
}

std::string_view VolumePlan::HeaderOf(uint32_t index, HeaderSpace* space) const {
  TarEntry tar;
  space->link_target.clear();
  space->header.clear();
  Describe(index, &space->directory, &space->path, &space->link_target, &tar);
  AppendTarHeader(tar, &space->header);
  VS_CHECK(space->header.size() == entries_[index].header_bytes);
  return space->header;
}

std::string VolumePlan::HeaderOf(uint32_t index) const {
  HeaderSpace space;
  HeaderOf(index, &space);
  return std::move(space.header);
}

EntryInfo VolumePlan::InfoOf(uint32_t index, DirectoryPath* directory) const {
  std::string path;
  std::string link_target;
  TarEntry tar;
  Describe(index, directory, &path, &link_target, &tar);
  constexpr std::string_view kRoot = "./";
  EntryInfo info;
  info.type = tar.type;
  info.path = path.substr(kRoot.size());
  if (!info.path.empty() && info.path.back() == '/') info.path.pop_back();
  info.link_target =
      tar.type == TarType::kHardLink ? link_target.substr(kRoot.size()) : std::move(link_target);
  info.mode = tar.mode & 07777;
  info.uid = tar.uid;
  info.gid = tar.gid;
  if (tar.type == TarType::kFile) info.bytes = tar.sparse ? tar.sparse_file_bytes : tar.bytes;
  info.mtime_seconds = tar.mtime_seconds;
  info.mtime_nanoseconds = tar.mtime_nanoseconds;
  return info;
}

size_t VolumePlan::IndexAt(uint64_t offset) const {
  VS_CHECK(offset < tar_bytes_);
  // The last entry that begins at or before the offset; the root begins at 0.
  size_t low = 0;
  for (size_t count = entries_.size(); count > 1;) {
    const size_t half = count / 2;
    if (entries_[low + half].tar_offset <= offset) low += half;
    count -= half;
  }
  return offset < entries_[low].end_offset() ? low : entries_.size();
}

}  // namespace volstream
