// Bytes between pages that nobody may touch: reading or writing beyond ends the test, whatever
// instruction does it.
#ifndef VOLSTREAM_TESTS_SUPPORT_GUARDED_BYTES_H_
#define VOLSTREAM_TESTS_SUPPORT_GUARDED_BYTES_H_

#include <cstddef>

#include "engine/bytes.h"

namespace volstream {

class GuardedBytes {
 public:
  // Room for so many, rounded up to whole pages.
  explicit GuardedBytes(size_t bytes);
  ~GuardedBytes();
  GuardedBytes(const GuardedBytes&) = delete;
  GuardedBytes& operator=(const GuardedBytes&) = delete;

  // The first or the last of them, right behind or before such a page.
  MutableByteSpan First(size_t bytes) const { return room_.first(bytes); }
  MutableByteSpan Last(size_t bytes) const { return room_.last(bytes); }

 private:
  MutableByteSpan pages_;  // with the two
  MutableByteSpan room_;
};

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_GUARDED_BYTES_H_
