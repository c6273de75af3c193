// LevelChoice: what a backup at each level of each codec would reach on this machine, by the times
// of its kernels, and which level to take. Pure functions.
#ifndef VOLSTREAM_STAGES_LEVEL_CHOICE_H_
#define VOLSTREAM_STAGES_LEVEL_CHOICE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "stages/archive_format.h"
#include "stages/kernel_times.h"
#include "stages/run_verdict.h"

namespace volstream {

// What the machine gives to any level.
struct MachineRates {
  int workers = 1;
  double read_seconds_per_byte = 0;    // of one thread
  double upload_bytes_per_second = 0;  // of encoded bytes; 0 = not known
};

struct Expectation {
  double bytes_per_second = 0;  // of the source, of the whole run
  Bottleneck binds = Bottleneck::kNone;
};
// The slowest of: all work spread over the workers, what runs in the stream's order, the upload.
// Reading is as `rates` has it, not as the kernels do, which read from memory.
// REQUIRES: times.source_bytes > 0.
Expectation Expect(const KernelTimes& times, const MachineRates& rates);

struct LevelFigures {
  ArchiveFormat format = ArchiveFormat::kGzip;
  int level = 0;
  KernelTimes times;
  Expectation expected;

  // Stored bytes for each source byte.
  double SizeRatio() const {
    return static_cast<double>(times.encoded_bytes) / static_cast<double>(times.source_bytes);
  }
};

// "gzip 6".
std::string LevelName(const LevelFigures& level);

struct LevelChoice {
  size_t index = 0;    // into the levels given
  std::string reason;  // one line
};
// The smallest of those that come within 10 % of the fastest. REQUIRES: levels is not empty.
LevelChoice ChooseLevel(const std::vector<LevelFigures>& levels, bool upload_known);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_LEVEL_CHOICE_H_
