#include "stages/docker_pause.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "engine/status_macros.h"
#include "stages/error_kind.h"

namespace volstream {
namespace {

constexpr char kSwarmLabel[] = "com.docker.swarm.task.id";
constexpr int kRestoreTries = 4;
constexpr absl::Duration kFirstRestoreWait = absl::Milliseconds(100);

}  // namespace

std::string RestoreCommand(PauseMode mode, const std::string& name) {
  return absl::StrCat(mode == PauseMode::kStop ? "docker start " : "docker unpause ", name);
}

absl::Status RestoreContainer(DockerClient* client, PauseMode mode, const std::string& id,
                              bool confirmed) {
  if (mode == PauseMode::kPause) {
    absl::Status status = client->UnpauseContainer(id);
    if (status.ok()) return status;
    // Unpausing what is not paused is an error to the engine, and all one wants here.
    const absl::StatusOr<DockerContainer> now =
        client->InspectContainer(id, DockerClient::Ends::kByItself);
    return now.ok() && now->state != "paused" ? absl::OkStatus() : status;
  }
  // The engine goes on with a stop whose caller went away; a start before its end would do nothing.
  if (!confirmed) client->StopContainer(id).status().IgnoreError();
  return client->StartContainer(id);
}

DockerPause::DockerPause(DockerClient* client, PauseMode mode, EventLog log, OnStep on_step,
                         std::string instead_of_stop)
    : client_(client),
      mode_(mode),
      log_(std::move(log)),
      on_step_(std::move(on_step)),
      instead_of_stop_(std::move(instead_of_stop)) {}

DockerPause::~DockerPause() { Restore().IgnoreError(); }

void DockerPause::Step(PauseStep step, const DockerContainer& container) const {
  if (on_step_) on_step_(step, container);
}

absl::Status DockerPause::CheckSurvivesStop(const DockerContainer& container) {
  const absl::StatusOr<DockerContainer> now = client_->InspectContainer(container.id);
  if (absl::IsNotFound(now.status())) return absl::OkStatus();  // Apply says so
  VS_RETURN_IF_ERROR(now.status());
  const DockerContainer& inspected = *now;
  if (!inspected.running()) return absl::OkStatus();
  if (inspected.auto_remove) {
    return absl::FailedPreconditionError(
        absl::StrCat("container ", container.name,
                     " was started with --rm and would be gone once stopped: ", instead_of_stop_));
  }
  if (!inspected.Label(kSwarmLabel).empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("container ", container.name,
                     " belongs to a Swarm service, which would replace it: ", instead_of_stop_));
  }
  return absl::OkStatus();
}

absl::Status DockerPause::Apply(const std::vector<DockerContainer>& containers) {
  MutexLock lock(&mu_);
  if (mode_ == PauseMode::kStop) {
    for (const DockerContainer& container : containers) {
      VS_RETURN_IF_ERROR(CheckSurvivesStop(container));
    }
  }
  for (const DockerContainer& container : containers) {
    if (restored_ || client_->cancelled()) {
      return InterruptedError();
    }
    // Not as it was when the source was found: a pre-hook or somebody else may have stopped it
    // since.
    const absl::StatusOr<DockerContainer> now = client_->InspectContainer(container.id);
    if (!now.ok() && !absl::IsNotFound(now.status())) return now.status();
    if (!now.ok() || !now->running()) {
      LeaveAlone(container, now.ok() ? now->state : "gone");
      continue;
    }
    changed_.push_back(Entry{container, false});
    VS_RETURN_IF_ERROR(Change(&changed_.back()));
    if (!changed_.back().known) changed_.pop_back();  // it had stopped by itself
  }
  return absl::OkStatus();
}

void DockerPause::LeaveAlone(const DockerContainer& container, const std::string& state) const {
  log_(Severity::kInfo, absl::StrCat("container ", container.name, " is ", state, " and stays so"));
}

absl::Status DockerPause::Change(Entry* entry) {
  const DockerContainer& container = entry->container;
  const bool stop = mode_ == PauseMode::kStop;
  log_(Severity::kInfo, absl::StrCat(stop ? "stopping" : "pausing", " container ", container.name));
  Step(stop ? PauseStep::kStopping : PauseStep::kPausing, container);
  absl::Status status;
  if (stop) {
    const absl::StatusOr<bool> stopped = client_->StopContainer(container.id);
    status = stopped.status();
    if (stopped.ok() && !*stopped) {
      Step(PauseStep::kBack, container);
      LeaveAlone(container, "stopped by itself");
      return absl::OkStatus();
    }
  } else {
    status = client_->PauseContainer(container.id);
  }
  if (!status.ok()) {
    return WithContext(
        status, absl::StrCat("cannot ", stop ? "stop" : "pause", " container ", container.name));
  }
  entry->known = true;
  Step(stop ? PauseStep::kStopped : PauseStep::kPaused, container);
  return absl::OkStatus();
}

absl::Status DockerPause::BringBack(const Entry& entry) {
  absl::Status status;
  absl::Duration wait = kFirstRestoreWait;
  for (int i = 0; i < kRestoreTries; ++i, wait *= 2) {
    if (i > 0) absl::SleepFor(wait);
    status = RestoreContainer(client_, mode_, entry.container.id, entry.known);
    if (status.ok() || absl::IsNotFound(status)) break;
  }
  return status;
}

absl::Status DockerPause::Restore() {
  MutexLock lock(&mu_);
  if (std::exchange(restored_, true)) return outcome_;
  const bool stop = mode_ == PauseMode::kStop;
  std::vector<std::string> failed;
  for (auto entry = changed_.rbegin(); entry != changed_.rend(); ++entry) {
    const DockerContainer& container = entry->container;
    const absl::Status status = BringBack(*entry);
    if (status.ok()) {
      Step(PauseStep::kBack, container);
      log_(Severity::kInfo,
           absl::StrCat("container ", container.name, stop ? " is started again" : " goes on"));
      continue;
    }
    failed.push_back(container.name);
    log_(Severity::kWarning,
         absl::StrCat("CONTAINER ", container.name, " IS STILL ", stop ? "STOPPED" : "PAUSED", ": ",
                      status.message(), "; run: ", RestoreCommand(mode_, container.name)));
  }
  changed_.clear();
  if (!failed.empty()) {
    outcome_ =
        MakeError(ErrorKind::kPartial, absl::StatusCode::kUnavailable,
                  absl::StrCat("not brought back: container ", absl::StrJoin(failed, ", "),
                               "; run: ", RestoreCommand(mode_, absl::StrJoin(failed, " "))));
  }
  return outcome_;
}

}  // namespace volstream
