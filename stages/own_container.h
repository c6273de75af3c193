// OwnContainer: which container this process runs in, if any, so that it never holds itself still.
//
// Sources: /proc/self/cgroup, the engine's files mounted over /etc/hostname and the like (they lie
// in .../containers/ID/), and a host name of 12 hex digits, which is the start of the id unless the
// user chose another. With host networking, `hostname:` or private cgroups some of them are silent.
// A container that shares another one's network sees the other's files, and takes it for its own.
#ifndef VOLSTREAM_STAGES_OWN_CONTAINER_H_
#define VOLSTREAM_STAGES_OWN_CONTAINER_H_

#include <set>
#include <string>

#include "stages/docker_json.h"

namespace volstream {

class OwnContainer {
 public:
  // `root` is "" outside of tests: where /proc and the markers are looked for.
  static OwnContainer Find(const std::string& root = "");

  bool inside() const { return inside_; }
  bool Is(const DockerContainer& container) const;
  // Whether it cannot be told: in a container of unknown id, which shows a mount at each place
  // where that one has one.
  bool MayBe(const DockerContainer& container) const;

 private:
  bool inside_ = false;
  std::set<std::string> ids_;  // 64 hex digits, or the first 12
  std::set<std::string> mount_points_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_OWN_CONTAINER_H_
