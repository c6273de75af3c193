// MachineBench: what a machine, its disk and its link can do for the backups of a directory, by a
// sample of the directory's own bytes: the kernels at the levels of each codec, the pipeline from
// memory to nowhere, and the upload to a destination.
//
// Threads: Run on one thread, once; Cancel from any.
#ifndef VOLSTREAM_STAGES_MACHINE_BENCH_H_
#define VOLSTREAM_STAGES_MACHINE_BENCH_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/bytes.h"
#include "engine/mutex.h"
#include "stages/event_log.h"
#include "stages/level_choice.h"
#include "stages/storage.h"
#include "stages/upload_probe.h"
#include "stages/volume_plan.h"

namespace volstream {

struct MachineBenchOptions {
  std::string source;                       // a directory
  PlanOptions plan;                         // databases are read as the files that they are
  Storage* destination = nullptr;           // borrowed; null = no upload is tried
  absl::Duration time = absl::Seconds(15);  // for all together, but for finding and reading files
  uint64_t memory_bytes = 256 * kMiB;       // of the pipeline
  int workers = 0;                          // 0 = one a core
  EventLog on_event;                        // may be empty
};

struct MachineReport {
  uint64_t tar_bytes = 0;  // of a whole backup
  uint64_t entries = 0;
  uint64_t sample_bytes = 0;
  MachineRates rates;
  std::vector<LevelFigures> levels;  // by codec, then by level
  LevelChoice choice;
  // From memory to nowhere, at the chosen level, source bytes a second; and what the kernels alone
  // would reach on as many workers.
  double pipeline_bytes_per_second = 0;
  double limit_bytes_per_second = 0;
};

class MachineBench {
 public:
  explicit MachineBench(MachineBenchOptions options);

  // kInvalidArgument when the source has nothing to take a sample of; kCancelled after Cancel.
  absl::StatusOr<MachineReport> Run() ABSL_LOCKS_EXCLUDED(mu_);
  void Cancel() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  // Neighbouring bytes of the stream, up to the largest block of any codec.
  using Chunk = std::vector<uint8_t>;

  absl::Status ReadSample(MachineReport* report);
  absl::Status TimeLevels(MachineReport* report);
  absl::Status MeasureUpload(MachineReport* report) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status MeasurePipeline(MachineReport* report);
  // As many chunks of the sample, spread over it, in blocks of at most `block_bytes`.
  std::vector<ByteSpan> BlocksOf(size_t chunks, size_t block_bytes) const;
  absl::Status CheckCancelled() const;
  void Log(Severity severity, const std::string& text) const;

  const MachineBenchOptions options_;
  const int workers_;
  std::vector<Chunk> sample_;
  std::atomic<bool> cancelled_{false};
  Mutex mu_;
  std::unique_ptr<UploadProbe> probe_ ABSL_GUARDED_BY(mu_);
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_MACHINE_BENCH_H_
