// Starting threads where the system may give fewer than were asked for: a limit of a container or
// of a user (EAGAIN).
#ifndef VOLSTREAM_ENGINE_START_THREADS_H_
#define VOLSTREAM_ENGINE_START_THREADS_H_

#include <cstddef>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace volstream {

// Starts `count` threads that run `body`, or as many as the system gives. kResourceExhausted if it
// gives none, unless none are wanted.
template <typename Body>
absl::Status StartThreads(size_t count, const Body& body, std::vector<std::thread>* threads) {
  threads->reserve(threads->size() + count);
  for (size_t i = 0; i < count; ++i) {
    try {
      threads->emplace_back(body);
    } catch (const std::system_error&) {
      if (i > 0) break;
      return absl::ResourceExhaustedError(
          "the system gives no more threads: raise the limit of processes (ulimit -u, pids.max)");
    }
  }
  return absl::OkStatus();
}

}  // namespace volstream

#endif  // VOLSTREAM_ENGINE_START_THREADS_H_
