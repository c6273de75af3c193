// TarSource: the stream of a tree that holds still, for every block size and order of filling.
// What happens when the tree changes meanwhile is in tar_source_change_test.
#include "stages/tar_source.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/source_driver.h"
#include "tests/support/tar_reader.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

std::unique_ptr<VolumePlan> PlanOf(const std::string& root, Warnings* warnings) {
  absl::StatusOr<std::unique_ptr<VolumePlan>> plan = VolumePlan::Make(root, warnings);
  EXPECT_TRUE(plan.ok()) << plan.status();
  return *std::move(plan);
}

class TarSourceTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = new TempDir();
    MakeTree(*shared_ / "volume");
    Warnings warnings;
    plan_ = PlanOf(*shared_ / "volume", &warnings).release();
    TarSource source(plan_, &warnings);
    stream_ = new std::string(StreamOf(&source, kMiB));
    EXPECT_EQ(warnings.count(), 0u);
  }
  static void TearDownTestSuite() {
    delete stream_;
    delete plan_;
    delete shared_;
  }

  static inline TempDir* shared_ = nullptr;
  static inline VolumePlan* plan_ = nullptr;
  static inline std::string* stream_ = nullptr;  // in blocks of 1 MiB, one after another
};

TEST_F(TarSourceTest, StreamIsAsLongAsPlanned) {
  EXPECT_EQ(stream_->size(), plan_->tar_bytes());
  Warnings warnings;
  EXPECT_EQ(TarSource(plan_, &warnings).MaxStreamBytes(), plan_->tar_bytes());
}

TEST_F(TarSourceTest, StreamEndsWithTwoZeroBlocks) {
  EXPECT_EQ(stream_->substr(stream_->size() - kTarEndBytes), std::string(kTarEndBytes, '\0'));
}

