// What SqliteWriter and its process (sqlite_writer_main.cc) share: a mapping, and a pipe on which
// the process writes a byte after each change of it.
#ifndef VOLSTREAM_TESTS_SUPPORT_SQLITE_WRITER_SHARED_H_
#define VOLSTREAM_TESTS_SUPPORT_SQLITE_WRITER_SHARED_H_

#include <signal.h>

#include <atomic>
#include <cstdint>

namespace volstream {

// Descriptors in the process.
inline constexpr int kWriterSharedFd = 3;
inline constexpr int kWriterSignsFd = 4;
// Blocked in the process, so that it is not lost, and waited for when it holds still.
inline constexpr int kWriterWakes = SIGUSR1;

struct SqliteWriterShared {
  std::atomic<uint64_t> confirmed;
  std::atomic<bool> ready;
  std::atomic<bool> still;
  std::atomic<bool> stop;
};
static_assert(std::atomic<uint64_t>::is_always_lock_free);

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_SQLITE_WRITER_SHARED_H_
