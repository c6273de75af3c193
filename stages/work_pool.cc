#include "stages/work_pool.h"

#include <errno.h>

#include <system_error>

#include "engine/start_threads.h"

namespace volstream {

WorkPool::WorkPool(int threads, uint64_t max_bytes, size_t max_jobs)
    : max_bytes_(max_bytes), max_jobs_(max_jobs) {
  // Fewer do as well.
  if (!StartThreads(
           static_cast<size_t>(threads), [this] { Work(); }, &threads_)
           .ok()) {
    throw std::system_error(EAGAIN, std::generic_category());
  }
}

WorkPool::~WorkPool() {
  {
    MutexLock lock(&mu_);
    ending_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
}

void WorkPool::Submit(Job job, uint64_t bytes) {
  MutexLock lock(&mu_);
  mu_.Await([&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return unfinished_ == 0 || (unfinished_ < max_jobs_ && bytes_ + bytes <= max_bytes_);
  });
  ++unfinished_;
  bytes_ += bytes;
  queue_.push_back({std::move(job), bytes});
}

void WorkPool::Work() {
  while (true) {
    Item item;
    {
      MutexLock lock(&mu_);
      mu_.Await([this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return ending_ || !queue_.empty(); });
      if (queue_.empty()) return;
      item = std::move(queue_.front());
      queue_.pop_front();
    }
    item.job();
    item.job = nullptr;  // what it holds is free before it counts as done
    MutexLock lock(&mu_);
    --unfinished_;
    bytes_ -= item.bytes;
  }
}

}  // namespace volstream
