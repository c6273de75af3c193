// FanOut hands each part to every live sink of a run. A part's buffer goes back to the pool when
// the last sink has it, so the slowest live sink sets the pace; a sink that failed gets no more
// parts and holds nothing up.
//
// Threads: Deliver, Cancel and the observers are safe for concurrent calls; Begin, WaitUntilIdle
// and End belong to the caller's thread. Sinks must outlive the FanOut.
#ifndef VOLSTREAM_ENGINE_FAN_OUT_H_
#define VOLSTREAM_ENGINE_FAN_OUT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "engine/message.h"
#include "engine/mutex.h"
#include "engine/stage.h"

namespace volstream {

// What became of one sink.
struct SinkOutcome {
  std::string destination;
  absl::Status status;
  std::string proof;  // what Finish returned; empty on failure
};

class FanOut {
 public:
  // `on_sink_failed` runs once for each sink that fails, outside any lock, with the number of
  // sinks still alive.
  FanOut(std::vector<PartSink*> sinks,
         std::function<void(const absl::Status&, size_t live)> on_sink_failed);

  bool WantsSha256() const;

  // Begins every sink; those that fail are dead.
  void Begin(const StreamShape& shape) ABSL_LOCKS_EXCLUDED(mu_);

  // Hands the part to every live sink. Does not wait.
  void Deliver(std::shared_ptr<const Part> part) ABSL_LOCKS_EXCLUDED(mu_);

  // Cancels every sink.
  void Cancel() ABSL_LOCKS_EXCLUDED(mu_);

  // Returns when no Put is outstanding. REQUIRES: no Deliver is running or to come.
  void WaitUntilIdle() ABSL_LOCKS_EXCLUDED(mu_);

  // Ends every sink that has begun: live ones by Finish when `run` is OK, all others by Abort.
  // One outcome a sink, in the order given. REQUIRES: idle.
  std::vector<SinkOutcome> End(const absl::Status& run, const StreamSummary& summary)
      ABSL_LOCKS_EXCLUDED(mu_);

  // Sinks that have not failed.
  size_t live_count() const ABSL_LOCKS_EXCLUDED(mu_);
  uint64_t parts_in_flight() const ABSL_LOCKS_EXCLUDED(mu_);
  // Time until now with a part or more in flight.
  absl::Duration busy() const ABSL_LOCKS_EXCLUDED(mu_);
  // Bytes that the least advanced live sink has stored.
  uint64_t stored_bytes() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Lane {
    PartSink* sink = nullptr;
    bool begun = false;
    absl::Status status;
    uint64_t stored_bytes = 0;
  };

  void PutDone(size_t lane, uint64_t bytes, absl::Status status) ABSL_LOCKS_EXCLUDED(mu_);
  void Fail(size_t lane, absl::Status status) ABSL_LOCKS_EXCLUDED(mu_);
  bool Idle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return outstanding_ == 0; }
  size_t LiveCountLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::function<void(const absl::Status&, size_t)> on_sink_failed_;
  mutable Mutex mu_;
  std::vector<Lane> lanes_ ABSL_GUARDED_BY(mu_);
  uint64_t outstanding_ ABSL_GUARDED_BY(mu_) = 0;  // Puts whose done has not run to its end
  absl::Duration busy_ ABSL_GUARDED_BY(mu_);       // up to when it was last idle
  absl::Time busy_since_ ABSL_GUARDED_BY(mu_);     // meaningful while there are any
};

}  // namespace volstream

#endif  // VOLSTREAM_ENGINE_FAN_OUT_H_
