// TreeProblems: hears of what a TreeWriter could not restore, says it and counts it.
//
// Threads: safe for concurrent calls.
#ifndef VOLSTREAM_STAGES_TREE_PROBLEMS_H_
#define VOLSTREAM_STAGES_TREE_PROBLEMS_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "engine/mutex.h"

namespace volstream {

class TreeProblems {
 public:
  // `target` is for messages; `on_warning`, called on any thread, one at a time, may be empty.
  TreeProblems(std::string target, std::function<void(std::string_view)> on_warning)
      : target_(std::move(target)), on_warning_(std::move(on_warning)) {}

  // Something of the entry could not be restored.
  void Warn(std::string_view path, std::string_view what) ABSL_LOCKS_EXCLUDED(mu_);
  // The entry is not there, or not whole, for this reason.
  void NotRestored(std::string_view path, std::string_view why);
  // The same for an entry of which a warning was given before.
  void NotRestored() { not_restored_.fetch_add(1, std::memory_order_relaxed); }
  // Of a system call that failed for an entry: NotRestored, and OK, unless IsFinal(error).
  absl::Status Failed(std::string_view path, std::string_view what, int error);

  // A file system that is full or read-only ends the restore; all else is one entry's own.
  static bool IsFinal(int error);
  // The error that ends it.
  absl::Status Final(std::string_view path, std::string_view what, int error) const;

  uint64_t warnings() const { return warnings_.load(); }
  uint64_t not_restored() const { return not_restored_.load(); }

 private:
  const std::string target_;
  const std::function<void(std::string_view)> on_warning_;
  Mutex mu_;  // held while on_warning_ runs
  std::atomic<uint64_t> warnings_{0};
  std::atomic<uint64_t> not_restored_{0};
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_TREE_PROBLEMS_H_
