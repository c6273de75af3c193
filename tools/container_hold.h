// ContainerHold: which containers stand still while volstream is at work on what they use, and the
// helper process that brings them back should volstream be killed. A ReadWindow does the holding.
//
// Threads: one at a time, but for the steps that the window reports.
#ifndef VOLSTREAM_TOOLS_CONTAINER_HOLD_H_
#define VOLSTREAM_TOOLS_CONTAINER_HOLD_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "stages/docker_client.h"
#include "stages/read_window.h"
#include "tools/docker_rescue.h"
#include "tools/log.h"

namespace volstream {

struct HoldFlags {
  bool stop = false;
  bool pause = false;
  std::vector<std::string> containers;  // these instead of those found

  bool holds() const { return stop || pause; }
};

class ContainerHold {
 public:
  // The log must outlive it.
  explicit ContainerHold(Log* log) : log_(log) {}

  // Chooses those that the flags name, or else all of `found`; never the one that volstream itself
  // runs in. REQUIRES: flags.holds().
  absl::Status Choose(DockerClient* client, const HoldFlags& flags,
                      std::vector<DockerContainer> found);

  const std::vector<DockerContainer>& held() const { return held_; }
  bool Holds(const DockerContainer& container) const;

  // Has the window hold them. It must go before this does.
  void AddTo(ReadWindowOptions* window);
  // Starts the helper process, if there is something to hold; a warning where it cannot. Right
  // before the window opens.
  void Arm();

 private:
  Log* const log_;
  PauseMode mode_ = PauseMode::kStop;
  std::vector<DockerContainer> held_;
  std::unique_ptr<DockerRescue> rescue_;
};

}  // namespace volstream

#endif  // VOLSTREAM_TOOLS_CONTAINER_HOLD_H_
