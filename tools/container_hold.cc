#include "tools/container_hold.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/error_kind.h"
#include "stages/own_container.h"

namespace volstream {

absl::Status ContainerHold::Choose(DockerClient* client, const HoldFlags& flags,
                                   std::vector<DockerContainer> found) {
  mode_ = flags.stop ? PauseMode::kStop : PauseMode::kPause;
  if (flags.containers.empty()) held_ = std::move(found);
  for (const std::string& name : flags.containers) {
    absl::StatusOr<DockerContainer> container = client->InspectContainer(name);
    if (!container.ok()) return WithContext(container.status(), absl::StrCat("--container ", name));
    if (!Holds(*container)) held_.push_back(*std::move(container));
  }
  const OwnContainer own = OwnContainer::Find();
  std::erase_if(held_, [&own](const DockerContainer& container) { return own.Is(container); });
  for (const DockerContainer& container : held_) {
    // Who stops itself brings nothing back: the helper ends with the container.
    if (!flags.containers.empty() || !container.running() || !own.MayBe(container)) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        "volstream runs in a container whose id it cannot tell, and container ", container.name,
        " may be it: name those to ", flags.stop ? "stop" : "pause", " with --container NAME"));
  }
  return absl::OkStatus();
}

bool ContainerHold::Holds(const DockerContainer& container) const {
  return std::any_of(held_.begin(), held_.end(), [&container](const DockerContainer& other) {
    return other.id == container.id;
  });
}

void ContainerHold::AddTo(ReadWindowOptions* window) {
  window->pause = mode_;
  window->to_pause = held_;
  window->on_step = [this](PauseStep step, const DockerContainer& container) {
    if (rescue_ != nullptr) rescue_->OnStep(step, container);
  };
}

void ContainerHold::Arm() {
  if (held_.empty()) return;
  absl::StatusOr<std::unique_ptr<DockerRescue>> rescue = DockerRescue::Start(log_);
  if (!rescue.ok()) {
    log_->Warning(absl::StrCat("if volstream is killed, containers will not come back: ",
                               rescue.status().message()));
    return;
  }
  rescue_ = *std::move(rescue);
}

}  // namespace volstream
