// VolumeWalk fills a VolumePlan from a scan of the volume: decides what is an entry, which names
// are one file, and where each lies in the stream.
#ifndef VOLSTREAM_STAGES_VOLUME_WALK_H_
#define VOLSTREAM_STAGES_VOLUME_WALK_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "stages/volume_plan.h"
#include "stages/volume_scan.h"
#include "stages/warnings.h"

namespace volstream {

// The directory to be walked. Errors: as VolumePlan::Make.
absl::StatusOr<UniqueFd> OpenVolume(const std::string& root);

// One thread; used once.
class VolumeWalk {
 public:
  // `cancelled` may be null.
  VolumeWalk(VolumePlan* plan, Warnings* warnings, const std::atomic<bool>* cancelled,
             const PlanOptions& options)
      : plan_(plan),
        warnings_(warnings),
        cancelled_(cancelled),
        options_(options),
        scan_(options_.scan, cancelled) {}

  absl::Status Run(const std::string& root);

 private:
  // A directory whose children are being visited.
  struct Frame {
    uint32_t index = 0;  // its entry
    std::shared_ptr<ScanDirectory> directory;
    size_t chunk_count = 0;
    size_t next_chunk = 0;
    std::vector<ScannedEntry> entries;  // of the chunk being visited
    size_t next_entry = 0;
    // Names that must not stand beside the snapshot of their database.
    absl::flat_hash_set<std::string> left_out;
  };

  absl::Status Push(uint32_t index, std::shared_ptr<ScanDirectory> directory);
  absl::Status Visit(uint32_t parent, ScannedEntry* entry);
  // The path of a name in the directory of entry `parent`.
  std::string ChildPath(uint32_t parent, const std::string& name) const;
  // Fails if the directory is one of those that are being visited.
  absl::Status CheckNoLoop(const ScannedEntry& entry, uint32_t parent) const;
  // Fails if it is one of options_.forbidden.
  absl::Status CheckAllowed(const ScannedEntry& entry, uint32_t parent) const;
  // Puts a snapshot in the place of a database's content, if it is one and that can be done.
  absl::Status TakeDatabase(uint32_t parent, ScannedEntry* entry);
  // Adds an entry and returns its index.
  uint32_t Append(uint32_t parent, ScannedEntry* scanned);
  uint32_t AddExtra(ScannedEntry* scanned, bool is_link);
  void NoteOwnerNames(uint32_t uid, uint32_t gid);

  VolumePlan* const plan_;
  Warnings* const warnings_;
  const std::atomic<bool>* const cancelled_;
  const PlanOptions options_;
  std::vector<Frame> frames_;
  VolumePlan::DirectoryPath directory_path_;
  // (device, inode) -> first entry.
  absl::flat_hash_map<std::pair<uint64_t, uint64_t>, uint32_t> hard_links_;
  absl::flat_hash_map<std::string, uint32_t> pax_records_;  // -> index in the plan
  std::unique_ptr<const SpoolFile> snapshot_;               // of the entry being visited
  uint64_t next_offset_ = 0;
  VolumeScan scan_;  // last: its threads end before the rest goes
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_VOLUME_WALK_H_
