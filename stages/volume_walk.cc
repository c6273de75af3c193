#include "stages/volume_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>

#include "absl/strings/str_cat.h"
#include "engine/check.h"
#include "engine/status_macros.h"
#include "stages/error_kind.h"
#include "stages/sqlite_snapshot.h"

namespace volstream {
namespace {

bool MeansVanished(int error) { return error == ENOENT || error == ENOTDIR || error == ELOOP; }

}  // namespace

absl::StatusOr<UniqueFd> OpenVolume(const std::string& root) {
  // With O_RDONLY, so that an unreadable source fails here and not as an empty backup.
  UniqueFd fd(open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) {
    const int error = errno;
    const std::string remedy =
        error == ENOTDIR ? "is not a directory: give the directory that holds it"
        : error == ENOENT
            ? "does not exist: check the path"
            : absl::StrCat("cannot be read (", strerror(error), "): run as a user who may");
    return MakeError(ErrorKind::kVolumeNotFound, absl::StatusCode::kNotFound,
                     absl::StrCat("source ", root, " ", remedy));
  }
  return fd;
}

absl::Status VolumeWalk::Run(const std::string& root) {
  VS_ASSIGN_OR_RETURN(plan_->root_fd_, OpenVolume(root));
  plan_->spool_ = std::make_unique<Spool>(options_.spool);
  ScannedEntry entry;
  scan_.Root(plan_->root_fd(), &entry);
  if (entry.error != 0) return absl::ErrnoToStatus(entry.error, absl::StrCat("stat ", root));
  for (const std::string& text : entry.unreadable) warnings_->AddMissing(root, text);
  const std::shared_ptr<ScanDirectory> directory = std::move(entry.directory);
  const uint32_t index = Append(VolumePlan::kNone, &entry);
  if (const VolumeScan::Listing listing = scan_.List(directory);
      listing.error != 0 && !listing.partial) {
    return MakeError(ErrorKind::kVolumeNotFound, absl::StatusCode::kNotFound,
                     absl::StrCat("source ", root, ": ", strerror(listing.error)));
  }
  VS_RETURN_IF_ERROR(Push(index, directory));
  while (!frames_.empty()) {
    if (cancelled_ != nullptr && cancelled_->load()) {
      return InterruptedError();
    }
    Frame& top = frames_.back();
    if (top.next_entry == top.entries.size()) {
      if (top.next_chunk == top.chunk_count) {
        frames_.pop_back();
        continue;
      }
      top.entries = scan_.Take(top.directory, top.next_chunk++);
      top.next_entry = 0;
      continue;
    }
    ScannedEntry next = std::move(top.entries[top.next_entry++]);
    VS_RETURN_IF_ERROR(Visit(top.index, &next));
  }
  plan_->tar_bytes_ = next_offset_ + kTarEndBytes;
  plan_->excluded_ += scan_.excluded();
  return absl::OkStatus();
}

absl::Status VolumeWalk::Push(uint32_t index, std::shared_ptr<ScanDirectory> directory) {
  const VolumeScan::Listing listing = scan_.List(directory);
  if (listing.error != 0 && MeansVanished(listing.error) && !listing.partial) {
    warnings_->Add(plan_->PathOf(index), "vanished during the walk; its contents are left out");
    return absl::OkStatus();
  }
  if (listing.error != 0) {
    warnings_->AddMissing(plan_->PathOf(index), absl::StrCat("directory's contents left out",
                                                             listing.partial ? " in part: " : ": ",
                                                             strerror(listing.error)));
  }
  Frame frame;
  frame.index = index;
  frame.directory = std::move(directory);
  frame.chunk_count = listing.chunk_count;
  frames_.push_back(std::move(frame));
  return absl::OkStatus();
}

std::string VolumeWalk::ChildPath(uint32_t parent, const std::string& name) const {
  const std::string directory = plan_->PathOf(parent);
  return directory.empty() ? name : directory + "/" + name;
}

absl::Status VolumeWalk::CheckNoLoop(const ScannedEntry& entry, uint32_t parent) const {
  for (uint32_t i = parent; i != VolumePlan::kNone; i = plan_->entries_[i].parent) {
    const VolumePlan::Entry& above = plan_->entries_[i];
    if (above.device != entry.device || above.inode != entry.inode) continue;
    const std::string path = ChildPath(parent, entry.name);
    const std::string outer = plan_->PathOf(i);
    return absl::FailedPreconditionError(
        absl::StrCat("the source holds itself: ", PrintablePath(path), " is ",
                     outer.empty() ? "the source" : PrintablePath(outer),
                     " again (a bind mount); unmount it, or leave it out with --exclude /",
                     PrintablePath(path)));
  }
  return absl::OkStatus();
}

absl::Status VolumeWalk::CheckAllowed(const ScannedEntry& entry, uint32_t parent) const {
  for (const PlanOptions::Forbidden& directory : options_.forbidden) {
    if (directory.device != entry.device || directory.inode != entry.inode) continue;
    const std::string path = ChildPath(parent, entry.name);
    return absl::FailedPreconditionError(
        absl::StrCat(directory.what, " is ", PrintablePath(path),
                     " of the source (a bind mount): choose one outside of it, or leave it out "
                     "with --exclude /",
                     PrintablePath(path)));
  }
  return absl::OkStatus();
}

absl::Status VolumeWalk::TakeDatabase(uint32_t parent, ScannedEntry* entry) {
  const UniqueFd directory =
      OpenBeneath(plan_->root_fd(), plan_->PathOf(parent), O_RDONLY | O_DIRECTORY);
  if (!directory.valid()) return absl::OkStatus();  // the reader will say so
  absl::StatusOr<std::unique_ptr<SpoolFile>> snapshot = TakeSnapshot(
      directory.get(), entry->name, entry->device, entry->inode, plan_->spool_.get(), cancelled_);
  if (snapshot.ok()) {
    snapshot_ = *std::move(snapshot);
    entry->bytes = snapshot_->bytes();
    entry->sparse.reset();
    ++plan_->snapshots_;
    for (const std::string& name : SqliteSiblingsOf(entry->name)) {
      frames_.back().left_out.insert(name);
    }
    return absl::OkStatus();
  }
  if (absl::IsCancelled(snapshot.status())) return snapshot.status();
  if (WarnsOfSnapshot(snapshot.status())) {
    warnings_->Add(ChildPath(parent, entry->name),
                   absl::StrCat("is stored as it lies there, with its -wal and -journal, and "
                                "may be inconsistent: ",
                                snapshot.status().message()));
  }
  return absl::OkStatus();
}

absl::Status VolumeWalk::Visit(uint32_t parent, ScannedEntry* entry) {
  // One that is gone by now has no type any more.
  if ((entry->error != 0 || S_ISREG(entry->mode)) &&
      frames_.back().left_out.contains(entry->name)) {
    return absl::OkStatus();
  }
  const auto path = [&] { return ChildPath(parent, entry->name); };
  if (entry->error != 0) {
    if (MeansVanished(entry->error)) {
      warnings_->Add(path(), "vanished during the walk; left out");
    } else {
      warnings_->AddMissing(path(), absl::StrCat("left out: ", strerror(entry->error)));
    }
    return absl::OkStatus();
  }
  if (S_ISSOCK(entry->mode)) {
    warnings_->Add(path(), "is a socket, which has no content; left out");
    return absl::OkStatus();
  }
  if (entry->other_file_system) {
    ++plan_->excluded_;
    if (plan_->mount_points_.size() < VolumePlan::kMaxMountPoints) {
      plan_->mount_points_.push_back(path());
    }
  }
  for (const std::string& text : entry->unreadable) warnings_->AddMissing(path(), text);
  if (entry->maybe_sqlite && entry->bytes > 0 && options_.sqlite == SqliteMode::kBackup) {
    VS_RETURN_IF_ERROR(TakeDatabase(parent, entry));
  }
  const std::shared_ptr<ScanDirectory> directory = std::move(entry->directory);
  if (directory != nullptr) {
    VS_RETURN_IF_ERROR(CheckNoLoop(*entry, parent));
    VS_RETURN_IF_ERROR(CheckAllowed(*entry, parent));
  }
  const uint32_t index = Append(parent, entry);
  if (directory == nullptr) return absl::OkStatus();
  return Push(index, directory);
}

uint32_t VolumeWalk::AddExtra(ScannedEntry* scanned, bool is_link) {
  VolumePlan::Extra extra;
  bool needed = false;
  if (S_ISCHR(scanned->mode) || S_ISBLK(scanned->mode)) {
    extra.device_number = scanned->device_number;
    needed = true;
  }
  if (!scanned->pax_records.empty() && !is_link) {
    const auto [known, is_new] = pax_records_.try_emplace(
        scanned->pax_records, static_cast<uint32_t>(plan_->pax_records_.size()));
    if (is_new) plan_->pax_records_.push_back(std::move(scanned->pax_records));
    extra.pax_records = known->second;
    needed = true;
  }
  if (options_.sparse && scanned->sparse != nullptr && !is_link) {
    extra.sparse = std::move(scanned->sparse);
    needed = true;
  }
  if (snapshot_ != nullptr) {
    extra.snapshot = std::move(snapshot_);
    needed = true;
  }
  if (!needed) return VolumePlan::kNone;
  plan_->extras_.push_back(std::move(extra));
  return static_cast<uint32_t>(plan_->extras_.size() - 1);
}

uint32_t VolumeWalk::Append(uint32_t parent, ScannedEntry* scanned) {
  VolumePlan::Entry entry;
  entry.tar_offset = next_offset_;
  entry.device = scanned->device;
  entry.inode = scanned->inode;
  entry.mtime_seconds = scanned->mtime_seconds;
  entry.mtime_nanoseconds = scanned->mtime_nanoseconds;
  VS_CHECK(scanned->name.size() <= UINT16_MAX && scanned->link_target.size() <= UINT16_MAX);
  entry.name_bytes = static_cast<uint16_t>(scanned->name.size());
  entry.link_bytes = static_cast<uint16_t>(scanned->link_target.size());
  entry.name_position = plan_->names_.Append(scanned->name, scanned->link_target);
  entry.parent = parent;
  entry.mode = scanned->mode;
  entry.uid = scanned->uid;
  entry.gid = scanned->gid;
  NoteOwnerNames(entry.uid, entry.gid);
  const uint32_t index = static_cast<uint32_t>(plan_->entries_.size());
  VS_CHECK(index != VolumePlan::kNone);
  if (!S_ISDIR(entry.mode) && scanned->link_count > 1) {
    const auto [first, is_new] =
        hard_links_.try_emplace(std::pair(entry.device, entry.inode), index);
    if (!is_new) {
      entry.link_to = first->second;
      plan_->entries_[first->second].has_links = true;
    }
  }
  const bool is_link = entry.link_to != VolumePlan::kNone;
  entry.extra = AddExtra(scanned, is_link);
  if (S_ISREG(entry.mode) && !is_link) {
    const SparseMap* const sparse = plan_->SparseOf(entry);
    entry.bytes = sparse != nullptr ? sparse->stored_bytes : scanned->bytes;
    plan_->file_bytes_ += entry.bytes;
  }
  plan_->entries_.push_back(entry);
  VolumePlan::Entry& added = plan_->entries_.back();
  std::string path;
  std::string link_target;
  TarEntry tar;
  plan_->Describe(index, &directory_path_, &path, &link_target, &tar);
  added.header_bytes = static_cast<uint32_t>(TarHeaderBytes(tar));
  next_offset_ = added.end_offset();
  return index;
}

void VolumeWalk::NoteOwnerNames(uint32_t uid, uint32_t gid) {
  if (const auto [user, is_new] = plan_->user_names_.try_emplace(uid); is_new) {
    const passwd* found = getpwuid(uid);
    if (found != nullptr) user->second = found->pw_name;
  }
  if (const auto [group, is_new] = plan_->group_names_.try_emplace(gid); is_new) {
    const ::group* found = getgrgid(gid);
    if (found != nullptr) group->second = found->gr_name;
  }
}

}  // namespace volstream
