// VolumePlan with options: what patterns, tags, mounts and holes do to the layout.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/bytes.h"
#include "stages/error_kind.h"
#include "stages/volume_plan.h"
#include "tests/support/guards.h"
#include "tests/support/tar_reader.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

namespace fs = std::filesystem;
using Paths = std::vector<std::string>;

class VolumePlanOptions : public ::testing::Test {
 protected:
  VolumePlanOptions() { fs::create_directory(root_); }

  std::unique_ptr<VolumePlan> Make() {
    absl::StatusOr<std::unique_ptr<VolumePlan>> plan =
        VolumePlan::Make(root_, &warnings_, nullptr, std::move(options_));
    EXPECT_TRUE(plan.ok()) << plan.status();
    return plan.ok() ? *std::move(plan) : nullptr;
  }

  void Exclude(const std::string& pattern) {
    ASSERT_TRUE(options_.scan.excludes.Add(pattern).ok()) << pattern;
  }

  std::string File(const std::string& name, std::string_view contents = "contents") {
    const std::string path = root_ + "/" + name;
    fs::create_directories(fs::path(path).parent_path());
    WriteFile(path, contents);
    return path;
  }

  // A file of `bytes` whose data are `data` at the front.
  void Sparse(const std::string& name, std::string_view data, uint64_t bytes) {
    const std::string path = File(name, data);
    ASSERT_EQ(truncate(path.c_str(), static_cast<off_t>(bytes)), 0);
  }

  static Paths PathsOf(const VolumePlan& plan) {
    Paths paths;
    for (uint32_t i = 0; i < plan.entries().size(); ++i) paths.push_back(plan.PathOf(i));
    return paths;
  }

  TempDir directory_;
  const std::string root_ = directory_ / "volume";
  PlanOptions options_;
  Warnings warnings_;
};

TEST_F(VolumePlanOptions, PatternsLeaveNamesOut) {
  for (const char* name : {"a.log", "b/c.log", "b/keep", "cache/x/y", "deep/cache/z"}) File(name);
  Exclude("*.log");
  Exclude("/cache/");
  const std::unique_ptr<VolumePlan> plan = Make();
  EXPECT_EQ(PathsOf(*plan), (Paths{"", "b", "b/keep", "deep", "deep/cache", "deep/cache/z"}));
  EXPECT_EQ(plan->excluded(), 3u);
  EXPECT_EQ(warnings_.count(), 0u);
}

TEST_F(VolumePlanOptions, AnExcludedDirectoryIsNotRead) {
  if (geteuid() != 0) GTEST_SKIP() << "NOT TESTED: needs root to become another user";
  File("closed/inside");
  ASSERT_EQ(chmod((root_ + "/closed").c_str(), 0700), 0);
  Exclude("/closed");
  const AsNobody nobody;
  EXPECT_EQ(PathsOf(*Make()), (Paths{""}));
  EXPECT_EQ(warnings_.count(), 0u);
}

TEST_F(VolumePlanOptions, TheFirstNameThatIsNotExcludedCarriesTheData) {
  fs::create_hard_link(File("a"), root_ + "/b");
  fs::create_hard_link(root_ + "/a", root_ + "/c");
  Exclude("a");
  const std::unique_ptr<VolumePlan> plan = Make();
  ASSERT_EQ(PathsOf(*plan), (Paths{"", "b", "c"}));
  EXPECT_EQ(plan->entries()[1].link_to, VolumePlan::kNone);
  EXPECT_EQ(plan->entries()[1].bytes, 8u);
  EXPECT_EQ(plan->entries()[2].link_to, 1u);
}

TEST_F(VolumePlanOptions, EverythingMayBeExcludedButTheRoot) {
  File("a");
  File("b/c");
  Exclude("*");
  const std::unique_ptr<VolumePlan> plan = Make();
  EXPECT_EQ(PathsOf(*plan), (Paths{""}));
  EXPECT_EQ(plan->excluded(), 2u);
}