TEST_F(TarSourceTest, ReadersGetTheTree) {
  const Tree tree = SnapshotTree(*shared_ / "volume");
  std::map<std::string, TarItem> items;
  for (TarItem& item : ReadTar(*stream_)) {
    std::string path = item.path.substr(2);
    if (!path.empty() && path.back() == '/') path.pop_back();
    if (path.empty()) path = ".";
    items[path] = std::move(item);
  }
  EXPECT_EQ(items.size(), tree.size());
  for (const auto& [path, node] : tree) {
    const TarItem& item = items[path];
    const bool hard_link = !node.linked_to.empty() && node.linked_to != path;
    EXPECT_EQ(item.type, hard_link ? 'h' : node.type) << path;
    EXPECT_EQ(item.mode, node.mode) << path;
    EXPECT_EQ(item.uid, node.uid) << path;
    EXPECT_EQ(item.gid, node.gid) << path;
    EXPECT_EQ(item.mtime_seconds * 1'000'000'000 + item.mtime_nanoseconds, node.mtime_ns) << path;
    if (node.type == 'l') {
      EXPECT_EQ(item.link_target, node.link_target) << path;
    }
    if (hard_link) {
      EXPECT_EQ(item.link_target, "./" + node.linked_to) << path;
    } else if (node.type == '-') {
      EXPECT_TRUE(item.data == ReadFile(*shared_ / ("volume/" + path))) << path;
    }
  }
}

class TarSourceBlocks : public TarSourceTest, public ::testing::WithParamInterface<size_t> {};

TEST_P(TarSourceBlocks, OfAnySizeGiveTheSameStream) {
  Warnings warnings;
  TarSource source(plan_, &warnings);
  EXPECT_TRUE(StreamOf(&source, GetParam()) == *stream_);
  EXPECT_EQ(warnings.count(), 0u);
}

TEST_P(TarSourceBlocks, FilledBackwardsGiveTheSameStream) {
  Warnings warnings;
  TarSource source(plan_, &warnings);
  EXPECT_TRUE(StreamOf(&source, GetParam(), FillOrder::kBackward) == *stream_);
  EXPECT_EQ(warnings.count(), 0u);
}

TEST_P(TarSourceBlocks, FilledByManyThreadsGiveTheSameStream) {
  Warnings warnings;
  TarSource source(plan_, &warnings);
  EXPECT_TRUE(StreamOf(&source, GetParam(), FillOrder::kManyThreads) == *stream_);
  EXPECT_EQ(warnings.count(), 0u);
}

TEST_P(TarSourceBlocks, FollowEachOtherWithoutGaps) {
  Warnings warnings;
  TarSource source(plan_, &warnings);
  uint64_t offset = 0;
  for (const BlockTicket& ticket : TicketsOf(&source, GetParam())) {
    ASSERT_EQ(ticket.offset, offset);
    ASSERT_GT(ticket.bytes, 0u);
    offset += ticket.bytes;
  }
  EXPECT_EQ(offset, plan_->tar_bytes());
}

TEST_P(TarSourceBlocks, BeginWithTheDataOfEachFileOfAtLeastOneBlock) {
  Warnings warnings;
  TarSource source(plan_, &warnings);
  std::vector<uint64_t> begins;
  for (const BlockTicket& ticket : TicketsOf(&source, GetParam())) begins.push_back(ticket.offset);
  for (size_t i = 0; i < plan_->entries().size(); ++i) {
    const VolumePlan::Entry& entry = plan_->entries()[i];
    if (entry.bytes < GetParam()) continue;
    ASSERT_TRUE(std::binary_search(begins.begin(), begins.end(), entry.data_offset()))
        << plan_->PathOf(static_cast<uint32_t>(i));
  }
}

INSTANTIATE_TEST_SUITE_P(Of, TarSourceBlocks,
                         ::testing::Values(512, 1000, 4096, kMiB - 1, kMiB, kMiB + 1, 64 * kMiB));

TEST(TarSource, OfAnEmptyDirectoryIsATarOfItsRoot) {
  TempDir directory;
  Warnings warnings;
  const std::unique_ptr<VolumePlan> plan = PlanOf(directory.path(), &warnings);
  TarSource source(plan.get(), &warnings);
  const std::vector<TarItem> items = ReadTar(StreamOf(&source, kMiB));
  ASSERT_EQ(items.size(), 1u);
  EXPECT_EQ(items[0].path, "./");
}

TEST(TarSource, GoesOnAtTheEndWhenAskedAgain) {
  TempDir directory;
  Warnings warnings;
  const std::unique_ptr<VolumePlan> plan = PlanOf(directory.path(), &warnings);
  TarSource source(plan.get(), &warnings);
  TicketsOf(&source, kMiB);
  EXPECT_TRUE(TicketsOf(&source, kMiB).empty());
}

TEST(TarSource, EqualFilesMakeEqualBlocksWhereverTheyStand) {
  TempDir directory;
  const std::string contents = RandomBytes(1, 3 * kMiB);
  for (const char* root : {"one", "two"}) {
    std::filesystem::create_directory(directory / root);
    WriteFile(directory / (std::string(root) + "/m"), contents);
  }
  WriteFile(directory / "two/a", std::string(12'345, 'a'));
  std::vector<std::string> with_data;
  for (const char* root : {"one", "two"}) {
    Warnings warnings;
    const std::unique_ptr<VolumePlan> plan = PlanOf(directory / root, &warnings);
    TarSource source(plan.get(), &warnings);
    for (const BlockTicket& ticket : TicketsOf(&source, kMiB)) {
      if (ticket.offset != plan->entries().back().data_offset()) continue;
      std::string block(ticket.bytes, '\0');
      ASSERT_TRUE(
          source
              .Fill(ticket, MutableByteSpan(reinterpret_cast<uint8_t*>(block.data()), block.size()))
              .ok());
      with_data.push_back(block);
    }
  }
  ASSERT_EQ(with_data.size(), 2u);
  EXPECT_TRUE(with_data[0] == with_data[1]);
  EXPECT_EQ(with_data[0].size(), kMiB);
}

}  // namespace
}  // namespace volstream
