// TarSource: holes, attributes and batches, for every block size and order of filling.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/bytes.h"
#include "stages/beneath.h"
#include "stages/tar_source.h"
#include "stages/volume_files.h"
#include "tests/support/attributes.h"
#include "tests/support/guards.h"
#include "tests/support/source_driver.h"
#include "tests/support/tar_reader.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

namespace fs = std::filesystem;

constexpr FillOrder kOrders[] = {FillOrder::kForward, FillOrder::kBackward,
                                 FillOrder::kManyThreads};

class TarSourceFiles : public ::testing::Test {
 protected:
  TarSourceFiles() { fs::create_directory(root_); }

  std::string Path(const std::string& name) const { return root_ + "/" + name; }

  // A file of `bytes` with random data at these offsets.
  void Sparse(const std::string& name, uint64_t bytes,
              const std::vector<std::pair<uint64_t, uint64_t>>& data) {
    const UniqueFd fd(open(Path(name).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    ASSERT_EQ(ftruncate(fd.get(), static_cast<off_t>(bytes)), 0);
    for (const auto& [offset, count] : data) {
      const std::string text = RandomBytes(offset + count, count);
      ASSERT_EQ(pwrite(fd.get(), text.data(), count, static_cast<off_t>(offset)),
                static_cast<ssize_t>(count));
    }
  }

  void Plan() {
    absl::StatusOr<std::unique_ptr<VolumePlan>> plan = VolumePlan::Make(root_, &warnings_);
    ASSERT_TRUE(plan.ok()) << plan.status();
    plan_ = *std::move(plan);
  }

  std::string Stream(size_t block_bytes, FillOrder order = FillOrder::kForward) {
    TarSource source(plan_.get(), &warnings_);
    return StreamOf(&source, block_bytes, order);
  }

  // The stream holds every file of the tree, and is the same for these blocks in any order.
  void ExpectTheTree(const std::vector<size_t>& block_sizes) {
    Plan();
    const std::string stream = Stream(kMiB);
    EXPECT_EQ(stream.size(), plan_->tar_bytes());
    for (const size_t block_bytes : block_sizes) {
      for (const FillOrder order : kOrders) {
        ASSERT_TRUE(Stream(block_bytes, order) == stream) << block_bytes;
      }
    }
    for (const TarItem& item : ReadTar(stream)) {
      if (item.type != '-') continue;
      ASSERT_TRUE(item.data == ReadFile(Path(item.path))) << item.path;
    }
    EXPECT_EQ(warnings_.count(), 0u) << ::testing::PrintToString(warnings_.texts());
  }

  // Out of the page cache, where the file system lets go of it.
  void MakeCold() {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root_)) {
      if (!entry.is_regular_file()) continue;
      const UniqueFd fd(open(entry.path().c_str(), O_RDONLY | O_CLOEXEC));
      fdatasync(fd.get());
      posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
    }
  }

  TempDir directory_;
  const std::string root_ = directory_ / "volume";
  Warnings warnings_;
  std::unique_ptr<VolumePlan> plan_;
};

