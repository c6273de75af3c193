// VolumeScan: the same entries whoever lists them and in whatever order, and what it does when
// directories change under it. ThreadSanitizer runs these as well.
#include "stages/volume_scan.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "stages/beneath.h"
#include "tests/support/guards.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

namespace fs = std::filesystem;

enum class Order { kDepthFirst, kBreadthFirst, kLastFirst, kRandom };

class VolumeScanTest : public ::testing::Test {
 protected:
  VolumeScanTest() { fs::create_directory(root_); }

  // `directories` directories of `files` files each, and a file beside them.
  void MakeWide(int directories, int files) {
    for (int d = 0; d < directories; ++d) {
      const std::string directory = root_ + "/d" + std::to_string(1000 + d);
      fs::create_directory(directory);
      for (int f = 0; f < files; ++f) Touch(directory + "/f" + std::to_string(f));
    }
    Touch(root_ + "/file");
  }

  static void Touch(const std::string& path) {
    const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    ASSERT_TRUE(fd.valid()) << path;
  }

  void Start(ScanOptions options = {}) {
    root_fd_ = UniqueFd(open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    scan_ = std::make_unique<VolumeScan>(std::move(options), &cancelled_);
    scan_->Root(root_fd_.get(), &root_entry_);
  }

  std::vector<ScannedEntry> TakeAll(const std::shared_ptr<ScanDirectory>& directory) {
    std::vector<ScannedEntry> all;
    const VolumeScan::Listing listing = scan_->List(directory);
    EXPECT_EQ(listing.error, 0);
    for (size_t chunk = 0; chunk < listing.chunk_count; ++chunk) {
      for (ScannedEntry& entry : scan_->Take(directory, chunk)) all.push_back(std::move(entry));
    }
    return all;
  }

  // Every path that the scan gives; each directory's names must be sorted and there once.
  std::set<std::string> Walk(Order order) {
    struct Pending {
      std::string path;
      std::shared_ptr<ScanDirectory> directory;
    };
    std::mt19937_64 random(1);
    std::set<std::string> paths;
    std::vector<Pending> pending = {{"", std::move(root_entry_.directory)}};
    while (!pending.empty()) {
      const size_t pick = order == Order::kBreadthFirst ? 0
                          : order == Order::kRandom     ? random() % pending.size()
                                                        : pending.size() - 1;
      const Pending next = std::move(pending[pick]);
      pending.erase(pending.begin() + static_cast<std::ptrdiff_t>(pick));
      std::vector<ScannedEntry> entries = TakeAll(next.directory);
      EXPECT_TRUE(std::is_sorted(entries.begin(), entries.end(),
                                 [](const auto& a, const auto& b) { return a.name < b.name; }));
      // Depth first is the walk's own order: the first directory comes next.
      if (order == Order::kDepthFirst) std::reverse(entries.begin(), entries.end());
      for (ScannedEntry& entry : entries) {
        EXPECT_EQ(entry.error, 0) << entry.name;
        const std::string path = next.path + "/" + entry.name;
        EXPECT_TRUE(paths.insert(path).second) << path;
        if (entry.directory != nullptr) pending.push_back({path, std::move(entry.directory)});
      }
    }
    return paths;
  }

  std::set<std::string> Expected() const {
    std::set<std::string> paths;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root_)) {
      paths.insert(entry.path().string().substr(root_.size()));
    }
    return paths;
  }

  TempDir directory_;
  std::string root_ = directory_ / "volume";
  UniqueFd root_fd_;
  std::atomic<bool> cancelled_ = false;
  std::unique_ptr<VolumeScan> scan_;
  ScannedEntry root_entry_;
};

TEST_F(VolumeScanTest, GivesTheRootItsOwnEntry) {
  ASSERT_EQ(chmod(root_.c_str(), 0750), 0);
  Start();
  EXPECT_EQ(root_entry_.name, "");
  EXPECT_EQ(root_entry_.mode, S_IFDIR | 0750u);
  ASSERT_NE(root_entry_.directory, nullptr);
  EXPECT_TRUE(TakeAll(root_entry_.directory).empty());
}

class VolumeScanOrder : public VolumeScanTest, public ::testing::WithParamInterface<Order> {};

