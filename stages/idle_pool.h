// IdlePool keeps objects that are costly to make while nobody uses them: one for each concurrent
// user at most. Threads: any.
#ifndef VOLSTREAM_STAGES_IDLE_POOL_H_
#define VOLSTREAM_STAGES_IDLE_POOL_H_

#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "engine/mutex.h"

namespace volstream {

template <typename T>
class IdlePool {
 public:
  // The one that was returned last, as caches still hold it; null if all are in use.
  std::unique_ptr<T> Take() ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(&mu_);
    if (idle_.empty()) return nullptr;
    std::unique_ptr<T> object = std::move(idle_.back());
    idle_.pop_back();
    return object;
  }

  void Return(std::unique_ptr<T> object) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(&mu_);
    idle_.push_back(std::move(object));
  }

 private:
  Mutex mu_;
  std::vector<std::unique_ptr<T>> idle_ ABSL_GUARDED_BY(mu_);
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_IDLE_POOL_H_
