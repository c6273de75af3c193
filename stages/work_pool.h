// WorkPool: a few threads that do what one thread hands them, with a bound on what waits.
#ifndef VOLSTREAM_STAGES_WORK_POOL_H_
#define VOLSTREAM_STAGES_WORK_POOL_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "engine/mutex.h"

namespace volstream {

// Threads: Submit and Await by one thread at a time; jobs run on the pool's.
class WorkPool {
 public:
  // Must not throw.
  using Job = std::function<void()>;

  // Throws std::system_error where the system gives not one thread.
  WorkPool(int threads, uint64_t max_bytes, size_t max_jobs);
  // Does what was submitted.
  ~WorkPool();
  WorkPool(const WorkPool&) = delete;
  WorkPool& operator=(const WorkPool&) = delete;

  // Waits for room: jobs of at most max_bytes, and one at least, are under way at a time.
  void Submit(Job job, uint64_t bytes) ABSL_LOCKS_EXCLUDED(mu_);

  // Waits until `condition()`, which only ends of jobs may make true, is; or all jobs have ended.
  // It runs under the pool's lock.
  template <typename Condition>
  void Await(Condition condition) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(&mu_);
    mu_.Await([&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return unfinished_ == 0 || condition(); });
  }
  void AwaitAll() {
    Await([] { return false; });
  }

 private:
  struct Item {
    Job job;
    uint64_t bytes = 0;
  };
  void Work() ABSL_LOCKS_EXCLUDED(mu_);

  const uint64_t max_bytes_;
  const size_t max_jobs_;
  Mutex mu_;
  std::deque<Item> queue_ ABSL_GUARDED_BY(mu_);
  uint64_t bytes_ ABSL_GUARDED_BY(mu_) = 0;     // of unfinished jobs
  size_t unfinished_ ABSL_GUARDED_BY(mu_) = 0;  // queued or running
  bool ending_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_WORK_POOL_H_