TEST_P(VolumeScanOrder, GivesTheWholeTree) {
  MakeTree(root_);
  for (const int threads : {0, 1, 2, 16}) {
    ScanOptions options;
    options.threads = threads;
    Start(options);
    EXPECT_EQ(Walk(GetParam()), Expected()) << threads;
  }
}

// More entries than are scanned ahead, all of them names of one file, as those are made fast.
class VolumeScanAhead : public VolumeScanOrder {
 protected:
  static constexpr int kDirectories = 67;
  static constexpr int kLinks = 512;
  static_assert(kDirectories * kLinks > VolumeScan::kMaxAhead);

  static void SetUpTestSuite() {
    shared_ = new TempDir();
    WriteFile(*shared_ / "file", "");
    for (int d = 0; d < kDirectories; ++d) {
      const std::string directory = *shared_ / std::to_string(1000 + d);
      fs::create_directory(directory);
      for (int f = 0; f < kLinks; ++f) {
        ASSERT_EQ(link((*shared_ / "file").c_str(), (directory + "/" + std::to_string(f)).c_str()),
                  0);
      }
    }
  }
  static void TearDownTestSuite() { delete shared_; }

  static inline TempDir* shared_ = nullptr;
};

// The scanning threads stop then; whatever the consumer wants, it gets.
TEST_P(VolumeScanAhead, NeverWaitsForThreadsThatHaveStopped) {
  root_ = shared_->path();
  Start();
  EXPECT_EQ(Walk(GetParam()).size(), size_t{kDirectories} * (kLinks + 1) + 1);
}

INSTANTIATE_TEST_SUITE_P(In, VolumeScanAhead,
                         ::testing::Values(Order::kDepthFirst, Order::kBreadthFirst,
                                           Order::kLastFirst, Order::kRandom));

INSTANTIATE_TEST_SUITE_P(In, VolumeScanOrder,
                         ::testing::Values(Order::kDepthFirst, Order::kBreadthFirst,
                                           Order::kLastFirst, Order::kRandom));

TEST_F(VolumeScanTest, GivesALargeDirectoryInChunks) {
  constexpr int kFiles = 4 * VolumeScan::kChunkEntries + 1;
  MakeWide(1, kFiles);
  Start();
  const auto top = scan_->Take(root_entry_.directory, (scan_->List(root_entry_.directory), 0));
  ASSERT_EQ(top.size(), 2u);
  EXPECT_EQ(scan_->List(top[0].directory).chunk_count, 5u);
  std::set<std::string> names;
  for (size_t chunk = 5; chunk-- > 0;) {
    const std::vector<ScannedEntry> entries = scan_->Take(top[0].directory, chunk);
    EXPECT_EQ(entries.size(), chunk == 4 ? 1 : VolumeScan::kChunkEntries);
    for (const ScannedEntry& entry : entries) names.insert(entry.name);
  }
  EXPECT_EQ(names.size(), size_t{kFiles});
}

TEST_F(VolumeScanTest, SaysWhatStatSays) {
  const std::string path = root_ + "/file";
  WriteFile(path, "12345", 0640);
  fs::create_hard_link(path, root_ + "/other");
  const timespec times[2] = {{0, UTIME_OMIT}, {-5, 123}};
  ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  struct stat info {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  Start();
  const std::vector<ScannedEntry> entries = TakeAll(root_entry_.directory);
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].mode, S_IFREG | 0640u);
  EXPECT_EQ(entries[0].link_count, 2u);
  EXPECT_EQ(entries[0].bytes, 5u);
  EXPECT_EQ(entries[0].inode, info.st_ino);
  EXPECT_EQ(entries[0].device, info.st_dev);
  EXPECT_EQ(entries[0].uid, info.st_uid);
  EXPECT_EQ(entries[0].mtime_seconds, -5);
  EXPECT_EQ(entries[0].mtime_nanoseconds, 123u);
  EXPECT_EQ(entries[0].sparse, nullptr);
}

