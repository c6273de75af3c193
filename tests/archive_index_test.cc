// The index of real archives, made by the public API in a directory.
#include "stages/archive_index.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "stages/backup.h"
#include "stages/error_kind.h"
#include "stages/index_blob.h"
#include "stages/index_page.h"
#include "stages/local_storage.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

class ArchiveIndexTest : public testing::Test {
 protected:
  // Backs `source` up and opens the archive's index.
  void Archive(const std::string& source) {
    storage_ = OpenLocalStorage(destination_.path());
    BackupOptions options;
    options.source = source;
    options.name = "test";
    options.level = 1;
    Backup backup(options, {storage_.get()});
    const BackupReport report = backup.Run();
    ASSERT_TRUE(report.status.ok()) << report.status;
    receipt_ = report.receipt;
    ASSERT_TRUE(Open().ok());
    ASSERT_NE(index_, nullptr);
  }
  absl::Status Open() {
    auto file = ArchiveFile::Open(storage_.get(), receipt_.archive);
    EXPECT_TRUE(file.ok()) << file.status();
    if (!file.ok()) return file.status();
    file_ = *std::move(file);
    auto index = ArchiveIndex::Open(file_.get());
    if (!index.ok()) return index.status();
    index_ = *std::move(index);
    return absl::OkStatus();
  }
  std::string path() const { return destination_ / receipt_.archive; }

  std::vector<IndexedEntry> All() {
    std::vector<IndexedEntry> entries;
    EXPECT_TRUE(index_
                    ->ForEach([&](const IndexedEntry& entry) {
                      entries.push_back(entry);
                      return absl::OkStatus();
                    })
                    .ok());
    return entries;
  }
  std::vector<std::string> Under(const std::string& path) {
    std::vector<std::string> paths;
    EXPECT_TRUE(index_
                    ->ForEachUnder(path,
                                   [&](const IndexedEntry& entry) {
                                     paths.push_back(entry.path);
                                     return absl::OkStatus();
                                   })
                    .ok());
    return paths;
  }

  TempDir source_;
  TempDir destination_;
  std::unique_ptr<Storage> storage_;
  Receipt receipt_;
  std::unique_ptr<ArchiveFile> file_;
  std::unique_ptr<ArchiveIndex> index_;
};

TEST_F(ArchiveIndexTest, ListsTheTreeAsItIs) {
  TreeOptions options;
  options.incompressible_bytes = 5 * kMiB;
  options.rare_files = true;
  MakeTree(source_.path(), options);
  Archive(source_.path());
  const Tree tree = SnapshotTree(source_.path());
  const std::vector<IndexedEntry> entries = All();
  EXPECT_EQ(entries.size(), receipt_.entries);
  size_t sockets = 0;
  for (const auto& [name, node] : tree) sockets += node.type == 's' ? 1 : 0;
  EXPECT_EQ(entries.size(), tree.size() - sockets);
  for (const IndexedEntry& entry : entries) {
    const auto found = tree.find(entry.path.empty() ? "." : entry.path);
    ASSERT_NE(found, tree.end()) << entry.path;
    const TreeNode& node = found->second;
    EXPECT_EQ(entry.mode, node.mode) << entry.path;
    EXPECT_EQ(entry.uid, node.uid) << entry.path;
    EXPECT_EQ(entry.mtime_seconds * 1'000'000'000 + entry.mtime_nanoseconds, node.mtime_ns);
    if (entry.type == TarType::kFile) {
      EXPECT_EQ(entry.bytes, node.size) << entry.path;
    }
    if (entry.type == TarType::kSymlink) {
      EXPECT_EQ(entry.link_target, node.link_target);
    }
    if (entry.type == TarType::kHardLink) {
      EXPECT_EQ(tree.at(entry.link_target).linked_to, node.linked_to) << entry.path;
    }
  }
  EXPECT_EQ(entries.back().place.end_offset() + kTarEndBytes, receipt_.tar_bytes);
  EXPECT_TRUE(std::is_sorted(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return ComparePaths(a.path, b.path) < 0;
  }));
  EXPECT_TRUE(index_->footer().own_tar);
  EXPECT_EQ(index_->footer().tar_bytes, receipt_.tar_bytes);
  EXPECT_EQ(index_->footer().index_bytes + kMaxFooterBytes, receipt_.index_bytes);
}

