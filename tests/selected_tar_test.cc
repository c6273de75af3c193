// Restores of selected paths: what they read, and what they do not believe.
#include "stages/selected_tar.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "stages/backup.h"
#include "stages/error_kind.h"
#include "stages/restore.h"
#include "stages/verify.h"
#include "tests/support/fake_storage.h"
#include "tests/support/reindex.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

class SelectedTarTest : public ::testing::Test {
 protected:
  SelectedTarTest() {
    std::filesystem::create_directories(source_);
    options_.target = directory_ / "target";
    options_.on_warning = [this](std::string_view text) { warnings_.emplace_back(text); };
    storage_.on_read_at = [this](uint64_t, size_t bytes) {
      ++reads_;
      bytes_read_ += bytes;
      return absl::OkStatus();
    };
  }
  void BackUp() {
    BackupOptions options;
    options.source = source_;
    options.level = 1;
    const BackupReport report = Backup(options, {&storage_}).Run();
    ASSERT_TRUE(report.status.ok()) << report.status;
    name_ = report.receipt.archive;
    reads_ = 0;
    bytes_read_ = 0;
  }
  absl::StatusOr<RestoreReport> Restore(std::vector<std::string> patterns) {
    options_.patterns = std::move(patterns);
    return RestoreArchive(&storage_, name_, options_);
  }
  std::vector<std::string> Restored() const {
    std::vector<std::string> paths;
    if (!Exists(options_.target)) return paths;
    for (const auto& [path, node] : SnapshotTree(options_.target)) {
      if (node.type != 'd') paths.push_back(path);
    }
    return paths;
  }
  void Change(const std::function<void(IndexTables*)>& change) {
    storage_.Set(name_, Reindex(storage_.objects()[name_], change));
  }
  Verification Verify() {
    VerifyOptions options;
    options.level = VerifyLevel::kDeep;
    const auto result = VerifyArchive(&storage_, name_, options);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? *result : Verification();
  }

  TempDir directory_;
  const std::string source_ = directory_ / "volume";
  FakeStorage storage_;
  std::string name_;
  RestoreOptions options_;
  std::vector<std::string> warnings_;
  std::atomic<int> reads_{0};
  std::atomic<uint64_t> bytes_read_{0};
};

TEST_F(SelectedTarTest, ReadsNoMoreThanOneFileNeeds) {
  for (int i = 0; i < 64; ++i) {
    WriteFile(absl::StrCat(source_, "/f", i), RandomBytes(static_cast<uint64_t>(i), kMiB));
  }
  BackUp();
  const auto report = Restore({"f33"});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(ReadFile(options_.target + "/f33"), RandomBytes(33, kMiB));
  EXPECT_EQ(Restored(), std::vector<std::string>{"f33"});
  // The index, and the members with the file's header and data: the size is asked for beside that.
  EXPECT_LE(reads_, 2);
  EXPECT_LE(bytes_read_, kMiB + 512 * kKiB);
  EXPECT_EQ(report->entries, 1u);
}

TEST_F(SelectedTarTest, GivesEverySelectionOfATree) {
  TreeOptions tree;
  tree.rare_files = true;
  tree.incompressible_bytes = 4 * kMiB;
  MakeTree(source_, tree);
  BackUp();
  options_.owners = geteuid() == 0 ? Owners::kByNumber : Owners::kOwn;
  const Tree all = SnapshotTree(source_);
  size_t selected = 0;
  for (const auto& [path, node] : all) {
    if (path == "." || path.find('/') != std::string::npos || node.type == 's') continue;
    if (path.find_first_of("*?[\\") != std::string::npos) continue;
    const auto report = Restore({path});
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_TRUE(report->unmatched.empty()) << path;
    Tree expected;
    for (const auto& [other, other_node] : all) {
      if (other == path || other.starts_with(path + "/")) {
        TreeNode copy = other_node;
        // Alone, a file has one name.
        copy.linked_to.clear();
        expected.emplace(other, copy);
      }
    }
    Tree restored = SnapshotTree(options_.target);
    restored.erase(".");
    for (auto& [other, other_node] : restored) other_node.linked_to.clear();
    EXPECT_EQ(DiffTrees(expected, restored), "") << path;
    std::filesystem::remove_all(options_.target);
    ++selected;
  }
  EXPECT_GE(selected, 5u);
}

TEST_F(SelectedTarTest, GivesLinksToWhatIsNotSelectedAsOneFile) {
  WriteFile(source_ + "/a", "content");
  std::filesystem::create_hard_link(source_ + "/a", source_ + "/b");
  std::filesystem::create_hard_link(source_ + "/a", source_ + "/c");
  WriteFile(source_ + "/d", "other");
  BackUp();
  const auto report = Restore({"b", "c"});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(Restored(), (std::vector<std::string>{"b", "c"}));
  EXPECT_EQ(ReadFile(options_.target + "/b"), "content");
  EXPECT_EQ(SnapshotTree(options_.target).at("c").linked_to, "b");
  EXPECT_EQ(report->entries, 2u);
}

