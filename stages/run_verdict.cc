#include "stages/run_verdict.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace volstream {
namespace {

// From which share of a run on its resource counts as what held it back. A worker is never busy all
// of the time; a destination that is waited for a quarter of it is slower than all the rest.
constexpr double kNetworkBinds = 0.25;
constexpr double kOrderBinds = 0.85;
constexpr double kWorkersBind = 0.6;
constexpr double kSourceBinds = 0.5;
// Work that waits for nothing but a processor has one for about all of its time, unless others
// compute too.
constexpr double kOwnProcessor = 0.7;

double BusySeconds(const RunStats& stats, Stage stage) {
  return absl::ToDoubleSeconds(stats.stage(stage).busy);
}

std::string Percent(double share) { return absl::StrFormat("%.0f %%", 100 * share); }

}  // namespace

std::string_view BottleneckName(Bottleneck bottleneck) {
  switch (bottleneck) {
    case Bottleneck::kNone:
      return "nothing";
    case Bottleneck::kRead:
      return "read";
    case Bottleneck::kCompress:
      return "compress";
    case Bottleneck::kMd5:
      return "MD5";
    case Bottleneck::kNetwork:
      return "network";
  }
  return "";
}

RunShares SharesOf(const RunStats& stats) {
  RunShares shares;
  const double elapsed = absl::ToDoubleSeconds(stats.elapsed);
  if (elapsed <= 0 || stats.workers <= 0) return shares;
  const double all = elapsed * stats.workers;
  const auto of_run = [elapsed](absl::Duration time) {
    return std::clamp(absl::ToDoubleSeconds(time) / elapsed, 0.0, 1.0);
  };
  double busy = 0;
  for (const StageStats& stage : stats.stages) busy += absl::ToDoubleSeconds(stage.busy);
  shares.workers = busy / all;
  shares.read = BusySeconds(stats, Stage::kFill) / all;
  shares.compress = BusySeconds(stats, Stage::kEncode) / all;
  shares.md5 = (BusySeconds(stats, Stage::kObserve) + BusySeconds(stats, Stage::kPartHash)) / all;
  shares.ordered =
      (BusySeconds(stats, Stage::kObserve) + BusySeconds(stats, Stage::kAssemble)) / elapsed;
  shares.wait_parts = of_run(stats.admit_wait_for_parts);
  shares.wait_slabs = of_run(stats.admit_wait - stats.admit_wait_for_parts);
  shares.drain = of_run(stats.drain + stats.finish);
  shares.sinks = of_run(stats.sinks_busy);
  return shares;
}

std::string HintFor(Bottleneck bottleneck, const RunSettings& settings) {
  const bool gzip = settings.format == ArchiveFormat::kGzip;
  switch (bottleneck) {
    case Bottleneck::kNone:
      return "";
    case Bottleneck::kRead:
      return "a faster disk, or leave out what need not be kept (--exclude); a higher --level "
             "costs no time here, --level auto finds it";
    case Bottleneck::kCompress: {
      std::string hint;
      if (settings.level > 1) {
        absl::StrAppend(&hint, "a lower --level than ", settings.level, " or --level auto, ");
      }
      if (gzip) absl::StrAppend(&hint, "--codec zstd, ");
      absl::StrAppend(&hint, hint.empty() ? "" : "or ", "more --workers where there are cores (",
                      settings.cores, " here)");
      return hint;
    }
    case Bottleneck::kMd5:
      return "--no-stream-md5: parts are then hashed several at once, and the receipt has no MD5 "
             "of the archive";
    case Bottleneck::kNetwork:
      return absl::StrCat(
          "a higher --level sends fewer bytes, --level auto as few as the time "
          "allows, more --connections send at once",
          gzip ? ", --codec zstd does both for the same processor time" : "");
  }
  return "";
}

RunVerdict JudgeRun(const RunStats& stats, const RunSettings& settings) {
  const RunShares shares = SharesOf(stats);
  RunVerdict verdict;
  const auto found = [&verdict, &settings](Bottleneck bottleneck, std::string reason) {
    verdict = {bottleneck, std::move(reason), HintFor(bottleneck, settings)};
    return verdict;
  };
  if (shares.wait_parts + shares.drain >= kNetworkBinds) {
    return found(
        Bottleneck::kNetwork,
        absl::StrCat("destinations were waited for ",
                     Percent(std::min(1.0, shares.wait_parts + shares.drain)), " of the time"));
  }
  const bool by_digest = stats.stage(Stage::kObserve).busy > stats.stage(Stage::kAssemble).busy;
  if (shares.ordered >= kOrderBinds && stats.workers > 1 && by_digest) {
    return found(Bottleneck::kMd5,
                 absl::StrCat("the digest of the whole stream, which one thread at a time makes, "
                              "was at work ",
                              Percent(shares.ordered), " of the time"));
  }
  if (shares.workers >= kWorkersBind) {
    const double most = std::max({shares.read, shares.compress, shares.md5});
    const auto of_workers = [&shares, &stats](double share) {
      std::string reason =
          absl::StrCat("workers were busy ", Percent(shares.workers), " of the time, ",
                       Percent(share / shares.workers), " of that with it");
      absl::Duration busy;
      absl::Duration cpu;
      for (Stage stage : {Stage::kEncode, Stage::kObserve, Stage::kPartHash}) {
        busy += stats.stage(stage).busy;
        cpu += stats.stage(stage).cpu;
      }
      const double had = absl::FDivDuration(cpu, std::max(busy, absl::Nanoseconds(1)));
      if (cpu > absl::ZeroDuration() && had < kOwnProcessor) {
        absl::StrAppend(&reason, "; others on this machine left them a processor for ",
                        Percent(had), " of it");
      }
      return reason;
    };
    if (most == shares.compress) return found(Bottleneck::kCompress, of_workers(most));
    if (most == shares.md5) return found(Bottleneck::kMd5, of_workers(most));
    return found(Bottleneck::kRead, of_workers(most));
  }
  const double waited = shares.wait_parts + shares.wait_slabs;
  if (stats.source_bytes > 0 && waited + shares.drain <= 1 - kSourceBinds) {
    return found(Bottleneck::kRead,
                 absl::StrCat("workers had nothing to do ", Percent(1 - shares.workers),
                              " of the time, and the source was not kept waiting"));
  }
  return found(Bottleneck::kNone, "no stage was at its limit for long");
}

double LimitOf(const RunStats& stats, const KernelTimes& kernels) {
  if (kernels.source_bytes == 0 || stats.source_bytes == 0 || stats.workers <= 0) return 0;
  const double bytes = static_cast<double>(kernels.source_bytes);
  const double read = BusySeconds(stats, Stage::kFill) / static_cast<double>(stats.source_bytes);
  const double all = kernels.SecondsPerByte() - kernels.of(Kernel::kFill) / bytes + read;
  return 1 / std::max(all / stats.workers, kernels.SerialSecondsPerByte());
}

}  // namespace volstream
