// VolumePlan: one walk over a volume that fixes the layout of its tar stream before byte one. Every
// entry's header and size are decided here, so that any range of the stream can be produced by
// itself, by any thread, in any order.
//
// Order: a directory, then its children sorted by name (bytes), each child's subtree before the
// next: the same tree gives the same layout.
// Memory: about 90 bytes an entry and its name, and what extended attributes and maps of holes
// take; docs/performance.md has the figure.
// Threads: immutable once made; all const methods are safe for concurrent calls.
#ifndef VOLSTREAM_STAGES_VOLUME_PLAN_H_
#define VOLSTREAM_STAGES_VOLUME_PLAN_H_

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "stages/beneath.h"
#include "stages/chunked.h"
#include "stages/entry_info.h"
#include "stages/sparse_map.h"
#include "stages/spool.h"
#include "stages/tar_header.h"
#include "stages/volume_scan.h"
#include "stages/warnings.h"

namespace volstream {

// What is done with a SQLite database: a consistent copy through SQLite (docs/sqlite.md), or its
// files as they are.
enum class SqliteMode { kBackup, kCopy };

struct PlanOptions {
  ScanOptions scan;
  bool sparse = true;  // store files with holes as maps and data; else holes as zeros
  SqliteMode sqlite = SqliteMode::kBackup;
  SpoolOptions spool;  // holds the copies of databases until the plan goes
  // Directories that must not be met in the source: where the backup itself writes.
  struct Forbidden {
    uint64_t device = 0;
    uint64_t inode = 0;
    std::string what;  // "destination /backups"
  };
  std::vector<Forbidden> forbidden;
};

class VolumePlan {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr size_t kMaxMountPoints = 100;

  // Field order keeps it at 88 bytes: millions of these are in memory.
  struct Entry {
    uint64_t tar_offset = 0;  // of the header's first byte in the stream
    uint64_t bytes = 0;       // of the entry's data: of a file with holes, what is stored of it
    uint64_t device = 0;      // the file's own identity, to see that it was replaced
    uint64_t inode = 0;
    int64_t mtime_seconds = 0;
    uint64_t name_position = 0;  // in names_
    uint32_t mtime_nanoseconds = 0;
    uint32_t header_bytes = 0;
    uint32_t parent = kNone;   // index of the directory's entry
    uint32_t link_to = kNone;  // of a hard link: the entry that carries the data
    uint32_t extra = kNone;    // index into extras_
    uint32_t uid = 0;
    uint32_t gid = 0;
    uint16_t name_bytes = 0;
    uint16_t link_bytes = 0;  // of a symlink's target, which follows the name in names_
    uint16_t mode = 0;        // as lstat gives it, with the type
    bool has_links = false;   // a later entry links to this one

    uint64_t data_offset() const { return tar_offset + header_bytes; }
    uint64_t end_offset() const { return data_offset() + TarPadded(bytes); }
  };
  static_assert(sizeof(Entry) == 88);

  // Whether `root` and the spool's directory can be used: quick, and meant to be asked before the
  // source has to hold still. Errors: as Make.
  static absl::Status Check(const std::string& root, const PlanOptions& options);

  // Walks `root`, which must be a directory; a symlink to one is followed, but none below it.
  // What the walk cannot read, and sockets, are left out with a warning.
  // Ends soon with ErrorKind::kInterrupted once `*cancelled` is true.
  // Errors: ErrorKind::kVolumeNotFound when root is missing, no directory, or unreadable;
  // kFailedPrecondition when a directory holds itself (a loop of bind mounts) or is forbidden;
  // ErrorKind::kPrerequisite when the spool's directory cannot be used.
  static absl::StatusOr<std::unique_ptr<VolumePlan>> Make(
      const std::string& root, Warnings* warnings, const std::atomic<bool>* cancelled = nullptr,
      const PlanOptions& options = {});

  const Chunked<Entry>& entries() const { return entries_; }
  uint64_t file_bytes() const { return file_bytes_; }
  // Length of the tar stream with its end mark.
  uint64_t tar_bytes() const { return tar_bytes_; }
  // Names left out because a pattern, a tag or --one-file-system says so.
  uint64_t excluded() const { return excluded_; }
  // Directories of other file systems that were not entered, the first kMaxMountPoints.
  const std::vector<std::string>& mount_points() const { return mount_points_; }
  // Databases that are stored as a snapshot.
  uint64_t snapshots() const { return snapshots_; }
  int root_fd() const { return root_fd_.get(); }

  std::string_view NameOf(const Entry& entry) const;
  std::string_view SymlinkTargetOf(const Entry& entry) const;
  // The map of a file with holes; null for all others.
  const SparseMap* SparseOf(const Entry& entry) const;
  // The copy that stands for the file's content; null for all but snapshots.
  const SpoolFile* SnapshotOf(const Entry& entry) const;
  // Path inside the volume without a leading "./"; empty for the root.
  std::string PathOf(uint32_t index) const;

  // The path of the directory that was asked for last, kept by one thread for its neighbours.
  struct DirectoryPath {
    uint32_t index = kNone;
    std::string path;
  };
  // What one thread keeps for one header after another, so that none is allocated for.
  struct HeaderSpace {
    DirectoryPath directory;
    std::string path;
    std::string link_target;
    std::string header;
  };
  // The header's bytes; header_bytes of them. In `space`, until its next use.
  std::string_view HeaderOf(uint32_t index, HeaderSpace* space) const;
  std::string HeaderOf(uint32_t index) const;
  // What the header says, for the archive's index.
  EntryInfo InfoOf(uint32_t index, DirectoryPath* directory) const;
  // Index of the entry whose bytes hold stream offset `offset`, or entries().size() for the end
  // mark. REQUIRES: offset < tar_bytes().
  size_t IndexAt(uint64_t offset) const;

 private:
  friend class VolumeWalk;

  // What few entries have.
  struct Extra {
    dev_t device_number = 0;       // of device nodes
    uint32_t pax_records = kNone;  // index into pax_records_
    std::unique_ptr<const SparseMap> sparse;
    std::unique_ptr<const SpoolFile> snapshot;
  };

  VolumePlan() = default;
  // Fills in *tar, whose views point into the plan and into *path and *link_target.
  void Describe(uint32_t index, DirectoryPath* directory, std::string* path,
                std::string* link_target, TarEntry* tar) const;

  UniqueFd root_fd_;
  Chunked<Entry> entries_;
  NameArena names_;
  std::unique_ptr<Spool> spool_;  // before the copies in it
  Chunked<Extra> extras_;
  std::vector<std::string> pax_records_;  // each once, as whole trees share theirs
  std::map<uint32_t, std::string> user_names_;
  std::map<uint32_t, std::string> group_names_;
  uint64_t file_bytes_ = 0;
  uint64_t tar_bytes_ = 0;
  uint64_t excluded_ = 0;
  std::vector<std::string> mount_points_;
  uint64_t snapshots_ = 0;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_VOLUME_PLAN_H_