TEST_F(TarSourceFiles, HolesInEveryPlaceComeBack) {
  Sparse("all-hole", 3 * kMiB, {});
  Sparse("head", 3 * kMiB, {{2 * kMiB, kMiB}});
  Sparse("middle", 3 * kMiB, {{0, 70'000}, {2 * kMiB + 4096, kMiB - 4096}});
  Sparse("tail", 3 * kMiB + 17, {{0, kMiB}});
  Sparse("tail-data", 3 * kMiB + 17, {{3 * kMiB, 17}});
  Sparse("many", 4 * kMiB, [] {
    std::vector<std::pair<uint64_t, uint64_t>> data;
    for (uint64_t i = 0; i < 64; ++i) data.emplace_back(i * 64 * kKiB, 1 + i * 100);
    return data;
  }());
  fs::create_hard_link(Path("many"), Path("zz-link"));
  ExpectTheTree({512, 513, 1000, 4096, 100'000, kMiB + 1});
  EXPECT_NE(plan_->SparseOf(plan_->entries()[1]), nullptr) << "NOT TESTED: no holes here";
}

// The map, then each segment, begins at, just before and just behind the border of a block.
TEST_F(TarSourceFiles, HolesComeBackAtEveryPlaceOfABlock) {
  Sparse("sparse", 256 * kKiB, {{64 * kKiB, 8192}, {128 * kKiB, 4096}});
  const timespec times[2] = {{1'500'000'000, 0}, {1'500'000'000, 0}};
  ASSERT_EQ(utimensat(AT_FDCWD, Path("sparse").c_str(), times, 0), 0);
  ASSERT_EQ(utimensat(AT_FDCWD, root_.c_str(), times, 0), 0);
  Plan();
  const uint64_t map_at = plan_->entries()[1].data_offset();
  std::vector<size_t> block_sizes;
  for (const uint64_t border : {map_at, map_at + 512, map_at + 512 + 8192, map_at + 12'800}) {
    for (const int64_t off : {-513, -512, -1, 0, 1, 512}) {
      block_sizes.push_back(static_cast<size_t>(static_cast<int64_t>(border) + off));
    }
  }
  ExpectTheTree(block_sizes);
}

TEST_F(TarSourceFiles, ASparseFileThatShrankIsFilledWithZeros) {
  Sparse("f", 3 * kMiB, {{0, 4096}, {2 * kMiB, 64 * kKiB}});
  Plan();
  ASSERT_EQ(truncate(Path("f").c_str(), kMiB), 0);
  const std::vector<TarItem> items = ReadTar(Stream(4096, FillOrder::kManyThreads));
  EXPECT_EQ(items.at(1).bytes, static_cast<int64_t>(3 * kMiB));
  EXPECT_TRUE(items.at(1).data == ReadFile(Path("f")) + std::string(2 * kMiB, '\0'));
  ASSERT_EQ(warnings_.count(), 1u);
  EXPECT_TRUE(warnings_.texts()[0].starts_with("f: shrank")) << warnings_.texts()[0];
}

TEST_F(TarSourceFiles, AHoleThatWasFilledIsAWarning) {
  Sparse("f", 3 * kMiB, {{0, 4096}});
  const timespec times[2] = {{1'500'000'000, 0}, {1'500'000'000, 0}};
  ASSERT_EQ(utimensat(AT_FDCWD, Path("f").c_str(), times, 0), 0);
  Plan();
  WriteFile(Path("f"), std::string(3 * kMiB, 'x'));
  EXPECT_EQ(ReadTar(Stream(kMiB)).at(1).bytes, static_cast<int64_t>(3 * kMiB));
  ASSERT_EQ(warnings_.count(), 1u);
  EXPECT_TRUE(warnings_.texts()[0].starts_with("f: changed")) << warnings_.texts()[0];
}

TEST_F(TarSourceFiles, HeadersLongerThanABlockComeBack) {
  if (!TakesAttributes(directory_.path())) GTEST_SKIP() << "NOT TESTED: no extended attributes";
  for (const char* name : {"a", "b", "large", "linked", "d"}) {
    WriteFile(Path(name), RandomBytes(1, name == std::string("large") ? 3 * kMiB : 700));
    ASSERT_TRUE(SetAttribute(Path(name), "user.long", RandomBytes(2, 3000)));
  }
  fs::create_hard_link(Path("linked"), Path("linked-too"));
  fs::create_directory(Path("directory"));
  ASSERT_TRUE(SetAttribute(Path("directory"), "user.long", std::string(3000, '\0')));
  ExpectTheTree({512, 1000, 1024, 4096});
  EXPECT_GT(plan_->entries()[1].header_bytes, 3000u);
}

class TarSourceBatches : public TarSourceFiles {
 protected:
  // More files than may be pending at once.
  static constexpr int kFiles = VolumeFiles::kMaxPending + 150;

  void MakeFiles() {
    for (int i = 0; i < kFiles; ++i) {
      const std::string name = std::to_string(1000 + i);
      if (i % 50 == 0) fs::create_directory(Path("d" + std::to_string(i / 50)));
      // Empty ones, ones of a page and less, and ones of several.
      const size_t bytes = i % 7 == 0 ? 0 : i % 5 == 0 ? 20'000 + i : i * 13 % 5000;
      WriteFile(Path("d" + std::to_string(i / 50) + "/" + name), RandomBytes(i, bytes));
    }
  }
};

TEST_F(TarSourceBatches, GiveTheSameStreamColdAndWarm) {
  MakeFiles();
  Plan();
  const std::string warm = Stream(kMiB);
  for (const size_t block_bytes : {size_t{4096}, size_t{kMiB}, size_t{16 * kMiB}}) {
    for (const FillOrder order : kOrders) {
      MakeCold();
      ASSERT_TRUE(Stream(block_bytes, order) == warm) << block_bytes;
    }
  }
  ExpectTheTree({});
}

TEST_F(TarSourceBatches, OfHalfCachedFilesAreWhole) {
  // One page of each large file is in the cache: RWF_NOWAIT gives that much.
  for (int i = 0; i < 20; ++i) {
    WriteFile(Path(std::to_string(i)), RandomBytes(i, 300'000));
  }
  MakeCold();
  for (int i = 0; i < 20; ++i) {
    const UniqueFd fd(open(Path(std::to_string(i)).c_str(), O_RDONLY | O_CLOEXEC));
    posix_fadvise(fd.get(), 0, 0, POSIX_FADV_RANDOM);
    char page[4096];
    ASSERT_EQ(pread(fd.get(), page, sizeof(page), 0), ssize_t{sizeof(page)});
  }
  ExpectTheTree({});
}

TEST_F(TarSourceBatches, LoseNothingWhereFewDescriptorsMayBeOpen) {
  MakeFiles();
  Plan();
  const std::string expected = Stream(16 * kMiB);
  const FewDescriptors limit(64);
  for (const FillOrder order : {FillOrder::kForward, FillOrder::kManyThreads}) {
    MakeCold();
    EXPECT_TRUE(Stream(kMiB, order) == expected);
  }
  EXPECT_EQ(warnings_.count(), 0u) << ::testing::PrintToString(warnings_.texts());
}

TEST_F(TarSourceBatches, LeaveNothingOpen) {
  MakeFiles();
  MakeCold();
  const int before = OpenDescriptors();
  Plan();
  fs::remove(Path("d0/1001"));
  Stream(kMiB, FillOrder::kManyThreads);
  plan_.reset();
  EXPECT_EQ(OpenDescriptors(), before);
}

// Every kind of change that one block's files can have, all at once, cold and warm.
TEST_F(TarSourceBatches, TakeChangedFilesAsTheyMay) {
  for (const bool cold : {false, true}) {
    MakeFiles();
    Plan();
    const auto path = [this](int i) {
      return Path("d" + std::to_string(i / 50) + "/" + std::to_string(1000 + i));
    };
    fs::remove(path(1));
    ASSERT_EQ(truncate(path(2).c_str(), 5), 0);
    ASSERT_EQ(truncate(path(3).c_str(), 100'000), 0);
    WriteFile(directory_ / "other", "another file");
    fs::rename(directory_ / "other", path(4));
    WriteFile(path(7), "no longer empty");
    fs::remove(path(8));
    fs::create_symlink("/etc/passwd", path(8));
    fs::remove_all(Path("d2"));
    if (cold) MakeCold();
    std::map<std::string, TarItem> items;
    for (TarItem& item : ReadTar(Stream(16 * kMiB))) items[item.path] = std::move(item);
    const auto item = [&](int i) { return "./" + path(i).substr(root_.size() + 1); };
    EXPECT_FALSE(items.contains(item(1)));
    EXPECT_EQ(items.at(item(2)).data, RandomBytes(2, 26).substr(0, 5) + std::string(21, '\0'));
    EXPECT_EQ(items.at(item(3)).data, RandomBytes(3, 39));
    EXPECT_EQ(items.at(item(4)).data, "another file" + std::string(52 - 12, '\0'));
    EXPECT_EQ(items.at(item(7)).data, "");
    EXPECT_FALSE(items.contains(item(8)));
    EXPECT_TRUE(items.contains("./d2/"));
    EXPECT_FALSE(items.contains(item(100)));
    EXPECT_TRUE(items.at(item(160)).data == ReadFile(path(160)));
    EXPECT_EQ(warnings_.count(), (cold ? 2 : 1) * (6u + 50));
    EXPECT_EQ(warnings_.missing_count(), 0u);
    fs::remove_all(root_);
    fs::create_directory(root_);
  }
}

}  // namespace
}  // namespace volstream
