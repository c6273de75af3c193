// Backup: one backup of a directory to any number of destinations, from the plan to the receipts.
// This is the call that programs embedding volstream make; the CLI is a thin layer over it.
//
// Nothing half-done is ever visible as a backup: an archive appears at a destination whole or not
// at all, and its receipt, written last, is what makes it proven. Older backups are not touched;
// retention (stages/retention.h) is the caller's next step.
#ifndef VOLSTREAM_STAGES_BACKUP_H_
#define VOLSTREAM_STAGES_BACKUP_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "engine/bytes.h"
#include "engine/mutex.h"
#include "engine/pipeline.h"
#include "engine/stats.h"
#include "stages/archive_format.h"
#include "stages/byte_stream.h"
#include "stages/event_log.h"
#include "stages/kernel_times.h"
#include "stages/level_history.h"
#include "stages/lock_holder.h"
#include "stages/part_plan.h"
#include "stages/receipt.h"
#include "stages/storage.h"
#include "stages/volume_plan.h"

namespace volstream {

struct BackupOptions {
  std::string source;  // a directory; with `stream` only what to call it
  std::string name;    // stem of the archive's name; empty = from the source's base name
  // What to store instead of a directory: the bytes as they come, a tar stream if the archive is to
  // be one. Borrowed; Run() reads it to its end or cancels it.
  ByteStream* stream = nullptr;
  bool stream_is_tar = true;       // else the archive is NAME_..._HHMMSS.gz or .zst
  uint64_t stream_bytes_hint = 0;  // how long it may be, for the size of parts; 0 = no idea
  ArchiveFormat format = ArchiveFormat::kGzip;
  // Of the format's codec: 1 (fastest) to 12 (smallest) for gzip, to 19 for zstd. Nothing = what
  // LevelsOf prefers.
  std::optional<int> level;
  // The level moves within these by what holds the run up, instead of `level`.
  std::optional<LevelRange> auto_level;
  uint64_t memory_bytes = 256 * kMiB;  // of all buffers together
  size_t part_bytes = 0;               // of equal parts; 0 = chosen from the plan
  int workers = 0;                     // 0 = one a core
  // Whether the receipt is to have the MD5 of the archive. It is one chain from the first byte to
  // the last, which no more cores make faster; parts and XXH3 are checked without it as well.
  bool stream_md5 = true;
  PlanOptions plan;  // what of the source is taken, and how
  bool stop_on_destination_failure = false;
  // Takes the lock of the name at each destination before anything is read (stages/storage_lock.h).
  // A lock that another run has ends the run, with ErrorKind::kBusy, whatever the destinations
  // beside it.
  bool lock = true;
  // Times the kernels on a sample of the run's own bytes, up to 16 MiB beside the memory budget,
  // once the receipts are written: BackupReport::kernels. Takes two seconds at most.
  bool time_kernels = false;
  // After this long Run() ends as by Cancel(), with kDeadlineExceeded. Positive.
  absl::Duration timeout = absl::InfiniteDuration();
  // Called then, before anything is cancelled, and any number of times: to end before_read, for
  // one. Any thread, never after Run(); may be empty.
  std::function<void()> on_timeout;

  // Both may be empty. The first is called by Run() once destinations were checked, before anything
  // of the source is read; its failure ends the run. The second is called exactly once if the first
  // was called, whatever that returned: when the source will not be touched again, although the
  // upload goes on; after a failure or a Cancel too. Any thread, so it must not block.
  std::function<absl::Status()> before_read;
  std::function<void()> after_read;

  EventLog on_event;  // may be empty
  // As PipelineOptions::on_progress. May be empty.
  std::function<void(const Progress&)> on_progress;
};

struct DestinationOutcome {
  std::string destination;  // Storage::Url
  std::string archive;      // Storage::UrlOf the archive; empty if it never got a name
  absl::Status status;      // OK = whole, checked, and its receipt written
  std::string etag;         // as the destination gave it
  std::map<std::string, std::string> facts;  // what else it says: see Receipt::object
};

struct BackupReport {
  // OK: proven at every destination and nothing of the source left out for want of rights.
  // ErrorKind::kPartial: proven somewhere, but not all of that holds. Else the first failure.
  absl::Status status;
  std::vector<DestinationOutcome> destinations;  // in the order given
  Receipt receipt;  // as written, but for the ETag; meaningful when any destination is OK
  RunStats stats;
  KernelTimes kernels;  // of nothing unless BackupOptions::time_kernels
};

class Backup {
 public:
  // The storages must outlive it.
  Backup(BackupOptions options, std::vector<Storage*> destinations);

  // One thread, once.
  BackupReport Run();

  // Ends Run() soon, with ErrorKind::kInterrupted. Any thread, at any time.
  void Cancel() ABSL_LOCKS_EXCLUDED(mu_);

  // After Run(), for what is done on top of a proven backup, such as retention: OK only if the lock
  // at this destination (an index into BackupReport::destinations) is held still. Asks it.
  absl::Status ConfirmLock(size_t destination) { return locks_.Confirm(storages_[destination]); }

  // What the run was stopped for, OK if it was not: the loss of a lock (ErrorKind::kBusy), the
  // timeout, or Cancel(), the first of them. From then on the storages answer with kCancelled, and
  // a proven backup does not mean that none of it has happened. Any thread, at any time.
  absl::Status stopped() const ABSL_LOCKS_EXCLUDED(mu_);

  // The locks stay until this or the destructor.
  void ReleaseLocks() { locks_.Release(); }

 private:
  void Stop(const absl::Status& reason) ABSL_LOCKS_EXCLUDED(mu_);
  // `status` with what it was stopped for in place of a mere "cancelled".
  absl::Status Explained(const absl::Status& status) const ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status RunToVerdict(BackupReport* report);
  void Log(Severity severity, std::string_view text) const;
  absl::Status CheckDestinations(BackupReport* report);
  absl::Status FailedDestination(const BackupReport& report) const;
  absl::Status TakeLocks(BackupReport* report);
  void OnLockLost(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<std::string> ChooseName(BackupReport* report);
  void RemoveStale(const BackupReport& report);
  void ForbidOwnDirectories(PlanOptions* plan) const;
  void LogPlan(const VolumePlan& plan) const;
  // What the destinations that are left take.
  PartLimits LimitsOf(const BackupReport& report) const;
  // The sizes of parts for a plan with an index of at most index_bytes, or for a stream if the plan
  // is null.
  absl::StatusOr<PartSizes> ChooseParts(const VolumePlan* plan, uint64_t index_bytes,
                                        const PartLimits& limits, const PipelineOptions& pipeline,
                                        size_t bound_bytes) const;
  absl::Status RunPipeline(BackupReport* report) ABSL_LOCKS_EXCLUDED(mu_);
  void WriteReceipts(BackupReport* report);
  absl::Status Verdict(const BackupReport& report, const absl::Status& run) const;

  const BackupOptions options_;
  const std::vector<Storage*> storages_;
  const std::string stem_;
  std::atomic<bool> cancelled_{false};
  mutable Mutex mu_;
  absl::Status stopped_ ABSL_GUARDED_BY(mu_);          // the first reason
  Pipeline* pipeline_ ABSL_GUARDED_BY(mu_) = nullptr;  // while it runs
  LockHolder locks_;                                   // last: its thread calls OnLockLost
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_BACKUP_H_
