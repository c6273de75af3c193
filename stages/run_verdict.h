// RunVerdict: which of the run's resources held it back, and what to change. Pure functions of the
// engine's account.
#ifndef VOLSTREAM_STAGES_RUN_VERDICT_H_
#define VOLSTREAM_STAGES_RUN_VERDICT_H_

#include <string>
#include <string_view>

#include "engine/stats.h"
#include "stages/archive_format.h"
#include "stages/kernel_times.h"

namespace volstream {

enum class Bottleneck {
  kNone,      // nothing was at its limit for long: a short run, mostly
  kRead,      // the source
  kCompress,  // the processor, by compression
  kMd5,       // the processor, by digests; or the whole stream's, which one thread makes
  kNetwork,   // the destinations
};
// "read", "compress", "MD5", "network"; "nothing" for kNone.
std::string_view BottleneckName(Bottleneck bottleneck);

// What a hint may speak of.
struct RunSettings {
  ArchiveFormat format = ArchiveFormat::kGzip;
  int level = 0;
  int cores = 0;  // that the process may use
};

// Shares of the run's time, 0 to 1; of all workers' time where it is theirs.
struct RunShares {
  double workers = 0;  // busy in any stage
  double read = 0;     // of which in these
  double compress = 0;
  double md5 = 0;         // digests, whole stream and parts
  double ordered = 0;     // one thread at a time busy with what runs in the stream's order
  double wait_slabs = 0;  // the source waited for workers
  double wait_parts = 0;  // the source waited for the destinations
  double drain = 0;       // nothing was left to do but to store what was ready, and to end
  double sinks = 0;       // a destination had a part in flight
};
RunShares SharesOf(const RunStats& stats);

struct RunVerdict {
  Bottleneck bottleneck = Bottleneck::kNone;
  std::string reason;  // one line without an end: the figure that says so
  std::string hint;    // one line: what would make the next run faster; empty for kNone
};
RunVerdict JudgeRun(const RunStats& stats, const RunSettings& settings);

// What to change about a bottleneck, for any run.
std::string HintFor(Bottleneck bottleneck, const RunSettings& settings);

// Source bytes a second that the run's workers could reach at best: its own kernels, and reading
// for as long as it took in the run. 0 if either is unknown.
double LimitOf(const RunStats& stats, const KernelTimes& kernels);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_RUN_VERDICT_H_
