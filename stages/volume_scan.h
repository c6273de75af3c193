// VolumeScan lists the directories of a volume and stats what is in them, on several threads ahead
// of one consumer, so that a cold volume is not read one inode at a time.
//
// The consumer asks for directories in any order and never waits for work that nobody has begun: it
// does that itself. What is done ahead of it is bounded (kMaxAhead entries), so memory does not
// grow with the volume. Directories are opened beneath the root without following symlinks.
//
// Threads: Root, List and Take are one consumer's; its own threads end with it.
#ifndef VOLSTREAM_STAGES_VOLUME_SCAN_H_
#define VOLSTREAM_STAGES_VOLUME_SCAN_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "engine/mutex.h"
#include "stages/beneath.h"
#include "stages/exclude_list.h"
#include "stages/scanned_entry.h"

namespace volstream {

struct ScanOptions {
  bool one_file_system = false;  // what lies on other file systems is not entered
  bool exclude_caches = false;   // of a directory marked by a CACHEDIR.TAG, only that file is kept
  bool sparse = true;            // the maps of files with holes are read
  ExcludeList excludes;
  int threads = 0;  // beside the consumer's; 0 = chosen
};

class VolumeScan {
 public:
  // Entries of one Take, at most.
  static constexpr size_t kChunkEntries = 512;
  static constexpr size_t kMaxAhead = 32 * 1024;

  VolumeScan(ScanOptions options, const std::atomic<bool>* cancelled);
  ~VolumeScan();
  VolumeScan(const VolumeScan&) = delete;
  VolumeScan& operator=(const VolumeScan&) = delete;

  // The root itself, with its own entry (whose name is empty) in *entry. Its descriptor must
  // outlive the scan.
  void Root(int root_fd, ScannedEntry* entry);

  // What a directory holds, in chunks of sorted names.
  struct Listing {
    int error = 0;         // errno; then nothing is known of its contents
    bool partial = false;  // reading the names broke off: the error is that of the rest
    size_t chunk_count = 0;
  };
  Listing List(const std::shared_ptr<ScanDirectory>& directory) ABSL_LOCKS_EXCLUDED(mu_);

  // The entries of one chunk; each chunk once. REQUIRES: List has said that there is such a chunk.
  std::vector<ScannedEntry> Take(const std::shared_ptr<ScanDirectory>& directory, size_t chunk)
      ABSL_LOCKS_EXCLUDED(mu_);

  // Names left out by patterns and tags so far.
  uint64_t excluded() const { return excluded_.load(); }

 private:
  // A listing, or one chunk of it.
  struct Task {
    std::shared_ptr<ScanDirectory> directory;
    size_t chunk = 0;
    bool is_listing = false;
    // The path of the directory or of the chunk's first entry, with NUL for '/': in this order the
    // consumer comes by.
    std::string place;
  };

  void Loop();
  void Push(Task task) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The task that the consumer needs first.
  Task Pop() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Whether it is for the caller to perform the task; else it is done by now.
  bool Claim(const Task& task) ABSL_LOCKS_EXCLUDED(mu_);
  // Gives the chunk to the consumer, and queues the listings of its directories.
  void FinishChunk(ScanDirectory* directory, size_t chunk) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Forgets tasks that the consumer has done itself, once they are the most.
  void DropDoneTasks() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  static bool IsIdle(const Task& task);
  static bool IsLater(const Task& a, const Task& b);
  bool CanWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void PerformListing(const std::shared_ptr<ScanDirectory>& directory) ABSL_LOCKS_EXCLUDED(mu_);
  void PerformChunk(const std::shared_ptr<ScanDirectory>& directory, size_t chunk)
      ABSL_LOCKS_EXCLUDED(mu_);
  UniqueFd Open(const ScanDirectory& directory) const;
  void ReadNames(ScanDirectory* directory, int fd);
  ScannedEntry Stat(const std::shared_ptr<ScanDirectory>& directory, int dir_fd,
                    std::string_view proc_path, std::string name);
  void StatAll(const std::shared_ptr<ScanDirectory>& directory, size_t chunk, int dir_fd);
  // The directory cannot be opened again: so it is with each of the chunk's entries.
  void FailAll(ScanDirectory* directory, size_t chunk, int error) const;

  const ScanOptions options_;
  const std::atomic<bool>* const cancelled_;
  int root_fd_ = -1;
  uint64_t root_device_ = 0;
  const int max_open_directories_;
  const std::shared_ptr<std::atomic<int>> open_directories_ = std::make_shared<std::atomic<int>>(0);
  std::atomic<uint64_t> excluded_{0};

  Mutex mu_;
  std::vector<Task> tasks_ ABSL_GUARDED_BY(mu_);              // a heap by place
  size_t drop_done_at_ ABSL_GUARDED_BY(mu_) = kChunkEntries;  // tasks, when that is due again
  size_t ahead_ ABSL_GUARDED_BY(mu_) = 0;                     // entries done and not taken
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_VOLUME_SCAN_H_
