#include "stages/request_queue.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace volstream {
namespace {

struct StartsLater {
  bool operator()(const QueuedRequest& a, const QueuedRequest& b) const {
    return a.start_at > b.start_at;
  }
};

}  // namespace

void RequestQueue::Push(HttpRequest request, HttpTransport::Done done, Clock::time_point now) {
  Clock::time_point start_at = Clock::time_point::min();
  if (request.delay > absl::ZeroDuration()) {
    start_at = now + absl::ToChronoNanoseconds(request.delay);
  }
  MutexLock lock(&mu_);
  incoming_.push_back({std::move(request), std::move(done), start_at});
}

void RequestQueue::Sweep() {
  MutexLock lock(&mu_);
  sweep_ = true;
}

void RequestQueue::CancelAll() {
  MutexLock lock(&mu_);
  cancel_all_wanted_ = true;
}

void RequestQueue::Stop() {
  MutexLock lock(&mu_);
  cancel_all_wanted_ = true;
  stop_ = true;
}

RequestQueue::Signals RequestQueue::Collect() {
  std::vector<QueuedRequest> taken;
  Signals signals;
  {
    MutexLock lock(&mu_);
    taken.swap(incoming_);
    signals.look_for_cancelled = std::exchange(sweep_, false) || cancel_all_wanted_;
    signals.stop = stop_;
    cancel_all_ = cancel_all_wanted_;
  }
  if (signals.look_for_cancelled) {
    const auto take_from = [this](auto& waiting) {
      const auto kept = std::stable_partition(
          waiting.begin(), waiting.end(),
          [this](const QueuedRequest& queued) { return !IsCancelled(queued.request); });
      std::move(kept, waiting.end(), std::back_inserter(cancelled_));
      waiting.erase(kept, waiting.end());
    };
    take_from(ready_);
    take_from(delayed_);
    std::make_heap(delayed_.begin(), delayed_.end(), StartsLater());
  }
  for (QueuedRequest& queued : taken) {
    if (IsCancelled(queued.request)) {
      cancelled_.push_back(std::move(queued));
    } else if (queued.start_at == Clock::time_point::min()) {
      ready_.push_back(std::move(queued));
    } else {
      delayed_.push_back(std::move(queued));
      std::push_heap(delayed_.begin(), delayed_.end(), StartsLater());
    }
  }
  return signals;
}

std::vector<QueuedRequest> RequestQueue::TakeCancelled() { return std::exchange(cancelled_, {}); }

std::optional<QueuedRequest> RequestQueue::TakeDue(Clock::time_point now) {
  while (!delayed_.empty() && delayed_.front().start_at <= now) {
    std::pop_heap(delayed_.begin(), delayed_.end(), StartsLater());
    ready_.push_back(std::move(delayed_.back()));
    delayed_.pop_back();
  }
  if (ready_.empty()) return std::nullopt;
  QueuedRequest due = std::move(ready_.front());
  ready_.pop_front();
  return due;
}

absl::Duration RequestQueue::UntilDue(Clock::time_point now) const {
  if (!ready_.empty()) return absl::ZeroDuration();
  if (delayed_.empty()) return absl::InfiniteDuration();
  return std::max(absl::FromChrono(delayed_.front().start_at - now), absl::ZeroDuration());
}

}  // namespace volstream
