// VolumeWalk fills a VolumePlan: reads the directories, stats the entries, lays out the stream.
#ifndef VOLSTREAM_STAGES_VOLUME_WALK_H_
#define VOLSTREAM_STAGES_VOLUME_WALK_H_

#include <sys/stat.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "stages/volume_plan.h"
#include "stages/warnings.h"

namespace volstream {

// One thread; used once.
class VolumeWalk {
 public:
  // `cancelled` may be null.
  VolumeWalk(VolumePlan* plan, Warnings* warnings, const std::atomic<bool>* cancelled)
      : plan_(plan), warnings_(warnings), cancelled_(cancelled) {}

  absl::Status Run(const std::string& root);

 private:
  // A directory whose children are being visited.
  struct Frame {
    uint32_t index = 0;              // its entry
    UniqueFd fd;                     // closed while too many are open; see kMaxOpenFrames
    std::vector<std::string> names;  // children not yet visited, last first
  };

  absl::Status PushDirectory(uint32_t index, UniqueFd fd);
  bool EnsureOpen(Frame* frame);
  void Visit(const std::string& name);
  // Adds an entry and returns its index.
  uint32_t Append(uint32_t parent, std::string_view name, std::string_view link_target,
                  const struct stat& info);
  void NoteOwnerNames(uint32_t uid, uint32_t gid);

  VolumePlan* const plan_;
  Warnings* const warnings_;
  const std::atomic<bool>* const cancelled_;
  std::vector<Frame> frames_;
  std::map<std::pair<uint64_t, uint64_t>, uint32_t> hard_links_;  // (device, inode) -> first entry
  uint64_t next_offset_ = 0;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_VOLUME_WALK_H_
