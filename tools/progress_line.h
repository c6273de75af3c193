// The progress of a run as one line for a terminal.
#ifndef VOLSTREAM_TOOLS_PROGRESS_LINE_H_
#define VOLSTREAM_TOOLS_PROGRESS_LINE_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "engine/stats.h"

namespace volstream {

// "1.5 GB": three significant digits, powers of 1,000.
std::string BytesText(uint64_t bytes);

// "0:07", "12:34", "1:02:03".
std::string ClockText(absl::Duration duration);

// " 42%  1.23 GB in  512 MB out  183 MB/s  ratio 2.4  6 parts in flight  ETA 0:31". The percentage
// and the ETA come from the plan and are left out when the size is not known.
std::string ProgressLine(const Progress& progress);

}  // namespace volstream

#endif  // VOLSTREAM_TOOLS_PROGRESS_LINE_H_
