#include "engine/page_toucher.h"

#include <sys/mman.h>

#include <algorithm>

#include "engine/bytes.h"
#include "engine/check.h"
#include "engine/start_threads.h"

namespace volstream {
namespace {

// A call of the system touches so many bytes: some milliseconds, which Stop waits at most.
constexpr size_t kStepBytes = 4 * kMiB;

}  // namespace

void PageToucher::Start(uint8_t* memory, size_t bytes) {
  VS_CHECK(thread_.empty());
  // Without a thread there is nothing to do.
  (void)StartThreads(
      1, [this, memory, bytes] { Touch(memory, bytes); }, &thread_);
}

void PageToucher::Wait() {
  for (std::thread& thread : thread_) thread.join();
  thread_.clear();
}

void PageToucher::Stop() {
  stop_.store(true);
  Wait();
}

void PageToucher::Touch(uint8_t* memory, size_t bytes) const {
  while (bytes > 0 && !stop_.load()) {
    const size_t step = std::min(bytes, kStepBytes);
    bytes -= step;
    if (madvise(memory + bytes, step, MADV_POPULATE_WRITE) != 0) return;
  }
}

}  // namespace volstream
