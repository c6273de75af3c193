// UploadProbe: how fast a destination takes parts, tried with an archive of random bytes that is
// given up before it is whole, so that nothing of it is ever visible there.
//
// Threads: Run on one thread, once; Cancel from any.
#ifndef VOLSTREAM_STAGES_UPLOAD_PROBE_H_
#define VOLSTREAM_STAGES_UPLOAD_PROBE_H_

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/mutex.h"
#include "engine/pipeline.h"
#include "stages/storage.h"

namespace volstream {

struct UploadProbeOptions {
  absl::Duration at_most = absl::Seconds(3);  // five times that while no part is stored
  uint64_t max_bytes = 256 * kMiB;
  uint64_t memory_bytes = 256 * kMiB;
  int workers = 0;  // 0 = one a core
};

class UploadProbe {
 public:
  // The storage must outlive it.
  UploadProbe(Storage* storage, UploadProbeOptions options);

  // Bytes a second, with the digests of parts that a backup makes. kDeadlineExceeded when no part
  // was stored in the time, kCancelled after Cancel; else what failed, or stayed there.
  absl::StatusOr<double> Run() ABSL_LOCKS_EXCLUDED(mu_);
  void Cancel() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Stop(const absl::Status& reason) ABSL_LOCKS_EXCLUDED(mu_);

  Storage* const storage_;
  const UploadProbeOptions options_;
  Mutex mu_;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  Pipeline* pipeline_ ABSL_GUARDED_BY(mu_) = nullptr;  // while it runs
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_UPLOAD_PROBE_H_
