// Notification: an event that happens once, for which any number of threads may wait.
#ifndef VOLSTREAM_ENGINE_NOTIFICATION_H_
#define VOLSTREAM_ENGINE_NOTIFICATION_H_

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "engine/mutex.h"

namespace volstream {

// Threads: safe for concurrent calls. A waiter may destroy it as soon as its wait returned.
class Notification {
 public:
  // REQUIRES: at most one call.
  void Notify() ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(&mu_);
    notified_ = true;
  }
  bool HasBeenNotified() const ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(&mu_);
    return notified_;
  }
  void WaitForNotification() const ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(&mu_);
    mu_.Await([this] { return Notified(); });
  }
  bool WaitForNotificationWithTimeout(absl::Duration timeout) const ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(&mu_);
    return mu_.AwaitWithTimeout([this] { return Notified(); }, timeout);
  }

 private:
  bool Notified() const ABSL_NO_THREAD_SAFETY_ANALYSIS { return notified_; }

  mutable Mutex mu_;
  bool notified_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace volstream

#endif  // VOLSTREAM_ENGINE_NOTIFICATION_H_
