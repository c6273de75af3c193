#include "stages/run_verdict.h"

#include <gtest/gtest.h>

#include <string>

#include "engine/bytes.h"

namespace volstream {
namespace {

constexpr RunSettings kGzip6{ArchiveFormat::kGzip, 6, 2};

// Ten seconds of two workers, in which each stage was busy for so many seconds.
struct Busy {
  double read = 0;
  double compress = 0;
  double assemble = 0;
  double stream_digest = 0;
  double part_digest = 0;
};

RunStats RunOf(const Busy& busy) {
  RunStats stats;
  stats.elapsed = absl::Seconds(10);
  stats.workers = 2;
  stats.source_bytes = 1000 * kMiB;
  const auto set = [&stats](Stage stage, double seconds) {
    stats.stages[static_cast<int>(stage)].busy = absl::Seconds(seconds);
  };
  set(Stage::kFill, busy.read);
  set(Stage::kEncode, busy.compress);
  set(Stage::kAssemble, busy.assemble);
  set(Stage::kObserve, busy.stream_digest);
  set(Stage::kPartHash, busy.part_digest);
  return stats;
}

TEST(RunVerdict, IsCompressWhenWorkersAreBusyWithIt) {
  RunStats stats = RunOf({1, 14, 0.2, 1, 1});
  stats.admit_wait = absl::Seconds(9);
  const RunVerdict verdict = JudgeRun(stats, kGzip6);
  EXPECT_EQ(verdict.bottleneck, Bottleneck::kCompress);
  EXPECT_NE(verdict.reason.find("86 %"), std::string::npos) << verdict.reason;
  EXPECT_NE(verdict.hint.find("--level"), std::string::npos) << verdict.hint;
  EXPECT_NE(verdict.hint.find("--codec zstd"), std::string::npos) << verdict.hint;
  EXPECT_NE(verdict.hint.find("--workers"), std::string::npos) << verdict.hint;
}

TEST(RunVerdict, SaysWhenOthersHadTheProcessors) {
  RunStats stats = RunOf({1, 14, 0.2, 1, 1});
  for (StageStats& stage : stats.stages) stage.cpu = stage.busy;
  EXPECT_EQ(JudgeRun(stats, kGzip6).reason.find("others"), std::string::npos);
  for (StageStats& stage : stats.stages) stage.cpu = stage.busy / 4;
  const RunVerdict verdict = JudgeRun(stats, kGzip6);
  EXPECT_EQ(verdict.bottleneck, Bottleneck::kCompress);
  EXPECT_NE(verdict.reason.find("25 %"), std::string::npos) << verdict.reason;
}

TEST(RunVerdict, DoesNotAdviseWhatIsDoneAlready) {
  const std::string hint = HintFor(Bottleneck::kCompress, {ArchiveFormat::kZstd, 1, 2});
  EXPECT_EQ(hint.find("--level"), std::string::npos) << hint;
  EXPECT_EQ(hint.find("--codec"), std::string::npos) << hint;
  EXPECT_NE(hint.find("--workers"), std::string::npos) << hint;
}

TEST(RunVerdict, IsNetworkWhenTheSourceWaitsForPartMemory) {
  RunStats stats = RunOf({1, 10, 0.2, 1, 1});
  stats.admit_wait = absl::Seconds(6);
  stats.admit_wait_for_parts = absl::Seconds(4);
  const RunVerdict verdict = JudgeRun(stats, kGzip6);
  EXPECT_EQ(verdict.bottleneck, Bottleneck::kNetwork);
  EXPECT_NE(verdict.reason.find("40 %"), std::string::npos) << verdict.reason;
  EXPECT_NE(verdict.hint.find("--connections"), std::string::npos) << verdict.hint;
  EXPECT_NE(verdict.hint.find("--level auto"), std::string::npos) << verdict.hint;
}

TEST(RunVerdict, IsNetworkWhenAllFitsIntoMemoryAndIsStoredAfterwards) {
  RunStats stats = RunOf({0.5, 4, 0.1, 0.5, 0.5});
  stats.drain = absl::Seconds(5);
  stats.finish = absl::Seconds(1);
  EXPECT_EQ(JudgeRun(stats, kGzip6).bottleneck, Bottleneck::kNetwork);
}

TEST(RunVerdict, IsMd5WhenTheStreamsOwnIsMadeAllTheTime) {
  RunStats stats = RunOf({1, 4, 0.5, 9, 1});
  stats.admit_wait = absl::Seconds(9);
  const RunVerdict verdict = JudgeRun(stats, kGzip6);
  EXPECT_EQ(verdict.bottleneck, Bottleneck::kMd5);
  EXPECT_NE(verdict.hint.find("--no-stream-md5"), std::string::npos) << verdict.hint;
}

TEST(RunVerdict, IsMd5WhenDigestsTakeMostOfTheWorkers) {
  RunStats stats = RunOf({1, 4, 0.5, 4, 8});
  stats.admit_wait = absl::Seconds(9);
  EXPECT_EQ(JudgeRun(stats, kGzip6).bottleneck, Bottleneck::kMd5);
}

TEST(RunVerdict, IsReadWhenWorkersWaitInTheSourcesFiles) {
  RunStats stats = RunOf({15, 3, 0.1, 0.5, 0.5});
  stats.admit_wait = absl::Seconds(9);
  EXPECT_EQ(JudgeRun(stats, kGzip6).bottleneck, Bottleneck::kRead);
}

TEST(RunVerdict, IsReadWhenAPipeGivesTooLittle) {
  RunStats stats = RunOf({0.1, 3, 0.1, 0.5, 0.5});
  stats.admit_wait = absl::Seconds(1);
  const RunVerdict verdict = JudgeRun(stats, kGzip6);
  EXPECT_EQ(verdict.bottleneck, Bottleneck::kRead);
  EXPECT_NE(verdict.hint.find("disk"), std::string::npos) << verdict.hint;
}

TEST(RunVerdict, IsNothingOfARunThatNeverGotGoing) {
  EXPECT_EQ(JudgeRun(RunStats(), kGzip6).bottleneck, Bottleneck::kNone);
  RunStats stats = RunOf({1, 5, 0.1, 1, 1});
  stats.admit_wait = absl::Seconds(6);
  const RunVerdict verdict = JudgeRun(stats, kGzip6);
  EXPECT_EQ(verdict.bottleneck, Bottleneck::kNone);
  EXPECT_TRUE(verdict.hint.empty());
}

// Two seconds a core for 100 MB, of which reading takes what it took in the run.
KernelTimes Kernels() {
  KernelTimes kernels;
  kernels.source_bytes = 100'000'000;
  kernels.seconds[static_cast<int>(Kernel::kFill)] = 99;
  kernels.seconds[static_cast<int>(Kernel::kEncode)] = 1.5;
  kernels.seconds[static_cast<int>(Kernel::kStreamDigest)] = 0.25;
  kernels.seconds[static_cast<int>(Kernel::kPartDigest)] = 0.25;
  return kernels;
}

TEST(RunLimit, IsOfTheKernelsAndOfTheRunsOwnReading) {
  RunStats stats = RunOf({5, 0, 0, 0, 0});
  stats.source_bytes = 500'000'000;  // 1 s for each 100 MB
  EXPECT_NEAR(LimitOf(stats, Kernels()), 2 / 3.0 * 1e8, 1);
  stats.workers = 100;  // the stream's digest binds
  EXPECT_NEAR(LimitOf(stats, Kernels()), 4e8, 1);
  EXPECT_EQ(LimitOf(stats, KernelTimes()), 0);
}

}  // namespace
}  // namespace volstream
