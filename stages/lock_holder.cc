#include "stages/lock_holder.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"

namespace volstream {

LockHolder::LockHolder(EventLog on_event, std::function<void(const absl::Status&)> on_lost,
                       absl::Duration refresh_interval)
    : on_event_(std::move(on_event)),
      on_lost_(std::move(on_lost)),
      refresh_interval_(refresh_interval) {}

absl::Status LockHolder::Take(Storage* storage, std::string_view stem) {
  VS_ASSIGN_OR_RETURN(std::unique_ptr<StorageLock> lock, storage->Lock(stem));
  for (const std::string& note : lock->notes()) Log(Severity::kWarning, note);
  {
    MutexLock guard(&mu_);
    held_.push_back({storage, std::move(lock)});
  }
  if (ticker_ == nullptr) {
    ticker_ = std::make_unique<Ticker>(refresh_interval_, [this] { RefreshAll(); });
  }
  return absl::OkStatus();
}

void LockHolder::RefreshAll() {
  std::vector<absl::Status> losses;
  {
    MutexLock guard(&mu_);
    for (Held& held : held_) {
      if (held.lost) continue;
      const absl::Status status = held.lock->Refresh();
      // Anything else may pass, and before something is removed Confirm asks again.
      if (!absl::IsAborted(status)) continue;
      held.lost = true;
      losses.push_back(status);
    }
  }
  for (const absl::Status& status : losses) {
    if (on_lost_) on_lost_(status);
  }
}

absl::Status LockHolder::Confirm(const Storage* storage) {
  MutexLock guard(&mu_);
  for (const Held& held : held_) {
    if (held.storage == storage) VS_RETURN_IF_ERROR(held.lock->Refresh());
  }
  return absl::OkStatus();
}

void LockHolder::Release() {
  if (ticker_ != nullptr) ticker_->Stop();
  ticker_.reset();
  std::vector<Held> held;
  {
    MutexLock guard(&mu_);
    held.swap(held_);
  }
  for (const Held& one : held) {
    const absl::Status status = one.lock->Release();
    if (status.ok()) continue;
    Log(Severity::kWarning,
        absl::StrCat("the lock at ", one.storage->Url(),
                     " could not be given up and runs out by itself: ", status.message()));
  }
}

}  // namespace volstream
