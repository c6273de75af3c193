// Handoff carries a happens-before edge from the thread that passes a message on to the thread that
// takes it. oneTBB's scheduler already orders the two; its library is not built for
// ThreadSanitizer, which sees the order only through this flag. Costs one store and one load.
#ifndef VOLSTREAM_ENGINE_HANDOFF_H_
#define VOLSTREAM_ENGINE_HANDOFF_H_

#include <atomic>

namespace volstream {

class Handoff {
 public:
  void Pass() { flag_.fetch_add(1, std::memory_order_acq_rel); }
  void Take() { (void)flag_.load(std::memory_order_acquire); }

 private:
  std::atomic<int> flag_{0};
};

}  // namespace volstream

#endif  // VOLSTREAM_ENGINE_HANDOFF_H_
