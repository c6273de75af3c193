// Ticker calls a function at a fixed interval from a thread of its own until it is stopped.
#ifndef VOLSTREAM_ENGINE_TICKER_H_
#define VOLSTREAM_ENGINE_TICKER_H_

#include <functional>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "engine/mutex.h"

namespace volstream {

// Threads: Stop() by the owner. `on_tick` runs on the ticker's thread, never after Stop() returned.
class Ticker {
 public:
  // An infinite interval never ticks and starts no thread.
  Ticker(absl::Duration interval, std::function<void()> on_tick)
      : interval_(interval), on_tick_(std::move(on_tick)) {
    if (interval_ != absl::InfiniteDuration()) thread_ = std::thread([this] { Loop(); });
  }
  ~Ticker() { Stop(); }
  Ticker(const Ticker&) = delete;
  Ticker& operator=(const Ticker&) = delete;

  void Stop() ABSL_LOCKS_EXCLUDED(mu_) {
    {
      MutexLock lock(&mu_);
      stopped_ = true;
    }
    if (thread_.joinable()) thread_.join();
  }

 private:
  void Loop() ABSL_LOCKS_EXCLUDED(mu_) {
    while (true) {
      {
        MutexLock lock(&mu_);
        if (mu_.AwaitWithTimeout([this] { return stopped_; }, interval_)) return;
      }
      on_tick_();
    }
  }

  const absl::Duration interval_;
  const std::function<void()> on_tick_;
  Mutex mu_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace volstream

#endif  // VOLSTREAM_ENGINE_TICKER_H_
