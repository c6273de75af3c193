#include "stages/read_window.h"

#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/absl_text.h"
#include "stages/docker_exec.h"
#include "stages/error_kind.h"

namespace volstream {
namespace {

constexpr char kSourceVariable[] = "VOLSTREAM_SOURCE";
constexpr char kStatusVariable[] = "VOLSTREAM_STATUS";

absl::Status HookError(const absl::Status& status, const std::string& what) {
  if (status.ok()) return status;
  if (absl::IsCancelled(status)) {
    return InterruptedError();
  }
  return WithKind(WithContext(status, absl::StrCat(what, " failed")), ErrorKind::kGeneral);
}

}  // namespace

ReadWindow::ReadWindow(ReadWindowOptions options) : options_(std::move(options)) {
  if (options_.docker != nullptr && options_.pause.has_value()) {
    pause_.emplace(options_.docker, *options_.pause, options_.log, options_.on_step,
                   options_.instead_of_stop);
  }
}

ReadWindow::~ReadWindow() {
  Close();
  FinishLeaving();
}

absl::Status ReadWindow::RunHostHook(const std::string& what, const std::string& command,
                                     const std::string& status) {
  std::map<std::string, std::string> environment = {{kSourceVariable, options_.source}};
  if (!status.empty()) environment[kStatusVariable] = status;
  HostCommand hook(command, std::move(environment));
  {
    MutexLock lock(&mu_);
    running_ = &hook;
    // A post-hook runs although the backup was interrupted.
    if (status.empty() && cancelled_->load()) hook.Cancel();
  }
  options_.log(Severity::kInfo, absl::StrCat("running the ", what));
  const absl::Status result = hook.Run(options_.hook_timeout, [&](std::string_view line) {
    options_.log(Severity::kInfo, absl::StrCat(what, ": ", ToAbsl(line)));
  });
  MutexLock lock(&mu_);
  running_ = nullptr;
  return HookError(result, absl::StrCat("the ", what));
}

absl::Status ReadWindow::RunContainerHook(const DockerContainer& container, const char* label,
                                          const std::string& status,
                                          const std::shared_ptr<const CancelFlag>& cancelled) {
  const std::string what = absl::StrCat(label, " of ", container.name);
  options_.log(Severity::kInfo, absl::StrCat("running ", what));
  std::vector<std::string> environment = {absl::StrCat(kSourceVariable, "=", options_.source)};
  if (!status.empty()) environment.push_back(absl::StrCat(kStatusVariable, "=", status));
  const absl::Status result = RunInContainer(
      options_.docker, container, container.Label(label), environment, options_.hook_timeout,
      [&](std::string_view line) {
        options_.log(Severity::kInfo, absl::StrCat(container.name, ": ", ToAbsl(line)));
      },
      cancelled);
  return HookError(result, what);
}

absl::Status ReadWindow::PreHooks() {
  if (!options_.pre_hook.empty() || !options_.post_hook.empty()) host_hook_begun_ = true;
  if (!options_.pre_hook.empty()) {
    VS_RETURN_IF_ERROR(RunHostHook("pre-hook", options_.pre_hook, ""));
  }
  for (const DockerContainer& container : options_.hooked) {
    const bool pre = !container.Label(kPreHookLabel).empty();
    if (!pre && container.Label(kPostHookLabel).empty()) continue;
    if (container.state != "running") {
      options_.log(Severity::kInfo, absl::StrCat("container ", container.name, " is ",
                                                 container.state, ": its hooks are left out"));
      continue;
    }
    entered_.push_back(container);
    if (pre) VS_RETURN_IF_ERROR(RunContainerHook(container, kPreHookLabel, "", cancelled_));
  }
  return absl::OkStatus();
}

absl::Status ReadWindow::Open() {
  {
    MutexLock lock(&mu_);
    opened_ = true;
  }
  absl::Status status = PreHooks();
  if (status.ok() && cancelled_->load()) status = InterruptedError();
  if (status.ok() && pause_.has_value()) status = pause_->Apply(options_.to_pause);
  open_failed_ = !status.ok();
  return status;
}

void ReadWindow::Close() {
  MutexLock lock(&mu_);
  if (!opened_ || std::exchange(closed_, true)) return;
  // Starting a container takes its time, and the caller is a thread that has other work.
  try {
    leaving_ = std::thread([this] { Leave(); });
  } catch (const std::system_error&) {
    leave_in_finish_ = true;  // no thread to be had
  }
}

void ReadWindow::FinishLeaving() {
  std::thread leaving;
  bool leave_here = false;
  {
    MutexLock lock(&mu_);
    leaving = std::move(leaving_);
    leave_here = std::exchange(leave_in_finish_, false);
  }
  if (leaving.joinable()) leaving.join();
  if (leave_here) Leave();
}

void ReadWindow::Leave() {
  if (pause_.has_value()) Note(pause_->Restore());
  for (auto container = entered_.rbegin(); container != entered_.rend(); ++container) {
    if (container->Label(kPostHookLabel).empty()) continue;
    const absl::Status status =
        RunContainerHook(*container, kPostHookLabel, open_failed_ ? "failed" : "ok", nullptr);
    if (!status.ok()) options_.log(Severity::kWarning, std::string(status.message()));
    Note(status);
  }
}

void ReadWindow::Note(const absl::Status& status) {
  MutexLock lock(&mu_);
  if (after_.ok() && !status.ok()) {
    after_ = MakeError(ErrorKind::kPartial, status.code(),
                       std::string_view(status.message().data(), status.message().size()));
  }
}

absl::Status ReadWindow::Finish(bool backup_ok) {
  Close();
  FinishLeaving();
  if (host_hook_begun_ && !options_.post_hook.empty()) {
    const absl::Status status =
        RunHostHook("post-hook", options_.post_hook, backup_ok ? "ok" : "failed");
    if (!status.ok()) options_.log(Severity::kWarning, std::string(status.message()));
    Note(status);
  }
  MutexLock lock(&mu_);
  return after_;
}

void ReadWindow::Cancel() {
  cancelled_->store(true);
  if (options_.docker != nullptr) options_.docker->Sweep();
  MutexLock lock(&mu_);
  if (running_ != nullptr) running_->Cancel();
}

}  // namespace volstream