constexpr std::string_view kTag = "Signature: 8a477f597d28d172789f06886806bc55";

TEST_F(VolumePlanOptions, OfATaggedDirectoryOnlyTheTagIsKept) {
  for (const char* name : {"c/a", "c/z", "c/sub/x", "d/a"}) File(name);
  File("c/CACHEDIR.TAG", std::string(kTag) + "\n# a cache");
  EXPECT_EQ(Make()->excluded(), 0u);
  options_ = PlanOptions();
  options_.scan.exclude_caches = true;
  const std::unique_ptr<VolumePlan> plan = Make();
  EXPECT_EQ(PathsOf(*plan), (Paths{"", "c", "c/CACHEDIR.TAG", "d", "d/a"}));
  EXPECT_EQ(plan->excluded(), 3u);
}

TEST_F(VolumePlanOptions, ATagMustHaveItsSignature) {
  File("short/CACHEDIR.TAG", kTag.substr(0, kTag.size() - 1));
  File("short/a");
  File("wrong/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc56");
  File("wrong/a");
  File("linked/a");
  fs::create_symlink(File("tag", kTag), root_ + "/linked/CACHEDIR.TAG");
  fs::create_directories(root_ + "/directory/CACHEDIR.TAG");
  fs::create_directory(root_ + "/fifo");
  ASSERT_EQ(mkfifo((root_ + "/fifo/CACHEDIR.TAG").c_str(), 0600), 0);
  options_.scan.exclude_caches = true;
  const std::unique_ptr<VolumePlan> plan = Make();
  EXPECT_EQ(plan->excluded(), 0u);
  EXPECT_EQ(plan->entries().size(), 15u);
}

TEST_F(VolumePlanOptions, OneFileSystemMakesMountPointsEmptyDirectories) {
  File("a");
  File("file-mount");
  fs::create_directory(root_ + "/mount");
  const Mount mount(root_ + "/mount");
  if (!mount.mounted()) GTEST_SKIP() << "NOT TESTED: may not mount";
  File("mount/inside");
  EXPECT_EQ(PathsOf(*Make()), (Paths{"", "a", "file-mount", "mount", "mount/inside"}));
  const Mount over_file(root_ + "/mount/inside", root_ + "/file-mount");
  options_ = PlanOptions();
  options_.scan.one_file_system = true;
  const std::unique_ptr<VolumePlan> plan = Make();
  // A file is kept whatever its device: on an overlay every file may have another one.
  EXPECT_EQ(PathsOf(*plan), (Paths{"", "a", "file-mount", "mount"}));
  EXPECT_EQ(plan->excluded(), 1u);
  EXPECT_EQ(plan->mount_points(), std::vector<std::string>{"mount"});
}

TEST_F(VolumePlanOptions, OneFileSystemIsThatOfTheRoot) {
  const Mount mount(root_);
  if (!mount.mounted()) GTEST_SKIP() << "NOT TESTED: may not mount";
  File("a");
  options_.scan.one_file_system = true;
  EXPECT_EQ(PathsOf(*Make()), (Paths{"", "a"}));
}

