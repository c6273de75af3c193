// Warnings collects what a backup could not take as it was: files that changed, vanished or could
// not be read. They go into the receipt.
#ifndef VOLSTREAM_STAGES_WARNINGS_H_
#define VOLSTREAM_STAGES_WARNINGS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "engine/mutex.h"

namespace volstream {

// Threads: safe for concurrent calls.
class Warnings {
 public:
  // Texts kept; more are only counted, so that a broken volume cannot fill the memory.
  static constexpr size_t kMaxKept = 10'000;

  using Listener = std::function<void(std::string_view text)>;

  // `listener`, where given, hears each warning at once, on the thread that adds it.
  explicit Warnings(Listener listener = nullptr);

  // Something changed under the reader's eyes; what was stored is as good as it can be.
  void Add(std::string_view path, std::string_view what) ABSL_LOCKS_EXCLUDED(mu_);

  // Something that belongs in the backup is not in it: the backup is incomplete.
  void AddMissing(std::string_view path, std::string_view what) ABSL_LOCKS_EXCLUDED(mu_);

  std::vector<std::string> texts() const ABSL_LOCKS_EXCLUDED(mu_);
  uint64_t count() const ABSL_LOCKS_EXCLUDED(mu_);
  uint64_t missing_count() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  const Listener listener_;
  mutable Mutex mu_;
  std::vector<std::string> texts_ ABSL_GUARDED_BY(mu_);
  uint64_t count_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t missing_count_ ABSL_GUARDED_BY(mu_) = 0;
};

// `path` with control bytes and what is not UTF-8 escaped as \xHH, for one-line messages and JSON.
std::string PrintablePath(std::string_view path);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_WARNINGS_H_
