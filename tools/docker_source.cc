#include "tools/docker_source.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <string_view>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "engine/status_macros.h"
#include "stages/docker_config.h"
#include "stages/docker_stream.h"
#include "stages/error_kind.h"
#include "stages/piped_input.h"
#include "tools/commands.h"
#include "tools/progress_line.h"

namespace volstream {
namespace {

constexpr char kPrefix[] = "docker:";
constexpr char kStandardInput[] = "-";

std::string StatesOf(const std::vector<DockerContainer>& containers) {
  if (containers.empty()) return "used by no container";
  std::vector<std::string> texts;
  for (const DockerContainer& container : containers) {
    texts.push_back(absl::StrCat(container.name, " (", container.state, ")"));
  }
  return absl::StrCat("used by ", absl::StrJoin(texts, ", "));
}

bool IsLabelled(const DockerContainer& container) {
  return container.Label(ReadWindow::kStopLabel) == "true";
}

// Whether one of the two directories holds the other, or both are the same.
bool Overlap(const std::filesystem::path& a, const std::filesystem::path& b) {
  const auto ends = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return ends.first == a.end() || ends.second == b.end();
}

// The engine says a bind mount's source as its user wrote it. Symlinks are followed where they are
// this machine's.
std::filesystem::path Resolved(const std::string& source, bool local) {
  std::error_code error;
  const std::filesystem::path path = std::filesystem::canonical(source, error);
  return local && !error ? path : std::filesystem::path(source);
}

}  // namespace

void DockerFlags::AddTo(CLI::App* app) {
  TakesSize(app->add_option("--expected-size", expected_bytes,
                            "About how long a SOURCE of unknown length may get, such as 2TiB: its "
                            "parts begin larger, so that more fits in the same --memory"))
      ->group("Source");
  const std::string group = "Docker and hooks";
  CLI::Option* stop_flag = app->add_flag(
      "--stop", hold.stop,
      "Stop containers while the source is read: those labelled volstream.stop-during-backup=true "
      "that use it, or if none is, all that may write to it");
  app->add_flag("--pause", hold.pause, "The same, but pause them")
      ->excludes(stop_flag)
      ->group(group);
  stop_flag->group(group);
  app->add_option("--container", hold.containers,
                  "Stop or pause this container instead; may be repeated")
      ->take_all()
      ->allow_extra_args(false)
      ->group(group);
  app->add_option("--pre-hook", pre_hook,
                  "Shell command to run here before the reading; if it fails, nothing is read")
      ->group(group);
  app->add_option("--post-hook", post_hook,
                  "Shell command to run at the end, with VOLSTREAM_STATUS=ok or failed")
      ->group(group);
  app->add_option("--hook-timeout", hook_timeout, "How long one hook may take, such as 90s (10m)")
      ->check([](const std::string& text) -> std::string {
        absl::Duration duration;
        return absl::ParseDuration(text, &duration) && duration > absl::ZeroDuration()
                   ? ""
                   : "not a duration such as 90s or 10m: " + text;
      })
      ->group(group);
}

absl::StatusOr<std::unique_ptr<SourceSession>> SourceSession::Open(const DockerFlags& flags,
                                                                   const std::string& source,
                                                                   Log* log) {
  std::unique_ptr<SourceSession> session(new SourceSession(log));
  const bool holds = flags.hold.holds();
  if (!flags.hold.containers.empty() && !holds) {
    return absl::InvalidArgumentError("--container needs --stop or --pause: add one of them");
  }
  absl::string_view volume(source);
  if (absl::ConsumePrefix(&volume, kPrefix) || source.empty()) {
    VS_RETURN_IF_ERROR(session->Connect());
    VS_RETURN_IF_ERROR(session->FindVolume(std::string(volume)));
  } else if (source == kStandardInput) {
    VS_RETURN_IF_ERROR(session->OpenStandardInput());
    if (holds) VS_RETURN_IF_ERROR(session->Connect());
  } else {
    session->source_ = source;
    if (holds) {
      VS_RETURN_IF_ERROR(session->Connect());
      VS_RETURN_IF_ERROR(session->FindUsersOf(source));
    }
  }
  ReadWindowOptions window;
  window.source = session->name_.empty() ? session->source_ : absl::StrCat(kPrefix, session->name_);
  window.pre_hook = flags.pre_hook;
  window.post_hook = flags.post_hook;
  absl::ParseDuration(flags.hook_timeout, &window.hook_timeout);
  window.docker = session->docker_.get();
  window.hooked = session->volume_.users;
  window.log = [log](Severity severity, std::string_view text) { log->Write(severity, text); };
  if (holds) VS_RETURN_IF_ERROR(session->ChooseContainers(flags.hold, &window));
  if (!session->volume_.not_in_place.empty()) {
    session->stream_ = std::make_unique<DockerStream>(session->docker_.get(), session->volume_,
                                                      session->HeldStill(), window.log);
  }
  if (flags.expected_bytes > 0) session->bytes_hint_ = flags.expected_bytes;
  session->window_ = std::make_unique<ReadWindow>(std::move(window));
  return session;
}

absl::Status SourceSession::Connect() {
  VS_ASSIGN_OR_RETURN(DockerEndpoint endpoint, DockerEndpointFrom(ProcessEnvironment()));
  VS_ASSIGN_OR_RETURN(docker_, DockerClient::Connect(std::move(endpoint)));
  return absl::OkStatus();
}

absl::Status SourceSession::FindVolume(const std::string& name) {
  VS_ASSIGN_OR_RETURN(volume_, FindDockerSource(docker_.get(), name));
  name_ = volume_.volume.name;
  log_->Info(absl::StrCat("Docker volume ", name_, ", ", StatesOf(volume_.users)));
  if (volume_.not_in_place.empty()) {
    source_ = volume_.volume.mountpoint;
    return absl::OkStatus();
  }
  source_ = absl::StrCat(kPrefix, name_);
  // A guess for the size of parts; without one they are large.
  const absl::StatusOr<std::map<std::string, uint64_t>> sizes = docker_->VolumeSizes();
  if (sizes.ok() && sizes->count(name_) > 0) bytes_hint_ = sizes->at(name_);
  log_->Info(absl::StrCat("reading it through the Docker engine, as ", volume_.not_in_place,
                          bytes_hint_ > 0 ? absl::StrCat("; about ", BytesText(bytes_hint_)) : ""));
  return absl::OkStatus();
}

absl::Status SourceSession::OpenStandardInput() {
  source_ = "standard input";
  VS_ASSIGN_OR_RETURN(std::unique_ptr<PipedInput> input, PipedInput::Open(STDIN_FILENO));
  stream_is_tar_ = input->is_tar();
  log_->Info(stream_is_tar_ ? "standard input is a tar stream, and is stored as one"
                            : "standard input is no tar stream: it is stored without entries");
  stream_ = std::move(input);
  return absl::OkStatus();
}

absl::Status SourceSession::FindUsersOf(const std::string& directory) {
  VS_ASSIGN_OR_RETURN(const std::vector<DockerContainer> containers, docker_->ListContainers());
  std::error_code error;
  const std::filesystem::path wanted = std::filesystem::canonical(directory, error);
  if (error) return absl::OkStatus();  // the backup says what is wrong with it
  const bool local = docker_->endpoint().local();
  for (const DockerContainer& container : containers) {
    const bool uses = std::any_of(
        container.mounts.begin(), container.mounts.end(), [&](const DockerMount& mount) {
          return !mount.source.empty() && Overlap(wanted, Resolved(mount.source, local)) &&
                 (mount.writable || IsLabelled(container));
        });
    if (uses) volume_.users.push_back(container);
  }
  return absl::OkStatus();
}

absl::Status SourceSession::ChooseContainers(const HoldFlags& flags, ReadWindowOptions* window) {
  std::vector<DockerContainer> found;
  std::copy_if(volume_.users.begin(), volume_.users.end(), std::back_inserter(found), IsLabelled);
  // Who only reads does no harm.
  if (found.empty()) {
    std::copy_if(
        volume_.users.begin(), volume_.users.end(), std::back_inserter(found),
        [this](const DockerContainer& user) { return name_.empty() || user.WritesTo(name_); });
  }
  VS_RETURN_IF_ERROR(hold_.Choose(docker_.get(), flags, std::move(found)));
  if (hold_.held().empty()) {
    log_->Warning(absl::StrCat("no container writes to ", source_, ", so none is ",
                               flags.stop ? "stopped" : "paused",
                               "; choose one with --container NAME"));
  }
  if (!flags.containers.empty()) {
    for (const DockerContainer& container : hold_.held()) {
      const auto same = [&container](const DockerContainer& other) {
        return other.id == container.id;
      };
      if (std::none_of(window->hooked.begin(), window->hooked.end(), same)) {
        window->hooked.push_back(container);
      }
    }
  }
  hold_.AddTo(window);
  return absl::OkStatus();
}

bool SourceSession::HeldStill() const {
  return !hold_.held().empty() || std::none_of(volume_.users.begin(), volume_.users.end(),
                                               [this](const DockerContainer& user) {
                                                 return user.running() && user.WritesTo(name_);
                                               });
}

absl::Status SourceSession::Enter() {
  hold_.Arm();
  return window_->Open();
}

void SourceSession::AddTo(BackupOptions* options) {
  options->source = source_;
  if (options->name.empty()) options->name = name_;
  options->stream = stream_.get();
  options->stream_is_tar = stream_is_tar_;
  options->stream_bytes_hint = bytes_hint_;
  options->before_read = [this] { return Enter(); };
  options->after_read = [this] { window_->Close(); };
}

absl::Status SourceSession::Finish(bool backup_ok) { return window_->Finish(backup_ok); }

void SourceSession::Cancel() {
  if (docker_ != nullptr) docker_->Cancel();
  window_->Cancel();
}

}  // namespace volstream
