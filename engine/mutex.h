// Mutex: a lock on which a thread can wait for a condition over the guarded state.
//
// Why not absl::Mutex, whose form this has: Debian's Abseil is not built for ThreadSanitizer, which
// then sees no order between its critical sections and reports every guarded field as a race. This
// one is std::mutex and std::condition_variable underneath, which ThreadSanitizer knows.
//
// Cost: Unlock() wakes every waiter whose condition might hold now; meant for locks that are taken
// once a block or part, with few waiters.
#ifndef VOLSTREAM_ENGINE_MUTEX_H_
#define VOLSTREAM_ENGINE_MUTEX_H_

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"

namespace volstream {

class ABSL_LOCKABLE Mutex {
 public:
  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { mu_.lock(); }
  void Unlock() ABSL_UNLOCK_FUNCTION() {
    // Notified while locked: a waiter may destroy the Mutex as soon as it holds the lock.
    if (waiters_ > 0) changed_.notify_all();
    mu_.unlock();
  }

  // Waits, with the lock given up, until `condition()` is true. `condition` runs under the lock.
  // REQUIRES: the caller holds the lock.
  template <typename Condition>
  void Await(Condition condition) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    std::unique_lock<std::mutex> lock(mu_, std::adopt_lock);
    ++waiters_;
    changed_.wait(lock, std::move(condition));
    --waiters_;
    lock.release();
  }

  // The same, for at most `timeout`; returns whether the condition is true.
  template <typename Condition>
  bool AwaitWithTimeout(Condition condition,
                        absl::Duration timeout) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    std::unique_lock<std::mutex> lock(mu_, std::adopt_lock);
    ++waiters_;
    const bool met =
        changed_.wait_for(lock, absl::ToChronoNanoseconds(timeout), std::move(condition));
    --waiters_;
    lock.release();
    return met;
  }

 private:
  std::mutex mu_;
  std::condition_variable changed_;
  int waiters_ = 0;  // guarded by mu_
};

class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex* mu) ABSL_EXCLUSIVE_LOCK_FUNCTION(mu) : mu_(mu) { mu_->Lock(); }
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mu_->Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex* const mu_;
};

}  // namespace volstream

#endif  // VOLSTREAM_ENGINE_MUTEX_H_
