// Interrupt: Ctrl-C and SIGTERM. The first ends the work cleanly through a callback; the second
// leaves at once with exit code 130.
#ifndef VOLSTREAM_TOOLS_INTERRUPT_H_
#define VOLSTREAM_TOOLS_INTERRUPT_H_

#include <functional>

#include "absl/base/thread_annotations.h"
#include "engine/mutex.h"

namespace volstream {

// One per process, made in main before any other thread: it blocks the signals for all of them and
// takes them on a thread of its own, so the callback may lock and allocate.
class Interrupt {
 public:
  Interrupt();

  // What the first signal runs; an earlier signal runs it at once. An empty function takes the
  // callback away: a first signal then leaves the process.
  void SetCallback(std::function<void()> on_interrupt) ABSL_LOCKS_EXCLUDED(mu_);

  bool seen() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Loop();

  mutable Mutex mu_;
  std::function<void()> on_interrupt_ ABSL_GUARDED_BY(mu_);
  bool seen_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace volstream

#endif  // VOLSTREAM_TOOLS_INTERRUPT_H_
