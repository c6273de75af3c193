#include "stages/level_choice.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace volstream {
namespace {

// Of 100 MB: seconds of one thread in each kernel, and how many MB come out.
struct Costs {
  double compress = 0;
  double stream_digest = 0;
  double part_digest = 0;
  double copy = 0;
  double encoded_mb = 50;
};

KernelTimes TimesOf(const Costs& costs) {
  KernelTimes times;
  times.source_bytes = 100'000'000;
  times.encoded_bytes = static_cast<uint64_t>(costs.encoded_mb * 1e6);
  times.seconds[static_cast<int>(Kernel::kFill)] = 50;  // from memory: not to be counted
  times.seconds[static_cast<int>(Kernel::kEncode)] = costs.compress;
  times.seconds[static_cast<int>(Kernel::kStreamDigest)] = costs.stream_digest;
  times.seconds[static_cast<int>(Kernel::kPartDigest)] = costs.part_digest;
  times.seconds[static_cast<int>(Kernel::kCopy)] = costs.copy;
  return times;
}

TEST(Expectation, SpreadsAllWorkOverTheWorkers) {
  const Expectation expected =
      Expect(TimesOf({.compress = 1, .stream_digest = 0.1, .part_digest = 0.1, .copy = 0.05}),
             {.workers = 2, .read_seconds_per_byte = 0.25e-8, .upload_bytes_per_second = 0});
  EXPECT_NEAR(expected.bytes_per_second, 2e8 / 1.5, 1);
  EXPECT_EQ(expected.binds, Bottleneck::kCompress);
}

TEST(Expectation, KnowsThatTheStreamsDigestIsMadeByOneThread) {
  const Expectation expected =
      Expect(TimesOf({.compress = 1, .stream_digest = 0.3, .part_digest = 0.1, .copy = 0.1}),
             {.workers = 64, .read_seconds_per_byte = 0, .upload_bytes_per_second = 0});
  EXPECT_NEAR(expected.bytes_per_second, 1e8 / 0.4, 1);
  EXPECT_EQ(expected.binds, Bottleneck::kMd5);
}

TEST(Expectation, CountsStoredBytesForTheUpload) {
  const Expectation expected =
      Expect(TimesOf({.compress = 1, .stream_digest = 0.1, .part_digest = 0.1, .encoded_mb = 25}),
             {.workers = 2, .read_seconds_per_byte = 0, .upload_bytes_per_second = 20e6});
  EXPECT_NEAR(expected.bytes_per_second, 80e6, 1);
  EXPECT_EQ(expected.binds, Bottleneck::kNetwork);
}

TEST(Expectation, NamesASlowSource) {
  const Expectation expected =
      Expect(TimesOf({.compress = 1, .stream_digest = 0.1, .part_digest = 0.1}),
             {.workers = 2, .read_seconds_per_byte = 5e-8, .upload_bytes_per_second = 0});
  EXPECT_EQ(expected.binds, Bottleneck::kRead);
}

LevelFigures FiguresOf(int level, double mb_s, double encoded_mb) {
  LevelFigures figures;
  figures.level = level;
  figures.times = TimesOf({.compress = 1, .encoded_mb = encoded_mb});
  figures.expected = {mb_s * 1e6, Bottleneck::kCompress};
  return figures;
}

TEST(LevelChoice, TakesTheSmallestThatIsNearlyAsFast) {
  const std::vector<LevelFigures> levels = {FiguresOf(1, 100, 60), FiguresOf(2, 95, 50),
                                            FiguresOf(3, 91, 45), FiguresOf(6, 60, 40)};
  const LevelChoice choice = ChooseLevel(levels, /*upload_known=*/true);
  EXPECT_EQ(choice.index, 2u);
  EXPECT_NE(choice.reason.find("91 MB/s"), std::string::npos) << choice.reason;
  EXPECT_NE(choice.reason.find("gzip 1"), std::string::npos) << choice.reason;
  EXPECT_EQ(choice.reason.find("--to"), std::string::npos) << choice.reason;
}

TEST(LevelChoice, SaysWhenTheNetworkIsNotKnown) {
  const LevelChoice choice = ChooseLevel({FiguresOf(6, 60, 40)}, /*upload_known=*/false);
  EXPECT_EQ(choice.index, 0u);
  EXPECT_NE(choice.reason.find("no level is faster"), std::string::npos) << choice.reason;
  EXPECT_NE(choice.reason.find("--to"), std::string::npos) << choice.reason;
}

}  // namespace
}  // namespace volstream
