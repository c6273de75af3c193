#include "tools/stats_text.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "stages/absl_text.h"
#include "tools/progress_line.h"

namespace volstream {

std::string StatsText(const RunStats& stats, const KernelTimes& kernels,
                      const RunSettings& settings) {
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
  const RunShares shares = SharesOf(stats);
  absl::StrAppendFormat(&text,
                        "workers busy %.0f%%; source waited for workers %.0f%%, for destinations "
                        "%.0f%%; these had parts in flight %.0f%%, and the end to themselves "
                        "%.0f%%\n",
                        100 * shares.workers, 100 * shares.wait_slabs, 100 * shares.wait_parts,
                        100 * shares.sinks, 100 * shares.drain);
  const double limit = LimitOf(stats, kernels);
  if (limit > 0 && elapsed > 0) {
    const double reached = static_cast<double>(stats.source_bytes) / elapsed;
    absl::StrAppendFormat(&text,
                          "pipeline/limit %.2f: %.1f MB/s of the %.1f MB/s that the kernels reach "
                          "alone on %d workers, by a sample of %s\n",
                          reached / limit, reached / 1e6, limit / 1e6, stats.workers,
                          BytesText(kernels.source_bytes));
    for (int i = 0; i < kKernelCount; ++i) {
      const Kernel kernel = static_cast<Kernel>(i);
      if (kernel == Kernel::kFill) continue;  // of a sample in memory, which says nothing
      absl::StrAppendFormat(&text, "%s%s %.0f MB/s", i == 1 ? "kernels, a core: " : ", ",
                            std::string(KernelName(kernel)), kernels.BytesPerSecond(kernel) / 1e6);
    }
    absl::StrAppend(&text, "\n");
  }
  const RunVerdict verdict = JudgeRun(stats, settings);
  absl::StrAppend(&text, "bottleneck: ", ToAbsl(BottleneckName(verdict.bottleneck)), ": ",
                  verdict.reason);
  if (!verdict.hint.empty()) absl::StrAppend(&text, "\nhint: ", verdict.hint);
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
