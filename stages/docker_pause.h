// DockerPause: containers that hold still for a while: stopped or paused, and ALWAYS brought back,
// by Restore() or at the latest by the destructor.
//
// Only those that run are touched, as the engine says right before each; one that was stopped or
// paused by then is left as it is.
// Threads: Apply by one thread, once; Restore by any, any number of times: the first does the work,
// the others wait for it. The client must outlive it.
// A process that is killed cannot bring anything back: `on_step` tells a helper process what to do
// then (tools/docker_rescue.h).
#ifndef VOLSTREAM_STAGES_DOCKER_PAUSE_H_
#define VOLSTREAM_STAGES_DOCKER_PAUSE_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "engine/mutex.h"
#include "stages/docker_client.h"
#include "stages/docker_json.h"
#include "stages/event_log.h"

namespace volstream {

enum class PauseMode { kStop, kPause };

// What has become of a container.
enum class PauseStep {
  kStopping,  // the call was sent: nobody knows yet
  kStopped,
  kPausing,
  kPaused,
  kBack,  // as it was before
};

class DockerPause {
 public:
  using OnStep = std::function<void(PauseStep, const DockerContainer&)>;
  static constexpr char kPauseInstead[] = "use --pause";

  // `on_step` is called before and after each change; may be empty. `instead_of_stop` is the remedy
  // where a container would not survive one.
  DockerPause(DockerClient* client, PauseMode mode, EventLog log, OnStep on_step = nullptr,
              std::string instead_of_stop = kPauseInstead);
  ~DockerPause();
  DockerPause(const DockerPause&) = delete;
  DockerPause& operator=(const DockerPause&) = delete;

  // Stops or pauses them in this order. The first failure ends it; what was done so far stays until
  // Restore. A container that would not survive a stop (--rm, a Swarm task) is refused before any
  // is touched.
  absl::Status Apply(const std::vector<DockerContainer>& containers) ABSL_LOCKS_EXCLUDED(mu_);

  // Brings them back, the last first. An error names each container that did not come back, and
  // each was a warning in the log with the command to run by hand.
  absl::Status Restore() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Entry {
    DockerContainer container;
    bool known = false;  // the engine confirmed the change
  };

  absl::Status CheckSurvivesStop(const DockerContainer& container);
  // OK without entry->known: the container stopped without it, and is none to bring back.
  absl::Status Change(Entry* entry);
  void LeaveAlone(const DockerContainer& container, const std::string& state) const;
  absl::Status BringBack(const Entry& entry);
  void Step(PauseStep step, const DockerContainer& container) const;

  DockerClient* const client_;
  const PauseMode mode_;
  const EventLog log_;
  const OnStep on_step_;
  const std::string instead_of_stop_;
  // Held through the calls: Restore waits for the change that is under way.
  Mutex mu_;
  std::vector<Entry> changed_ ABSL_GUARDED_BY(mu_);
  bool restored_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status outcome_ ABSL_GUARDED_BY(mu_);
};

// Brings one back whose change may not have been confirmed: what DockerPause and the helper do.
absl::Status RestoreContainer(DockerClient* client, PauseMode mode, const std::string& id,
                              bool confirmed);
// "docker start NAME", or unpause.
std::string RestoreCommand(PauseMode mode, const std::string& name);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_DOCKER_PAUSE_H_
