#include "tools/docker_target.h"

#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/status_macros.h"
#include "stages/docker_config.h"
#include "stages/error_kind.h"
#include "stages/own_container.h"
#include "stages/restore_target.h"

namespace volstream {
namespace {

constexpr char kPrefix[] = "docker:";

// Whether its processes are there, or will go on with the files that they have open.
bool Lives(const DockerContainer& container) {
  return container.running() || container.state == "paused";
}

}  // namespace

void DockerTargetFlags::AddTo(CLI::App* app) {
  const std::string group = "Docker";
  app->add_flag("--create", create, "Make the volume of docker:VOLUME if there is none")
      ->group(group);
  CLI::Option* stop_flag =
      app->add_flag("--stop", hold.stop,
                    "Stop the containers that mount the volume before anything is written, and "
                    "start them at the end");
  stop_flag->group(group);
  app->add_option("--container", hold.containers,
                  "With --stop: stop this container instead; may be repeated")
      ->take_all()
      ->allow_extra_args(false)
      ->needs(stop_flag)
      ->group(group);
  app->add_flag("--live", live,
                "Restore although a container that runs may write to the volume; what it has open "
                "or in memory and what is restored will not fit")
      ->group(group);
}

std::string DockerTargetFlags::Given() const {
  if (create) return "--create";
  if (hold.stop) return "--stop";
  return live ? "--live" : "";
}

bool DockerTarget::IsOne(const std::string& target) { return absl::StartsWith(target, kPrefix); }

absl::StatusOr<std::unique_ptr<DockerTarget>> DockerTarget::Open(const DockerTargetFlags& flags,
                                                                 const std::string& target,
                                                                 bool dry_run, Log* log) {
  const std::string name = target.substr(sizeof(kPrefix) - 1);
  if (name.empty()) {
    return absl::InvalidArgumentError("docker: names no volume: give docker:VOLUME");
  }
  std::unique_ptr<DockerTarget> session(new DockerTarget(name, log));
  session->live_ = flags.live;
  VS_ASSIGN_OR_RETURN(DockerEndpoint endpoint, DockerEndpointFrom(ProcessEnvironment()));
  VS_ASSIGN_OR_RETURN(session->docker_, DockerClient::Connect(std::move(endpoint)));
  VS_RETURN_IF_ERROR(session->FindVolume(flags, dry_run));
  if (dry_run) return session;
  ReadWindowOptions window;
  window.source = target;
  window.docker = session->docker_.get();
  window.log = log->AsEventLog();
  window.instead_of_stop = "stop it by hand, and start it anew after the restore";
  if (flags.hold.stop) {
    VS_RETURN_IF_ERROR(session->ChooseContainers(flags.hold));
    session->hold_.AddTo(&window);
  }
  session->window_ = std::make_unique<ReadWindow>(std::move(window));
  VS_RETURN_IF_ERROR(session->CheckNobodyWrites(session->volume_.users));
  return session;
}

absl::Status DockerTarget::FindVolume(const DockerTargetFlags& flags, bool dry_run) {
  absl::StatusOr<DockerSource> found = FindDockerSource(docker_.get(), name_);
  if (!found.ok() && KindOf(found.status()) == ErrorKind::kVolumeNotFound) {
    if (!flags.create) {
      return MakeError(ErrorKind::kVolumeNotFound, absl::StatusCode::kNotFound,
                       absl::StrCat(found.status().message(), "; to make it, give --create"));
    }
    if (dry_run) return absl::OkStatus();
    VS_ASSIGN_OR_RETURN(const DockerVolume made, docker_->CreateVolume(name_));
    created_ = true;
    log_->Info(absl::StrCat("made Docker volume ", made.name));
    found = FindDockerSource(docker_.get(), name_);
  }
  VS_ASSIGN_OR_RETURN(volume_, std::move(found));
  if (dry_run) return absl::OkStatus();
  const std::string reason =
      geteuid() != 0 && volume_.not_in_place.empty() ? "only root may" : volume_.not_in_place;
  if (reason.empty()) return absl::OkStatus();
  return MakeError(ErrorKind::kPrerequisite, absl::StatusCode::kFailedPrecondition,
                   absl::StrCat("volume ", name_, " cannot be written in place (", reason, ")"));
}

absl::Status DockerTarget::ChooseContainers(const HoldFlags& flags) {
  // Those that only read as well: they would see half of it. Labels are for backups, which most
  // containers survive; this one none does.
  return hold_.Choose(docker_.get(), flags, volume_.users);
}

absl::Status DockerTarget::CheckNobodyWrites(const std::vector<DockerContainer>& users) const {
  if (live_) return absl::OkStatus();
  const OwnContainer own = OwnContainer::Find();
  std::vector<std::string> writers;
  bool paused = false;
  for (const DockerContainer& user : users) {
    if (!Lives(user) || !user.WritesTo(name_) || own.Is(user)) continue;
    if (user.running() && hold_.Holds(user) && !entered_) continue;
    paused = paused || !user.running();
    writers.push_back(absl::StrCat(user.name, " (", user.state, ")"));
  }
  if (writers.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("volume ", name_, " is in use by container ", absl::StrJoin(writers, ", "),
                   ", which what is restored would damage, or be damaged by: ",
                   paused                 ? "stop by hand what is paused"
                   : hold_.held().empty() ? "give --stop to stop it meanwhile"
                                          : "name it with --container too",
                   ", or --live to go on anyway"));
}

void DockerTarget::AddTo(RestoreOptions* options) {
  options->target = volume_.volume.mountpoint;
  options->owners = Owners::kByNumber;
  overwrite_ = options->overwrite;
  options->before_write = [this] { return Enter(); };
}

absl::Status DockerTarget::Enter() {
  // Nothing is stopped for a restore that will be refused.
  VS_RETURN_IF_ERROR(
      PrepareTarget(volume_.volume.mountpoint, overwrite_ != Overwrite::kRefuse).status());
  hold_.Arm();
  VS_RETURN_IF_ERROR(window_->Open());
  entered_ = true;
  // As they are now: another may have been started while the archive was looked for.
  VS_ASSIGN_OR_RETURN(const DockerSource now, FindDockerSource(docker_.get(), name_));
  return CheckNobodyWrites(now.users);
}

absl::Status DockerTarget::Finish() {
  return window_ == nullptr ? absl::OkStatus() : window_->Finish(/*backup_ok=*/true);
}

DockerTarget::~DockerTarget() {
  if (!created_ || entered_) return;
  const absl::Status status = docker_->RemoveVolume(name_);
  if (status.ok()) return;
  log_->Warning(absl::StrCat("the volume made for this stays behind, empty: ", status.message(),
                             "; remove it with: docker volume rm ", name_));
}

void DockerTarget::Cancel() {
  docker_->Cancel();
  if (window_ != nullptr) window_->Cancel();
}

}  // namespace volstream