TEST_F(SelectedTarTest, SaysWhatIsNotThere) {
  WriteFile(source_ + "/a", "content");
  BackUp();
  const auto report = Restore({"a", "b", "c*"});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->unmatched, (std::vector<std::string>{"b", "c*"}));
  EXPECT_EQ(Restored(), std::vector<std::string>{"a"});
}

TEST_F(SelectedTarTest, DoesNotBelieveAnIndexOfOtherNames) {
  WriteFile(source_ + "/a", "content of a");
  WriteFile(source_ + "/b", "content of b");
  BackUp();
  Change([](IndexTables* tables) { std::swap(tables->entries[1].path, tables->entries[2].path); });
  const auto report = Restore({"a"});
  EXPECT_EQ(KindOf(report.status()), ErrorKind::kIntegrity) << report.status();
  EXPECT_TRUE(Restored().empty());
  EXPECT_FALSE(Verify().ok);
  // All of it needs no index.
  options_.target = directory_ / "all";
  EXPECT_EQ(KindOf(Restore({}).status()), ErrorKind::kIntegrity);  // the receipt's digest
  EXPECT_EQ(ReadFile(options_.target + "/a"), "content of a");
}

TEST_F(SelectedTarTest, DoesNotBelieveAnIndexOfOtherPlaces) {
  WriteFile(source_ + "/a", RandomBytes(1, 3000));
  WriteFile(source_ + "/b", RandomBytes(2, 3000));
  WriteFile(source_ + "/c", RandomBytes(3, 3000));
  BackUp();
  const std::string good = storage_.objects()[name_];
  const std::vector<std::function<void(IndexTables*)>> changes = {
      [](IndexTables* tables) { tables->entries[1].place.header_bytes += 512; },
      [](IndexTables* tables) { tables->entries[1].place.stored_bytes = 512; },
      [](IndexTables* tables) { tables->entries[1].bytes += 1; },
      [](IndexTables* tables) { tables->entries.erase(tables->entries.begin() + 1); },
      [](IndexTables* tables) {
        IndexedEntry more = tables->entries[1];
        more.path = "aa";
        tables->entries.insert(tables->entries.begin() + 2, more);
      },
      [](IndexTables* tables) { tables->entries[2].type = TarType::kDirectory; },
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    storage_.Set(name_, good);
    Change(changes[i]);
    EXPECT_FALSE(Verify().ok) << i;
    std::filesystem::remove_all(options_.target);
    const auto report = Restore({"c"});
    if (report.ok()) {
      // Where only what the index says of a file is wrong, the tar's own header counts.
      EXPECT_EQ(ReadFile(options_.target + "/c"), RandomBytes(3, 3000)) << i;
    } else {
      EXPECT_EQ(KindOf(report.status()), ErrorKind::kIntegrity) << i << report.status();
    }
  }
}

TEST_F(SelectedTarTest, DoesNotBelieveAnIndexOfOtherMembers) {
  WriteFile(source_ + "/a", RandomBytes(1, 3 * kMiB));
  WriteFile(source_ + "/b", RandomBytes(2, 3 * kMiB));
  BackUp();
  const std::string good = storage_.objects()[name_];
  const std::vector<std::function<void(IndexTables*)>> changes = {
      // Sums as they were, borders elsewhere.
      [](IndexTables* tables) {
        tables->members[2].archive_bytes -= 100;
        tables->members[3].archive_bytes += 100;
      },
      [](IndexTables* tables) {
        tables->members[2].tar_bytes -= 512;
        tables->members[3].tar_bytes += 512;
      },
  };
  for (size_t i = 0; i < changes.size(); ++i) {
    storage_.Set(name_, good);
    Change(changes[i]);
    EXPECT_FALSE(Verify().ok) << i;
    for (const std::string path : {"a", "b"}) {
      std::filesystem::remove_all(options_.target);
      const auto report = Restore({path});
      if (report.ok()) {
        EXPECT_EQ(ReadFile(options_.target + "/" + path),
                  RandomBytes(path == "a" ? 1 : 2, 3 * kMiB));
      } else {
        EXPECT_EQ(KindOf(report.status()), ErrorKind::kIntegrity) << i << report.status();
      }
    }
  }
}

TEST_F(SelectedTarTest, DryRunReadsTheIndexAlone) {
  WriteFile(source_ + "/a", RandomBytes(1, 3 * kMiB));
  WriteFile(source_ + "/b", "b");
  BackUp();
  options_.dry_run = true;
  std::vector<std::string> paths;
  options_.on_entry = [&paths](std::string_view path) {
    paths.emplace_back(path);
    return absl::OkStatus();
  };
  const auto report = Restore({"a"});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(paths, std::vector<std::string>{"a"});
  EXPECT_EQ(reads_, 1);
  EXPECT_FALSE(Exists(options_.target));
}

TEST_F(SelectedTarTest, EndsWithTheStoragesError) {
  WriteFile(source_ + "/a", RandomBytes(1, 3 * kMiB));
  BackUp();
  storage_.on_read_at = [this](uint64_t, size_t) {
    return ++reads_ < 2 ? absl::OkStatus()
                        : MakeError(ErrorKind::kS3, absl::StatusCode::kUnavailable, "gone");
  };
  EXPECT_EQ(KindOf(Restore({"a"}).status()), ErrorKind::kS3);
}

}  // namespace
}  // namespace volstream
