// LockHolder: the locks that one run holds, kept alive by a thread of its own until it ends.
#ifndef VOLSTREAM_STAGES_LOCK_HOLDER_H_
#define VOLSTREAM_STAGES_LOCK_HOLDER_H_

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "engine/mutex.h"
#include "engine/ticker.h"
#include "stages/event_log.h"
#include "stages/storage.h"
#include "stages/storage_lock.h"

namespace volstream {

// Threads: Take, Confirm and Release by the owner; `on_lost` and `on_event` also run on the
// holder's thread.
class LockHolder {
 public:
  // `on_lost`, where given, hears once of each lock that turns out to be lost while it is renewed.
  // The storages must outlive the holder.
  LockHolder(EventLog on_event, std::function<void(const absl::Status&)> on_lost,
             absl::Duration refresh_interval = kLockRefreshInterval);
  // Releases.
  ~LockHolder() { Release(); }

  absl::Status Take(Storage* storage, std::string_view stem) ABSL_LOCKS_EXCLUDED(mu_);

  // OK only if every lock taken at the storage is held at this moment; asks the destination.
  absl::Status Confirm(const Storage* storage) ABSL_LOCKS_EXCLUDED(mu_);

  // Gives all up. What cannot be is a warning; it runs out by itself.
  void Release() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Held {
    Storage* storage;
    std::unique_ptr<StorageLock> lock;
    bool lost = false;
  };

  void RefreshAll() ABSL_LOCKS_EXCLUDED(mu_);
  void Log(Severity severity, std::string_view text) const {
    if (on_event_) on_event_(severity, text);
  }

  const EventLog on_event_;
  const std::function<void(const absl::Status&)> on_lost_;
  const absl::Duration refresh_interval_;
  Mutex mu_;  // held while a destination is asked
  std::vector<Held> held_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<Ticker> ticker_;  // from the first lock on
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_LOCK_HOLDER_H_