TEST_F(ArchiveIndexTest, SaysWhichMembersHoldWhat) {
  WriteFile(source_ / "big", RandomBytes(1, 5 * kMiB + 100));
  WriteFile(source_ / "small", "x");
  Archive(source_.path());
  std::vector<MemberExtent> all;
  ASSERT_TRUE(index_
                  ->ForEachMember([&](const MemberExtent& member) {
                    all.push_back(member);
                    return absl::OkStatus();
                  })
                  .ok());
  ASSERT_EQ(all.size(), index_->footer().member_count);
  EXPECT_EQ(all.back().archive_offset + all.back().archive_bytes, index_->footer().index_offset);
  const auto big = index_->Find("big");
  ASSERT_TRUE(big.ok() && big->has_value());
  const EntryPlace place = (*big)->place;
  // A file of a member's size begins one, so its header and its data do not share any.
  const auto header = index_->MembersOf(place.tar_offset, place.data_offset());
  const auto data = index_->MembersOf(place.data_offset(), place.data_offset() + 5 * kMiB);
  ASSERT_TRUE(header.ok() && data.ok());
  EXPECT_EQ(header->size(), 1u);
  ASSERT_EQ(data->size(), 5u);
  EXPECT_EQ(data->front().tar_offset, place.data_offset());
  EXPECT_EQ(index_->MembersOf(5, 5)->size(), 0u);
  EXPECT_EQ(index_->MembersOf(0, receipt_.tar_bytes)->size(), all.size());
}

TEST_F(ArchiveIndexTest, FindsInManyPagesByReadingFew) {
  for (int d = 0; d < 10; ++d) {
    const std::string directory = source_ / absl::StrCat("d", d);
    ASSERT_EQ(mkdir(directory.c_str(), 0755), 0);
    for (int f = 0; f < 800; ++f) WriteFile(absl::StrCat(directory, "/f", f), RandomBytes(f, 8));
  }
  // Beside a directory, and sorted between what is in it and the next.
  WriteFile(source_ / "d3-more", "x");
  Archive(source_.path());
  EXPECT_EQ(Under("d3").size(), 801u);
  EXPECT_EQ(Under("d3/f5"), std::vector<std::string>{"d3/f5"});
  EXPECT_EQ(Under("d3-more"), std::vector<std::string>{"d3-more"});
  EXPECT_TRUE(Under("d3/f").empty());
  EXPECT_TRUE(Under("e").empty());
  EXPECT_EQ(Under("").size(), receipt_.entries);
  for (const IndexedEntry& entry : All()) {
    if (entry.bytes % 7 != 0) continue;
    const auto found = index_->Find(entry.path);
    ASSERT_TRUE(found.ok() && found->has_value()) << entry.path;
    EXPECT_EQ((*found)->place, entry.place);
  }
  // All of this index lies in the one piece that is read first.
  EXPECT_EQ(file_->reads(), 1u);
}

TEST_F(ArchiveIndexTest, LeavesOutWhatWasLeftOut) {
  WriteFile(source_ / "a", "a");
  WriteFile(source_ / "b", "b");
  WriteFile(source_ / "c", "c");
  storage_ = OpenLocalStorage(destination_.path());
  BackupOptions options;
  options.source = source_.path();
  options.name = "test";
  // Said once the plan is made and before the first file is read.
  options.on_event = [this](Severity, std::string_view text) {
    if (text.find("entries") != std::string_view::npos) unlink((source_ / "b").c_str());
  };
  Backup backup(options, {storage_.get()});
  receipt_ = backup.Run().receipt;
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(Under(""), (std::vector<std::string>{"", "a", "c"}));
  EXPECT_EQ(All().back().place.end_offset() + kTarEndBytes, receipt_.tar_bytes);
}

TEST_F(ArchiveIndexTest, IsNotFoundInAForeignArchive) {
  WriteFile(source_ / "a", "a");
  Archive(source_.path());
  ASSERT_EQ(truncate(path().c_str(), 200), 0);
  EXPECT_TRUE(absl::IsNotFound(Open()));
  ASSERT_EQ(truncate(path().c_str(), 0), 0);
  EXPECT_TRUE(absl::IsNotFound(Open()));
}

TEST_F(ArchiveIndexTest, NamesTheArchiveWhosePagesAreDamaged) {
  for (int f = 0; f < 3000; ++f) WriteFile(source_ / absl::StrCat("f", f), "");
  Archive(source_.path());
  const std::string good = ReadFile(path());
  const size_t first = index_->footer().index_offset;
  for (size_t at = first; at + kMaxFooterBytes < good.size(); at += 101) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0xff);
    WriteFile(path(), bad);
    absl::Status status = Open();
    if (status.ok()) {
      status = index_->ForEach([](const IndexedEntry&) { return absl::OkStatus(); });
      status.Update(index_->ForEachMember([](const MemberExtent&) { return absl::OkStatus(); }));
    }
    ASSERT_FALSE(status.ok()) << at;
    EXPECT_EQ(KindOf(status), ErrorKind::kIntegrity) << status;
    EXPECT_NE(status.message().find(receipt_.archive), absl::string_view::npos) << status;
  }
}

}  // namespace
}  // namespace volstream
