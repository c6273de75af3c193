#include "tools/stats_text.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/progress_line.h"

namespace volstream {

std::string StatsText(const RunStats& stats) {
  const double elapsed = absl::ToDoubleSeconds(stats.elapsed);
  std::string text =
      absl::StrFormat("%-14s %10s %10s %9s %9s\n", "stage", "in", "out", "busy", "cpu");
  for (int i = 0; i < kStageCount; ++i) {
    const StageStats& stage = stats.stages[i];
    const double available = elapsed * stats.workers;
    const double scale = available > 0 ? 100 / available : 0;
    absl::StrAppendFormat(&text, "%-14s %10s %10s %8.1f%% %8.1f%%\n",
                          std::string(StageName(static_cast<Stage>(i))), BytesText(stage.bytes_in),
                          BytesText(stage.bytes_out), scale * absl::ToDoubleSeconds(stage.busy),
                          scale * absl::ToDoubleSeconds(stage.cpu));
  }
  absl::StrAppendFormat(&text, "%d workers, %d blocks (%d stored), %d parts, memory budget %s\n",
                        stats.workers, stats.blocks, stats.blocks_stored, stats.parts,
                        BytesText(stats.memory_bytes));
  absl::StrAppendFormat(&text, "the source waited for memory %.1f%% of the time: %s",
                        elapsed > 0 ? 100 * absl::ToDoubleSeconds(stats.admit_wait) / elapsed : 0,
                        "low means that reading is the bottleneck, high that it is not");
  return text;
}

std::string LevelsText(const LevelHistory& levels) {
  const int last = levels.changes.empty() ? levels.range.start : levels.changes.back().level;
  std::string text = absl::StrFormat("level %d to %d of %d..%d in %d steps:", levels.range.start,
                                     last, levels.range.min, levels.range.max, levels.change_count);
  for (const auto& [level, count] : levels.blocks) {
    absl::StrAppendFormat(&text, " %d blocks at %d,", count, level);
  }
  text.pop_back();
  return text;
}

}  // namespace volstream
