#include "engine/stats.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace volstream {
namespace {

TEST(StageCounter, AddsUpCalls) {
  StageCounter counter;
  counter.Add(10, 4, 1000, 500);
  counter.Add(20, 8, 2000, 700);
  const StageStats stats = counter.Snapshot();
  EXPECT_EQ(stats.calls, 2u);
  EXPECT_EQ(stats.bytes_in, 30u);
  EXPECT_EQ(stats.bytes_out, 12u);
  EXPECT_EQ(stats.busy, absl::Microseconds(3));
  EXPECT_EQ(stats.cpu, absl::Nanoseconds(1200));
}

TEST(StageTimer, MeasuresProcessorTime) {
  StageCounter counter;
  StageTimer timer(&counter);
  volatile uint64_t sum = 0;
  for (uint64_t i = 0; i < 2'000'000; ++i) sum = sum + i;
  timer.Stop(1, 2);
  EXPECT_EQ(counter.Snapshot().bytes_out, 2u);
  EXPECT_GT(counter.Snapshot().cpu, absl::ZeroDuration());
}

TEST(StageName, IsDifferentForEachStage) {
  std::set<std::string_view> names;
  for (int i = 0; i < kStageCount; ++i) names.insert(StageName(static_cast<Stage>(i)));
  EXPECT_EQ(names.size(), static_cast<size_t>(kStageCount));
  EXPECT_FALSE(names.contains(""));
}

}  // namespace
}  // namespace volstream
