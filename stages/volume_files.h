// VolumeFiles reads the planned files of a volume in place, in ranges and from many threads, and
// decides once for each file whether it is still there. Never leaves the volume, never aborts: what
// changed since the plan is a warning.
//
// A file that shrank reads as zeros past its end, one that grew is cut at its planned size, one
// that vanished before any of it was read is reported as gone and its entry is left out whole. A
// file that lost one of its names is read by another.
//
// Small files that are not in the page cache are read in batches: what would block is asked for
// from the kernel at once (RWF_NOWAIT, POSIX_FADV_WILLNEED) and collected later, so that the disk
// has a queue of them instead of one. docs/performance.md compares this with io_uring and threads.
#ifndef VOLSTREAM_STAGES_VOLUME_FILES_H_
#define VOLSTREAM_STAGES_VOLUME_FILES_H_

#include <sys/stat.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "engine/bytes.h"
#include "engine/mutex.h"
#include "stages/beneath.h"
#include "stages/volume_plan.h"
#include "stages/warnings.h"

namespace volstream {

// Threads: all methods are safe for concurrent calls; the plan and the warnings must outlive it.
class VolumeFiles {
  // A directory kept open by one thread for the next file in it.
  struct DirectoryHint {
    uint32_t index = VolumePlan::kNone;
    UniqueFd fd;
  };

 public:
  // Descriptors that batches may keep open, all together.
  static constexpr int kMaxPending = 256;

  VolumeFiles(const VolumePlan* plan, Warnings* warnings);

  // One planned file while any of its bytes is still to be produced. Shared by the threads that
  // produce its ranges.
  class File {
   public:
    bool present() const { return fd_.valid(); }

   private:
    friend class VolumeFiles;
    UniqueFd fd_;
    Mutex mu_;
    bool decided_ ABSL_GUARDED_BY(mu_) = false;
    uint64_t bytes_left_ ABSL_GUARDED_BY(mu_) = 0;  // of the entry: header, data and padding
    std::atomic<bool> warned_{false};
    std::atomic<bool> missing_{false};  // and that some of it could not be read
  };

  // Opens the file of entry `index`, or finds it open: the first caller decides whether the file
  // is present, all later ones get the same answer.
  std::shared_ptr<File> Open(uint32_t index);

  // Whether the file of entry `index`, which has links, is present; decides it if need be.
  bool IsPresent(uint32_t index);

  // Fills `out` from `offset` of the entry's data. REQUIRES: file->present().
  void Read(uint32_t index, File* file, uint64_t offset, MutableByteSpan out);

  // Whole files that one caller alone produces, each in one piece. One thread's; Collect comes
  // before the bytes are used.
  class Batch {
   public:
    explicit Batch(VolumeFiles* files) : files_(files) {}
    ~Batch() { Collect(); }
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;

    // Whether entry `index` is present. If it is, all its data is in `out`, or will be once
    // Collect returns. REQUIRES: a file without hard links and holes, whose size is that of `out`.
    bool Read(uint32_t index, MutableByteSpan out);
    void Collect();

   private:
    struct Pending {
      uint32_t index;
      std::unique_ptr<File> file;
      uint64_t offset;
      MutableByteSpan out;
    };
    VolumeFiles* const files_;
    DirectoryHint hint_;
    std::vector<Pending> pending_;
  };

  // Says that `bytes` of the entry were produced or left out. After the last of them the file is
  // checked for changes, closed and forgotten.
  void Produced(uint32_t index, const std::shared_ptr<File>& file, uint64_t bytes);

 private:
  std::shared_ptr<File> SlotLocked(uint32_t index) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Opens the file if nobody has yet.
  void Decide(uint32_t index, File* file);
  UniqueFd OpenFile(uint32_t index);
  UniqueFd OpenIn(DirectoryHint* hint, uint32_t index);
  bool IsPlanned(uint32_t index, const struct stat& info) const;
  // Takes what was opened into `file`, or says why not. `fd` may be invalid, with `error`.
  void Accept(uint32_t index, UniqueFd fd, int error, const struct stat& info, File* file);
  void ReadRange(uint32_t index, File* file, uint64_t offset, MutableByteSpan out);
  // What the file is now against the plan; a difference is a warning.
  void Compare(uint32_t index, File* file, const struct stat& info);
  // The same file by the name of one of its hard links, when its own name is gone.
  UniqueFd OpenByAnotherName(uint32_t index);
  std::optional<bool> LinkedPresence(uint32_t index) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void NoteLinkedPresence(uint32_t index, bool present) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CheckUnchanged(uint32_t index, File* file);
  void WarnOnce(uint32_t index, File* file, std::string_view what, bool missing);

  const VolumePlan* const plan_;
  Warnings* const warnings_;
  const int max_pending_;  // kMaxPending, or less where few descriptors may be open
  std::atomic<int> pending_count_{0};
  std::atomic<bool> nowait_works_{true};
  Mutex mu_;
  // Files whose entry spans several blocks; a handful at a time, as blocks come nearly in order.
  std::vector<std::pair<uint32_t, std::shared_ptr<File>>> shared_ ABSL_GUARDED_BY(mu_);
  // What was decided of files that have hard links, kept for the links' sake: two bits an entry.
  std::vector<uint8_t> linked_ ABSL_GUARDED_BY(mu_);
  std::vector<DirectoryHint> hints_ ABSL_GUARDED_BY(mu_);
  // Hard links by the entry they link to, in order; made when the first file lost its name.
  std::once_flag links_once_;
  std::vector<std::pair<uint32_t, uint32_t>> links_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_VOLUME_FILES_H_