TEST_F(VolumePlanOptions, ALoopOfBindMountsIsRefusedWithTheRemedy) {
  fs::create_directories(root_ + "/a/loop");
  const Mount mount(root_, root_ + "/a/loop");
  if (!mount.mounted()) GTEST_SKIP() << "NOT TESTED: may not mount";
  const absl::Status status = VolumePlan::Make(root_, &warnings_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  for (const char* words : {"a/loop", "the source again", "bind mount", "--exclude /a/loop"}) {
    EXPECT_NE(std::string(status.message()).find(words), std::string::npos) << status;
  }
  Exclude("/a/loop");
  EXPECT_EQ(PathsOf(*Make()), (Paths{"", "a"}));
}

TEST_F(VolumePlanOptions, ALoopFurtherDownIsRefusedToo) {
  fs::create_directories(root_ + "/a/b/loop");
  const Mount mount(root_ + "/a", root_ + "/a/b/loop");
  if (!mount.mounted()) GTEST_SKIP() << "NOT TESTED: may not mount";
  const absl::Status status = VolumePlan::Make(root_, &warnings_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_NE(std::string(status.message()).find("a/b/loop is a again"), std::string::npos) << status;
}

TEST_F(VolumePlanOptions, ADirectoryMountedTwiceIsNoLoop) {
  File("a/x");
  fs::create_directory(root_ + "/b");
  const Mount mount(root_ + "/a", root_ + "/b");
  if (!mount.mounted()) GTEST_SKIP() << "NOT TESTED: may not mount";
  EXPECT_EQ(PathsOf(*Make()), (Paths{"", "a", "a/x", "b", "b/x"}));
}

TEST_F(VolumePlanOptions, HolesAreNotStored) {
  Sparse("sparse", "data", 8 * kMiB);
  const std::unique_ptr<VolumePlan> plan = Make();
  const VolumePlan::Entry& entry = plan->entries()[1];
  const SparseMap* const map = plan->SparseOf(entry);
  if (map == nullptr) GTEST_SKIP() << "NOT TESTED: no holes in " << directory_.path();
  EXPECT_EQ(entry.bytes, map->stored_bytes);
  EXPECT_EQ(plan->file_bytes(), map->stored_bytes);
  EXPECT_LT(plan->tar_bytes(), 100 * kKiB);
}

TEST_F(VolumePlanOptions, HolesAreStoredAsZerosWhenTold) {
  Sparse("sparse", "data", 8 * kMiB);
  options_.sparse = false;
  const std::unique_ptr<VolumePlan> plan = Make();
  EXPECT_EQ(plan->SparseOf(plan->entries()[1]), nullptr);
  EXPECT_EQ(plan->entries()[1].bytes, 8 * kMiB);
  EXPECT_EQ(ReadTarHeader(plan->HeaderOf(1)).path, "./sparse");
}

TEST_F(VolumePlanOptions, TheSameOptionsGiveTheSameLayout) {
  MakeTree(root_);
  Sparse("sparse", "data", 8 * kMiB);
  std::string headers[2];
  for (std::string& all : headers) {
    options_ = PlanOptions();
    Exclude("*.bin");
    const std::unique_ptr<VolumePlan> plan = Make();
    for (uint32_t i = 0; i < plan->entries().size(); ++i) all += plan->HeaderOf(i);
  }
  EXPECT_TRUE(headers[0] == headers[1]);
}

TEST_F(VolumePlanOptions, NumberOfThreadsDoesNotChangeTheLayout) {
  MakeTree(root_);
  std::string headers[2];
  for (std::string& all : headers) {
    options_ = PlanOptions();
    options_.scan.threads = &all == &headers[0] ? 1 : 16;
    const std::unique_ptr<VolumePlan> plan = Make();
    for (uint32_t i = 0; i < plan->entries().size(); ++i) all += plan->HeaderOf(i);
  }
  EXPECT_TRUE(headers[0] == headers[1]);
}

TEST_F(VolumePlanOptions, EndsOnceCancelled) {
  MakeTree(root_);
  const std::atomic<bool> cancelled = true;
  const int before = OpenDescriptors();
  const absl::Status status = VolumePlan::Make(root_, &warnings_, &cancelled).status();
  EXPECT_EQ(KindOf(status), ErrorKind::kInterrupted) << status;
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_F(VolumePlanOptions, LosesNothingWhereFewDescriptorsMayBeOpen) {
  for (int i = 0; i < 100; ++i) File("wide/" + std::to_string(i) + "/f");
  std::string deep = "deep";
  for (int i = 0; i < 100; ++i) deep += "/d";
  File(deep + "/f");
  const size_t expected = SnapshotTree(root_).size();
  const FewDescriptors limit(64);
  EXPECT_EQ(Make()->entries().size(), expected);
  EXPECT_EQ(warnings_.count(), 0u) << ::testing::PrintToString(warnings_.texts());
}

}  // namespace
}  // namespace volstream
