// Handoff marks a place where one thread passes data on to another through a library that orders
// the two, but was not built for ThreadSanitizer (Debian's oneTBB). It tells the sanitizer of that
// order and does nothing in any other build.
#ifndef VOLSTREAM_ENGINE_HANDOFF_H_
#define VOLSTREAM_ENGINE_HANDOFF_H_

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace volstream {

class Handoff {
 public:
#if defined(__SANITIZE_THREAD__)
  // What was done before Pass() is seen after a Take() that follows.
  void Pass() { __tsan_release(this); }
  void Take() { __tsan_acquire(this); }
#else
  void Pass() {}
  void Take() {}
#endif
};

}  // namespace volstream

#endif  // VOLSTREAM_ENGINE_HANDOFF_H_
