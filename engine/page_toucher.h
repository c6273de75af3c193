// PageToucher: touches the pages of a mapping before they are used, on a thread of its own, so that
// those who use them take no page faults. Advice: where the system gives no thread, or does not
// know MADV_POPULATE_WRITE (Linux 5.14), pages come as they are used.
//
// Threads: all calls by the owner, one at a time; the mapping may be used meanwhile.
#ifndef VOLSTREAM_ENGINE_PAGE_TOUCHER_H_
#define VOLSTREAM_ENGINE_PAGE_TOUCHER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

namespace volstream {

class PageToucher {
 public:
  PageToucher() = default;
  ~PageToucher() { Stop(); }
  PageToucher(const PageToucher&) = delete;
  PageToucher& operator=(const PageToucher&) = delete;

  // Begins with the last page. The mapping must stand until Stop or Wait. Once.
  void Start(uint8_t* memory, size_t bytes);
  // Returns when all is touched.
  void Wait();
  // Returns soon, whatever is left.
  void Stop();

 private:
  void Touch(uint8_t* memory, size_t bytes) const;

  std::atomic<bool> stop_{false};
  std::vector<std::thread> thread_;  // at most one
};

}  // namespace volstream

#endif  // VOLSTREAM_ENGINE_PAGE_TOUCHER_H_
