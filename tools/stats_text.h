// The account of a run for people: where the time went, and what held it back.
#ifndef VOLSTREAM_TOOLS_STATS_TEXT_H_
#define VOLSTREAM_TOOLS_STATS_TEXT_H_

#include <string>

#include "engine/stats.h"
#include "stages/kernel_times.h"
#include "stages/level_history.h"
#include "stages/run_verdict.h"

namespace volstream {

// Several lines: a line a stage with its bytes and its share of the workers' time, waits, how near
// the run came to its limit (if `kernels` were timed), the bottleneck and a hint.
std::string StatsText(const RunStats& stats, const KernelTimes& kernels,
                      const RunSettings& settings);

// One line: where a level that moved by itself went, and how many blocks it was for.
std::string LevelsText(const LevelHistory& levels);

}  // namespace volstream

#endif  // VOLSTREAM_TOOLS_STATS_TEXT_H_
