// AutoCodec: blocks of whatever level it is at, the record of where it went, and what --level may
// say.
#include "stages/auto_codec.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "stages/archive_codec.h"
#include "stages/digest.h"
#include "tests/support/block_codec.h"
#include "tests/support/tar_reader.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

std::string Encode(BlockCodec* codec, const std::string& in) {
  std::vector<uint8_t> out(codec->Bound(in.size()));
  const absl::StatusOr<EncodedBlock> block = codec->Encode(AsBytes(in), out);
  EXPECT_TRUE(block.ok()) << block.status();
  return block.ok() ? std::string(out.begin(), out.begin() + block->bytes) : "";
}

// What sinks that hold everything up give at byte `offset`.
Pressure Held(uint64_t offset) { return {offset, 1, 3, 3, 5, 5}; }
// What sinks that wait give.
Pressure Idle(uint64_t offset) { return {offset, 1, 0, 3, 5, 5}; }

TEST(AutoCodec, EncodesAtTheLevelThatThePressureLeadsTo) {
  const std::unique_ptr<AutoCodec> codec = *AutoCodec::Create(ArchiveFormat::kGzip, {1, 9, 6});
  const std::string in = LogText(200'000);
  for (const int level : {6, 5}) {
    EXPECT_TRUE(Encode(codec.get(), in) ==
                Encode(MakeCodec(ArchiveFormat::kGzip, level)->get(), in))
        << level;
    for (int i = 0; i < LevelController::kWindowBlocks; ++i) codec->OnPressure(Idle(1000 + i));
  }
}

TEST(AutoCodec, RemembersWhereItWent) {
  const std::unique_ptr<AutoCodec> codec = *AutoCodec::Create(ArchiveFormat::kGzip, {1, 9, 6});
  Encode(codec.get(), "one");
  for (int i = 0; i < LevelController::kWindowBlocks; ++i) codec->OnPressure(Held(100 + i));
  Encode(codec.get(), "two");
  EXPECT_EQ(Gunzip(Encode(codec.get(), "three")), "three");
  const LevelHistory history = codec->History();
  EXPECT_EQ(history.range.start, 6);
  EXPECT_EQ(history.change_count, 1u);
  ASSERT_EQ(history.changes.size(), 1u);
  EXPECT_EQ(history.changes[0].level, 7);
  EXPECT_EQ(history.changes[0].source_offset, 100u + LevelController::kWindowBlocks - 1);
  EXPECT_EQ(history.blocks, (std::map<int, uint64_t>{{6, 1}, {7, 2}}));
}

TEST(AutoCodec, CountsMoreChangesThanItRemembers) {
  const std::unique_ptr<AutoCodec> codec = *AutoCodec::Create(ArchiveFormat::kGzip, {1, 9, 6});
  constexpr uint64_t kSwings = 150;
  for (uint64_t swing = 0; swing < kSwings; ++swing) {
    // The window of the step, and the one in which it settles.
    for (int i = 0; i < 2 * LevelController::kWindowBlocks; ++i) {
      codec->OnPressure(swing % 2 == 0 ? Held(swing) : Idle(swing));
    }
  }
  EXPECT_EQ(codec->History().change_count, kSwings);
  EXPECT_EQ(codec->History().changes.size(), LevelHistory::kMaxChanges);
}

TEST(AutoCodec, RefusesLevelsThatTheFormatLacks) {
  EXPECT_FALSE(AutoCodec::Create(ArchiveFormat::kGzip, {1, 13, 6}).ok());
  EXPECT_FALSE(AutoCodec::Create(ArchiveFormat::kGzip, {0, 9, 6}).ok());
  EXPECT_FALSE(AutoCodec::Create(ArchiveFormat::kGzip, {7, 9, 6}).ok());
  EXPECT_TRUE(AutoCodec::Create(ArchiveFormat::kZstd, {1, 19, 3}).ok());
}

TEST(AutoCodec, BoundHoldsForAllItsLevels) {
  for (const ArchiveFormat format : {ArchiveFormat::kGzip, ArchiveFormat::kZstd}) {
    const std::unique_ptr<AutoCodec> codec = *AutoCodec::Create(format, {1, 9, 3});
    for (int level = 1; level <= 9; ++level) {
      EXPECT_GE(codec->Bound(kMiB), (*MakeCodec(format, level))->Bound(kMiB)) << level;
    }
  }
}

TEST(ParseLevel, TakesNumbersAndRanges) {
  const auto parsed = [](ArchiveFormat format, std::string_view text) {
    const absl::StatusOr<LevelRange> range = ParseLevel(format, text);
    EXPECT_TRUE(range.ok()) << range.status();
    return range.ok() ? std::vector<int>{range->min, range->max, range->start} : std::vector<int>();
  };
  EXPECT_EQ(parsed(ArchiveFormat::kGzip, "12"), (std::vector<int>{12, 12, 12}));
  EXPECT_EQ(parsed(ArchiveFormat::kGzip, "auto"), (std::vector<int>{1, 9, 6}));
  EXPECT_EQ(parsed(ArchiveFormat::kZstd, "auto"), (std::vector<int>{1, 9, 3}));
  EXPECT_EQ(parsed(ArchiveFormat::kGzip, "auto:7-12"), (std::vector<int>{7, 12, 7}));
  EXPECT_EQ(parsed(ArchiveFormat::kZstd, "auto:1-2"), (std::vector<int>{1, 2, 2}));
  EXPECT_EQ(parsed(ArchiveFormat::kZstd, "auto:4-4"), (std::vector<int>{4, 4, 4}));
}

TEST(ParseLevel, RefusesAllElseAndSaysWhatThereIs) {
  for (const char* text :
       {"", "six", "0", "13", "auto:", "auto:3", "auto:9-3", "auto:0-3", "auto-3", "auto:1-13",
        "auto:1-2-3", "auto:-1-3", "autoo", "automatic:1-3"}) {
    const absl::Status status = ParseLevel(ArchiveFormat::kGzip, text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_NE(status.message().find("1 to 12"), std::string::npos) << text << ": " << status;
  }
}

}  // namespace
}  // namespace volstream