TEST_F(VolumeScanTest, GivesLinkTargetsOfAnyLength) {
  for (const size_t bytes : {1, 255, 256, 257, 4095}) {
    fs::create_symlink(std::string(bytes, 't'), root_ + "/" + std::to_string(10'000 + bytes));
  }
  Start();
  const std::vector<ScannedEntry> entries = TakeAll(root_entry_.directory);
  ASSERT_EQ(entries.size(), 5u);
  for (const ScannedEntry& entry : entries) {
    EXPECT_EQ(entry.link_target.size() + 10'000, std::stoul(entry.name));
  }
}

TEST_F(VolumeScanTest, ADirectoryThatIsGoneIsAnError) {
  MakeWide(1, 3);
  ScanOptions options;
  options.threads = 1;
  Start(options);
  scan_->List(root_entry_.directory);
  // Its scanner may have been faster; then the directory is as it was.
  fs::remove_all(root_ + "/d1000");
  const std::vector<ScannedEntry> top = scan_->Take(root_entry_.directory, 0);
  const VolumeScan::Listing listing = scan_->List(top[0].directory);
  EXPECT_TRUE(listing.error == 0 || listing.error == ENOENT) << listing.error;
  EXPECT_FALSE(listing.partial);
}

TEST_F(VolumeScanTest, AChunkOfADirectoryThatIsGoneSaysSo) {
  // More directories are open than are kept, so that this one has to be opened again.
  MakeWide(260, 1);
  fs::create_directory(root_ + "/large");
  for (size_t i = 0; i < 3 * VolumeScan::kChunkEntries; ++i) {
    Touch(root_ + "/large/" + std::to_string(i));
  }
  Start();
  std::vector<ScannedEntry> top = TakeAll(root_entry_.directory);
  for (const ScannedEntry& entry : top) {
    if (entry.directory != nullptr) scan_->List(entry.directory);
  }
  fs::rename(root_ + "/large", directory_ / "moved");
  const auto large = std::find_if(top.begin(), top.end(),
                                  [](const ScannedEntry& entry) { return entry.name == "large"; });
  ASSERT_NE(large, top.end());
  for (size_t chunk = 0; chunk < 3; ++chunk) {
    for (const ScannedEntry& entry : scan_->Take(large->directory, chunk)) {
      ASSERT_TRUE(entry.error == 0 || entry.error == ENOENT) << strerrordesc_np(entry.error);
    }
  }
}

TEST_F(VolumeScanTest, ASymlinkInADirectorysPlaceIsNotFollowed) {
  MakeWide(1, 3);
  fs::create_directory(directory_ / "outside");
  Touch(directory_ / "outside/secret");
  for (int round = 0; round < 50; ++round) {
    Start();
    std::vector<ScannedEntry> top = TakeAll(root_entry_.directory);
    fs::rename(root_ + "/d1000", directory_ / "moved");
    fs::create_directory_symlink(directory_ / "outside", root_ + "/d1000");
    const VolumeScan::Listing listing = scan_->List(top[0].directory);
    if (listing.error == 0) {
      for (const ScannedEntry& entry : scan_->Take(top[0].directory, 0)) {
        EXPECT_NE(entry.name, "secret");
      }
    } else {
      // ENOENT: a scanning thread came between the two steps.
      EXPECT_TRUE(listing.error == ELOOP || listing.error == ENOTDIR || listing.error == ENOENT)
          << listing.error;
    }
    scan_.reset();
    fs::remove(root_ + "/d1000");
    fs::rename(directory_ / "moved", root_ + "/d1000");
  }
}

TEST_F(VolumeScanTest, CountsWhatPatternsLeaveOut) {
  MakeWide(3, 4);
  ScanOptions options;
  ASSERT_TRUE(options.excludes.Add("f1").ok());
  ASSERT_TRUE(options.excludes.Add("/d1002").ok());
  Start(options);
  EXPECT_EQ(Walk(Order::kDepthFirst),
            (std::set<std::string>{"/d1000", "/d1000/f0", "/d1000/f2", "/d1000/f3", "/d1001",
                                   "/d1001/f0", "/d1001/f2", "/d1001/f3", "/file"}));
  EXPECT_EQ(scan_->excluded(), 3u);  // d1002 counts once
}

TEST_F(VolumeScanTest, CountsWhatACacheTagLeavesOut) {
  MakeWide(1, 4);
  WriteFile(root_ + "/d1000/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n# more");
  ScanOptions options;
  options.exclude_caches = true;
  Start(options);
  EXPECT_EQ(Walk(Order::kDepthFirst),
            (std::set<std::string>{"/d1000", "/d1000/CACHEDIR.TAG", "/file"}));
  EXPECT_EQ(scan_->excluded(), 4u);
}

// A backup that is interrupted while its process lives on must not cost descriptors.
TEST_F(VolumeScanTest, LeavesNothingOpenWhenItEndsEarly) {
  MakeWide(50, 3);
  for (int d = 0; d < 50; ++d) {
    fs::create_directories(root_ + "/d" + std::to_string(1000 + d) + "/sub/sub");
  }
  const int before = OpenDescriptors();
  for (int round = 0; round < 20; ++round) {
    Start();
    std::vector<ScannedEntry> top = TakeAll(root_entry_.directory);
    // As much of it has been scanned ahead as chance will have it, and by this much.
    for (int d = 0; d < 50; d += 2) scan_->List(top[d].directory);
    root_entry_ = ScannedEntry();
    top.clear();
    scan_.reset();
    root_fd_.Reset();
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

// Once enough is scanned ahead elsewhere, nobody takes the tasks that the consumer does itself.
TEST_F(VolumeScanTest, ForgetsWhatTheConsumerIsDoneWith) {
  constexpr int kAhead = VolumeScan::kMaxAhead / VolumeScan::kChunkEntries + 5;
  constexpr size_t kDirectories = 5 * VolumeScan::kChunkEntries;
  WriteFile(root_ + "/file", "");
  for (int d = 0; d < kAhead; ++d) {
    const std::string directory = root_ + "/a" + std::to_string(1000 + d);
    fs::create_directory(directory);
    for (size_t f = 0; f < VolumeScan::kChunkEntries; ++f) {
      ASSERT_EQ(link((root_ + "/file").c_str(), (directory + "/" + std::to_string(f)).c_str()), 0);
    }
  }
  for (size_t d = 0; d < kDirectories; ++d) {
    fs::create_directories(root_ + "/last/" + std::to_string(d));
  }
  ScanOptions options;
  options.threads = 1;  // which comes to the last directory last, and has stopped by then
  Start(options);
  std::vector<ScannedEntry> top = TakeAll(root_entry_.directory);
  for (int d = 0; d < kAhead; ++d) scan_->List(top[d].directory);
  std::vector<std::weak_ptr<ScanDirectory>> done;
  const std::shared_ptr<ScanDirectory> last = std::move(top.back().directory);
  for (size_t chunk = 0, count = scan_->List(last).chunk_count; chunk < count; ++chunk) {
    for (const ScannedEntry& entry : scan_->Take(last, chunk)) {
      TakeAll(entry.directory);
      done.push_back(entry.directory);
    }
  }
  const auto alive = std::count_if(done.begin(), done.end(),
                                   [](const auto& directory) { return !directory.expired(); });
  EXPECT_EQ(done.size(), kDirectories);
  EXPECT_LE(alive, 2 * static_cast<int>(VolumeScan::kChunkEntries));
}

TEST_F(VolumeScanTest, EndsSoonOnceCancelled) {
  MakeWide(4, 600);
  cancelled_ = true;
  Start();
  // All is listed, nothing is waited for; what is in it no longer matters.
  const VolumeScan::Listing listing = scan_->List(root_entry_.directory);
  for (size_t chunk = 0; chunk < listing.chunk_count; ++chunk) {
    EXPECT_TRUE(scan_->Take(root_entry_.directory, chunk).empty());
  }
}

TEST_F(VolumeScanTest, MayBeCancelledAtAnyMoment) {
  MakeWide(20, 20);
  for (int round = 0; round < 20; ++round) {
    cancelled_ = false;
    Start();
    std::thread canceller([this] { cancelled_ = true; });
    Walk(Order::kDepthFirst);
    canceller.join();
    scan_.reset();
  }
}

TEST_F(VolumeScanTest, NeedsFewDescriptors) {
  MakeWide(100, 3);
  std::string deep = root_ + "/deep";
  for (int i = 0; i < 100; ++i, deep += "/d") fs::create_directory(deep);
  const std::set<std::string> expected = Expected();
  for (const Order order : {Order::kDepthFirst, Order::kBreadthFirst, Order::kRandom}) {
    const FewDescriptors limit(64);
    Start();
    EXPECT_EQ(Walk(order), expected);
    scan_.reset();
  }
}

}  // namespace
}  // namespace volstream
