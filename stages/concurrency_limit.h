// ConcurrencyLimit: how many requests at a time a server takes, found as TCP finds a link's rate:
// halved when the server asks for less (SlowDown), one more after each full round without that
// (additive increase, multiplicative decrease). Pure: no clock, no lock of its own.
//
// One burst of refusals counts once: a request that was sent before the last decrease says nothing
// of what the server takes since.
#ifndef VOLSTREAM_STAGES_CONCURRENCY_LIMIT_H_
#define VOLSTREAM_STAGES_CONCURRENCY_LIMIT_H_

#include <cstdint>

namespace volstream {

class ConcurrencyLimit {
 public:
  // REQUIRES: max >= 1. Starts at max.
  explicit ConcurrencyLimit(int max) : max_(max), current_(max) {}

  int current() const { return current_; }
  // A mark for a request that is being sent; give it to what comes of it.
  uint64_t epoch() const { return epoch_; }

  // Both return whether the limit has changed.
  bool OnThrottled(uint64_t epoch) {
    successes_ = 0;
    if (epoch != epoch_ || current_ == 1) return false;
    ++epoch_;
    current_ /= 2;
    return true;
  }
  bool OnSuccess() {
    if (current_ == max_ || ++successes_ < current_) return false;
    successes_ = 0;
    ++current_;
    return true;
  }

 private:
  const int max_;
  int current_;
  int successes_ = 0;   // since the limit last changed or a request was refused
  uint64_t epoch_ = 0;  // decreases so far
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_CONCURRENCY_LIMIT_H_
