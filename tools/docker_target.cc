#include "tools/docker_target.h"

#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/status_macros.h"
#include "stages/byte_stream.h"
#include "stages/docker_config.h"
#include "stages/docker_tree_writer.h"
#include "stages/error_kind.h"
#include "stages/own_container.h"
#include "stages/restore_target.h"
#include "stages/tar_watch.h"

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
  // Who may read everything may not give files to everybody.
  if (volume_.not_in_place.empty() && geteuid() != 0) {
    volume_.not_in_place = "only root may write it in place";
  }
  if (!dry_run && !volume_.not_in_place.empty()) {
    log_->Info(absl::StrCat("writing it through the Docker engine, as ", volume_.not_in_place));
  }
  return absl::OkStatus();
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

absl::Status DockerTarget::AddTo(RestoreOptions* options) {
  options->owners = Owners::kByNumber;
  overwrite_ = options->overwrite;
  options->before_write = [this] { return Enter(); };
  if (volume_.not_in_place.empty()) {
    options->target = volume_.volume.mountpoint;
    return absl::OkStatus();
  }
  options->open_writer = [this](TreeWriterOptions writer) { return OpenWriter(std::move(writer)); };
  if (overwrite_ == Overwrite::kRefuse || overwrite_ == Overwrite::kAlways) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "the Docker engine always replaces what is there, and must write volume ", name_, ", as ",
      volume_.not_in_place, ": give --overwrite always, or run as root on the engine's machine"));
}

absl::Status DockerTarget::Enter() {
  // Nothing is stopped for a restore that will be refused.
  if (volume_.not_in_place.empty()) {
    VS_RETURN_IF_ERROR(
        PrepareTarget(volume_.volume.mountpoint, overwrite_ != Overwrite::kRefuse).status());
  } else {
    VS_ASSIGN_OR_RETURN(carrier_,
                        DockerCarrier::Make(docker_.get(), volume_, DockerCarrier::Use::kWrite,
                                            log_->AsEventLog()));
    if (overwrite_ == Overwrite::kRefuse) VS_RETURN_IF_ERROR(CheckEmpty());
  }
  hold_.Arm();
  VS_RETURN_IF_ERROR(window_->Open());
  entered_ = true;
  // As they are now: another may have been started while the archive was looked for.
  VS_ASSIGN_OR_RETURN(const DockerSource now, FindDockerSource(docker_.get(), name_));
  return CheckNobodyWrites(now.users);
}

absl::Status DockerTarget::CheckEmpty() {
  const std::unique_ptr<ByteStream> archive =
      docker_->Archive(carrier_->id(), absl::StrCat(DockerCarrier::kPath, "/."));
  bool empty = true;
  TarWatch watch;
  watch.Visit([&empty](const EntryInfo& entry, const EntryPlace&, bool) {
    empty = empty && entry.path.empty();
    return absl::OkStatus();
  });
  std::vector<uint8_t> buffer(64 * kKiB);
  while (empty) {
    const absl::StatusOr<size_t> bytes = archive->Read(MutableByteSpan(buffer));
    absl::Status status = bytes.status();
    if (status.ok() && *bytes == 0) {
      status = watch.Finish();
      if (status.ok()) return status;
    } else if (status.ok()) {
      status = watch.Feed(ByteSpan(buffer).first(*bytes));
    }
    if (status.ok()) continue;
    // Not the archive's fault, as damaged data would be.
    return absl::UnavailableError(
        absl::StrCat("cannot see whether volume ", name_, " is empty: ", status.message()));
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "volume ", name_,
      " is not empty: choose another, or say with --overwrite always that its files go"));
}

absl::StatusOr<std::unique_ptr<TreeWriter>> DockerTarget::OpenWriter(TreeWriterOptions options) {
  MutexLock lock(&mu_);
  if (cancelled_) return InterruptedError();
  upload_ = docker_->Extract(carrier_->id(), DockerCarrier::kPath);
  return std::make_unique<DockerTreeWriter>(
      upload_.get(), [this] { return docker_->Extract(carrier_->id(), "/"); }, DockerCarrier::kName,
      std::move(options));
}

absl::Status DockerTarget::Finish() {
  {
    // What was begun and not finished ends before containers are back.
    MutexLock lock(&mu_);
    upload_.reset();
  }
  carrier_.reset();
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
  {
    MutexLock lock(&mu_);
    cancelled_ = true;
    if (upload_ != nullptr) upload_->Cancel();
  }
  if (window_ != nullptr) window_->Cancel();
}

}  // namespace volstream
