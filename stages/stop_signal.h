// StopSignal: tells whoever waits for a network or a process on another's behalf that the answer is
// no longer wanted.
//
// Threads: all methods are safe to call concurrently.
#ifndef VOLSTREAM_STAGES_STOP_SIGNAL_H_
#define VOLSTREAM_STAGES_STOP_SIGNAL_H_

#include <functional>
#include <list>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "engine/mutex.h"

namespace volstream {

class StopSignal {
 public:
  using OnStop = std::function<void()>;

  // For good.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(&mu_);
    stopped_ = true;
    for (const OnStop& on_stop : listeners_) on_stop();
  }

  // While it lives, Stop() calls `on_stop`, which must be quick and not use the signal; at once if
  // the signal was given before. `signal` is borrowed and may be null.
  class Listener {
   public:
    Listener(StopSignal* signal, OnStop on_stop) : signal_(signal) {
      if (signal_ == nullptr) return;
      MutexLock lock(&signal_->mu_);
      if (signal_->stopped_) on_stop();
      place_ = signal_->listeners_.insert(signal_->listeners_.end(), std::move(on_stop));
    }
    ~Listener() {
      if (signal_ == nullptr) return;
      MutexLock lock(&signal_->mu_);
      signal_->listeners_.erase(place_);
    }
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

   private:
    StopSignal* const signal_;
    std::list<OnStop>::iterator place_;
  };

 private:
  Mutex mu_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  std::list<OnStop> listeners_ ABSL_GUARDED_BY(mu_);
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_STOP_SIGNAL_H_
