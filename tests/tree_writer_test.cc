// TreeWriter: what comes back of entries, and what becomes of what was there before. Hostile
// entries are in
// tree_writer_hostile_test, owners and attributes in tree_writer_metadata_test.
#include "stages/tree_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "engine/notification.h"
#include "tests/support/guards.h"
#include "tests/support/tree.h"
#include "tests/support/tree_writer_fixture.h"

namespace volstream {
namespace {

namespace fs = std::filesystem;

void SetTime(const std::string& path, int64_t seconds) {
  const timespec times[2] = {{seconds, 0}, {seconds, 0}};
  ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
}

TEST_F(TreeWriterTest, MakesFilesDirectoriesLinksAndFifos) {
  AddDirectory("");
  AddDirectory("d");
  AddFile("d/file", "contents");
  Add(LinkEntry(TarType::kSymlink, "d/symlink", "file"));
  Add(LinkEntry(TarType::kHardLink, "hard", "d/file"));
  Add(EntryOf(TarType::kFifo, "fifo"));
  AddFile("empty", "");
  const TreeWriterReport report = Finish();
  EXPECT_EQ(report.entries, 7u);
  EXPECT_EQ(report.file_bytes, 8u);
  EXPECT_EQ(report.kept, 0u);
  EXPECT_EQ(report.not_restored, 0u);
  EXPECT_EQ(warnings(), std::vector<std::string>{});
  const Tree tree = SnapshotTree(Target());
  EXPECT_EQ(tree.size(), 7u);
  for (const auto& [path, node] : tree) {
    EXPECT_EQ(node.mtime_ns, kEntrySeconds * 1'000'000'000) << path;
    if (node.type == 'l') continue;
    EXPECT_EQ(node.mode, node.type == 'd' ? 0755u : 0644u) << path;
  }
  EXPECT_EQ(tree.at("d/symlink").link_target, "file");
  EXPECT_EQ(tree.at("hard").linked_to, tree.at("d/file").linked_to);
  EXPECT_EQ(tree.at("fifo").type, 'p');
  EXPECT_EQ(ReadFile(Target("d/file")), "contents");
}

TEST_F(TreeWriterTest, MakesParentsThatHaveNoEntryOrALaterOne) {
  AddFile("a/b/c/file", "1");
  RestoreEntry late = EntryOf(TarType::kDirectory, "a/b");
  late.mode = 0500;
  Add(late);
  AddFile("a/b/second", "2");
  EXPECT_EQ(Finish().not_restored, 0u);
  const Tree tree = SnapshotTree(Target());
  EXPECT_EQ(tree.at("a/b").mode, 0500u);
  EXPECT_EQ(tree.at("a/b").mtime_ns, kEntrySeconds * 1'000'000'000);
  EXPECT_EQ(ReadFile(Target("a/b/c/file")) + ReadFile(Target("a/b/second")), "12");
  ASSERT_EQ(chmod(Target("a/b").c_str(), 0700), 0);
}

TEST_F(TreeWriterTest, TheLastEntryOfANameWins) {
  for (int i = 0; i < 200; ++i) AddFile("file", std::to_string(i));
  AddFile("link", "a file first");
  Add(LinkEntry(TarType::kHardLink, "other", "file"));
  Add(LinkEntry(TarType::kSymlink, "link", "file"));
  AddFile("file", "last");
  EXPECT_EQ(Finish().not_restored, 0u);
  EXPECT_EQ(ReadFile(Target("file")), "last");
  EXPECT_EQ(ReadFile(Target("other")), "199");
  EXPECT_EQ(fs::read_symlink(Target("link")), "file");
  EXPECT_EQ(NamesIn(Target()), (std::vector<std::string>{"file", "link", "other"}));
}

TEST_F(TreeWriterTest, LastWinsWhateverIsDoneToOtherFiles) {
  for (const Overwrite overwrite : {Overwrite::kNever, Overwrite::kOlder, Overwrite::kAlways}) {
    options_.overwrite = overwrite;
    options_.target = directory_ / std::to_string(static_cast<int>(overwrite));
    AddFile("file", "first");
    Add(LinkEntry(TarType::kSymlink, "name", "x"));
    AddFile("file", "second");
    AddFile("name", "a file");
    const TreeWriterReport report = Finish();
    EXPECT_EQ(report.kept, 0u);
    EXPECT_EQ(ReadFile(Target("file")), "second");
    EXPECT_EQ(ReadFile(Target("name")), "a file");
  }
}

TEST_F(TreeWriterTest, ManySmallFilesAreAllWhole) {
  constexpr int kDirectories = 300;
  constexpr int kFiles = 20;
  for (int d = 0; d < kDirectories; ++d) {
    const std::string directory = "d" + std::to_string(d % 7) + "/e" + std::to_string(d);
    AddDirectory(directory);
    for (int f = 0; f < kFiles; ++f) {
      AddFile(directory + "/" + std::to_string(f),
              std::string(static_cast<size_t>(f * d % 700), 'x'));
    }
  }
  EXPECT_EQ(Finish().not_restored, 0u);
  int files = 0;
  for (const auto& [path, node] : SnapshotTree(Target())) {
    if (node.type != '-') continue;
    ++files;
    const int f = std::stoi(fs::path(path).filename());
    const int d = std::stoi(fs::path(path).parent_path().filename().string().substr(1));
    EXPECT_EQ(node.size, static_cast<uint64_t>(f * d % 700)) << path;
  }
  EXPECT_EQ(files, kDirectories * kFiles);
}

TEST_F(TreeWriterTest, AFewDescriptorsAreEnough) {
  const FewDescriptors few(static_cast<unsigned>(OpenDescriptors()) + 40);
  std::string deep;
  for (int i = 0; i < 300; ++i) deep += (i == 0 ? "d" : "/d");
  AddFile(deep + "/file", "deep");
  for (int i = 0; i < 500; ++i) AddFile(std::to_string(i) + "/file", "x");
  AddFile(deep + "/second", "deep");
  const TreeWriterReport report = Finish();
  EXPECT_EQ(report.not_restored, 0u) << warnings().at(0);
  EXPECT_EQ(report.entries, 502u);
  EXPECT_EQ(ReadFile(Target(deep + "/second")), "deep");
}

TEST_F(TreeWriterTest, ALargeFileComesInPiecesOfAnyOrder) {
  const std::string contents = RandomBytes(1, 9 * kMiB + 77);
  RestoreEntry entry = EntryOf(TarType::kFile, "large");
  entry.bytes = contents.size();
  entry.mode = 0400;
  Add(entry);
  constexpr size_t kPiece = 300'000;
  std::vector<size_t> offsets;
  for (size_t at = 0; at < contents.size(); at += kPiece) offsets.push_back(at);
  std::swap(offsets.front(), offsets.back());
  for (const size_t at : offsets) {
    ASSERT_TRUE(writer().Write(Piece(at, contents.substr(at, kPiece))).ok());
  }
  Add(LinkEntry(TarType::kHardLink, "linked", "large"));
  EXPECT_EQ(Finish().file_bytes, contents.size());
  EXPECT_TRUE(ReadFile(Target("linked")) == contents);
  EXPECT_EQ(SnapshotTree(Target()).at("large").mode, 0400u);
}

TEST_F(TreeWriterTest, WhatNoPieceCoversAreHoles) {
  WriteSparseFile(directory_ / "holes", 8 * kMiB + 5, {{kMiB, 4096}, {6 * kMiB, 10'000}});
  const std::string contents = ReadFile(directory_ / "holes");
  RestoreEntry entry = EntryOf(TarType::kFile, "holes");
  entry.bytes = contents.size();
  entry.sparse = true;
  options_.max_file_bytes = 14'096;  // holes do not count
  Add(entry);
  ASSERT_TRUE(writer().Write(Piece(kMiB, contents.substr(kMiB, 4096))).ok());
  ASSERT_TRUE(writer().Write(Piece(6 * kMiB, contents.substr(6 * kMiB, 10'000))).ok());
  RestoreEntry all_hole = EntryOf(TarType::kFile, "all-hole");
  all_hole.bytes = uint64_t{20} * kGiB;
  all_hole.sparse = true;
  Add(all_hole);
  EXPECT_EQ(Finish().file_bytes, 14'096u);
  EXPECT_TRUE(ReadFile(Target("holes")) == contents);
  const Tree tree = SnapshotTree(Target());
  EXPECT_EQ(tree.at("holes").data, SnapshotTree(directory_.path()).at("holes").data);
  EXPECT_EQ(tree.at("all-hole").size, all_hole.bytes);
  EXPECT_EQ(tree.at("all-hole").allocated_bytes, 0u);
}

TEST_F(TreeWriterTest, AFileIsNeverLongerThanItsEntrySays) {
  RestoreEntry entry = EntryOf(TarType::kFile, "file");
  entry.bytes = 3;
  Add(entry);
  ASSERT_TRUE(writer().Write(Piece(0, "abcdef")).ok());
  ASSERT_TRUE(writer().Write(Piece(1'000'000, "far behind")).ok());
  EXPECT_EQ(Finish().file_bytes, 3u);
  EXPECT_EQ(ReadFile(Target("file")), "abc");
}

TEST_F(TreeWriterTest, NeverKeepsWhatIsThere) {
  options_.overwrite = Overwrite::kNever;
  fs::create_directories(Target("d"));
  WriteFile(Target("d/mine"), "mine");
  fs::create_symlink("nowhere", Target("link"));
  const Tree before = SnapshotTree(Target());
  AddDirectory("d");
  AddFile("d/mine", "theirs");
  AddFile("link", "theirs");
  AddFile("d/large", std::string(3 * kMiB, 'x'));
  Add(LinkEntry(TarType::kSymlink, "d/mine", "x"));
  AddFile("new", "new");
  const TreeWriterReport report = Finish();
  EXPECT_EQ(report.kept, 3u);
  EXPECT_EQ(report.not_restored, 0u);
  EXPECT_EQ(ReadFile(Target("d/mine")), "mine");
  EXPECT_EQ(fs::read_symlink(Target("link")), "nowhere");
  EXPECT_EQ(ReadFile(Target("new")), "new");
  EXPECT_EQ(SnapshotTree(Target()).at("d").mode, before.at("d").mode);
}

TEST_F(TreeWriterTest, NeverKeepsOutWhatIsBelowAFileThatIsThere) {
  options_.overwrite = Overwrite::kNever;
  fs::create_directories(Target());
  WriteFile(Target("d"), "mine");
  AddDirectory("d");
  AddFile("d/a", "a");
  AddFile("d/e/b", "b");
  const TreeWriterReport report = Finish();
  EXPECT_EQ(report.not_restored, 3u);
  EXPECT_EQ(warnings().size(), 1u);
  EXPECT_EQ(ReadFile(Target("d")), "mine");
}

TEST_F(TreeWriterTest, OlderReplacesWhatIsOlderAlone) {
  options_.overwrite = Overwrite::kOlder;
  fs::create_directories(Target());
  for (const auto& [name, offset] : {std::pair("older", -1), {"same", 0}, {"newer", 1}}) {
    WriteFile(Target(name), "mine");
    SetTime(Target(name), kEntrySeconds + offset);
    AddFile(name, "theirs");
  }
  EXPECT_EQ(Finish().kept, 2u);
  EXPECT_EQ(ReadFile(Target("older")), "theirs");
  EXPECT_EQ(ReadFile(Target("same")), "mine");
  EXPECT_EQ(ReadFile(Target("newer")), "mine");
}

TEST_F(TreeWriterTest, AlwaysReplacesFilesByDirectoriesAndEmptyDirectoriesByFiles) {
  options_.overwrite = Overwrite::kAlways;
  fs::create_directories(Target("empty"));
  fs::create_directories(Target("full/below"));
  WriteFile(Target("file"), "mine");
  AddDirectory("file");
  AddFile("file/inside", "theirs");
  AddFile("empty", "theirs");
  AddFile("full", "theirs");
  AddDirectory("made");
  AddFile("made/inside", "theirs");
  AddFile("made", "a file in its place");
  EXPECT_EQ(Finish().not_restored, 2u);
  EXPECT_EQ(ReadFile(Target("file/inside")), "theirs");
  EXPECT_EQ(ReadFile(Target("empty")), "theirs");
  EXPECT_TRUE(fs::is_directory(Target("full/below")));
  EXPECT_EQ(ReadFile(Target("made/inside")), "theirs");
}

TEST_F(TreeWriterTest, AnUnfinishedRestoreLeavesTheOldFileAndNoHalfOne) {
  options_.overwrite = Overwrite::kAlways;
  fs::create_directories(Target());
  WriteFile(Target("large"), "old");
  for (const char* name : {"large", "new"}) {
    RestoreEntry entry = EntryOf(TarType::kFile, name);
    entry.bytes = 4 * kMiB;
    Add(entry);
    ASSERT_TRUE(writer().Write(Piece(0, std::string(2 * kMiB, 'x'))).ok());
    writer_ = nullptr;
  }
  EXPECT_EQ(NamesIn(Target()), std::vector<std::string>{"large"});
  EXPECT_EQ(ReadFile(Target("large")), "old");
}

TEST_F(TreeWriterTest, MoreThanMaxFileBytesIsAnErrorBeforeItIsWritten) {
  options_.max_file_bytes = 10;
  AddFile("a", "12345");
  AddFile("b", "12345");
  RestoreEntry entry = EntryOf(TarType::kFile, "c");
  entry.bytes = 1;
  const absl::Status status = writer().Begin(entry);
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_NE(status.message().find("--max-size"), absl::string_view::npos) << status;
  EXPECT_FALSE(Exists(Target("c")));
}

TEST_F(TreeWriterTest, AFullFileSystemIsAnErrorThatNamesTheFile) {
  fs::create_directories(Target());
  const Mount mount(Target());
  if (!mount.mounted()) GTEST_SKIP() << "NOT TESTED: may not mount";
  RestoreEntry entry = EntryOf(TarType::kFile, "huge");
  entry.bytes = 16 * kMiB;
  Add(entry);
  absl::Status status;
  for (uint64_t at = 0; at < entry.bytes && status.ok(); at += kMiB) {
    status = writer().Write(Piece(at, RandomBytes(1, kMiB)));
  }
  if (status.ok()) status = writer().Finish().status();
  EXPECT_NE(status.message().find("huge"), absl::string_view::npos) << status;
  EXPECT_NE(status.message().find("free some space"), absl::string_view::npos) << status;
  writer_ = nullptr;
  EXPECT_EQ(NamesIn(Target()), std::vector<std::string>{});
}

// An input may need its bytes back before it gives more.
TEST_F(TreeWriterTest, BytesOfOneOwnerAloneWaitForMore) {
  Notification released[4];
  std::shared_ptr<const void> owners[4];
  static constexpr uint8_t kBytes[8] = {};
  for (int i = 0; i < 4; ++i) {
    owners[i] = std::shared_ptr<const void>(kBytes + i,
                                            [&released, i](const void*) { released[i].Notify(); });
  }
  const auto write = [&](int i, uint64_t offset, uint64_t bytes) {
    const EntryData data{offset, {ByteSpan(kBytes).first(bytes), std::move(owners[i])}};
    ASSERT_TRUE(writer().Write(data).ok());
  };
  const auto is_released = [&](int i) {
    return released[i].WaitForNotificationWithTimeout(absl::Seconds(20));
  };
  RestoreEntry entry = EntryOf(TarType::kFile, "whole");
  entry.bytes = 4;
  Add(entry);
  write(0, 0, 4);
  entry.path = "begun";
  entry.bytes = 8;
  Add(entry);
  write(1, 0, 4);
  EXPECT_TRUE(is_released(0));
  write(2, 4, 2);
  EXPECT_TRUE(is_released(1));
  write(3, 6, 2);
  EXPECT_TRUE(is_released(2));
  EXPECT_TRUE(is_released(3));
  EXPECT_EQ(Finish().file_bytes, 12u);
}

// Entries that get in each other's way as often as can be: any number of threads must do what one
// does that takes them in order.
TEST_F(TreeWriterTest, AnyNumberOfThreadsMakesTheSameTree) {
  constexpr TarType kTypes[] = {TarType::kFile,    TarType::kFile,     TarType::kFile,
                                TarType::kSymlink, TarType::kHardLink, TarType::kDirectory};
  for (uint32_t seed = 0; seed < 20; ++seed) {
    std::vector<Tree> trees;
    std::vector<uint64_t> not_restored;
    for (const int threads : {1, 8}) {
      options_.threads = threads;
      options_.target = directory_ / (std::to_string(seed) + "-" + std::to_string(threads));
      std::mt19937 random(seed);
      const auto path = [&random] {
        std::string text(1, static_cast<char>('a' + random() % 4));
        for (uint32_t depth = random() % 3; depth > 0; --depth) {
          text += std::string("/") + static_cast<char>('a' + random() % 4);
        }
        return text;
      };
      for (int i = 0; i < 150; ++i) {
        RestoreEntry entry = EntryOf(kTypes[random() % std::size(kTypes)], path());
        if (entry.type == TarType::kHardLink || entry.type == TarType::kSymlink) {
          entry.link_target = path();
        }
        if (entry.type == TarType::kFile) {
          const size_t bytes = random() % 20 == 0 ? 2 * kMiB : random() % 100;
          AddFile(entry, std::string(bytes, static_cast<char>('a' + i % 26)));
        } else {
          Add(entry);
        }
      }
      not_restored.push_back(Finish().not_restored);
      trees.push_back(SnapshotTree(Target()));
    }
    DiffOptions diff;
    diff.directory_mtimes = false;  // of those without an entry
    EXPECT_EQ(DiffTrees(trees[0], trees[1], diff), "") << "seed " << seed;
    EXPECT_EQ(not_restored[0], not_restored[1]) << "seed " << seed;
  }
}

TEST_F(TreeWriterTest, RefusesATargetThatIsNotEmpty) {
  fs::create_directories(Target());
  WriteFile(Target("mine"), "mine");
  const absl::Status status = TreeWriter::Open(options_).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
}

}  // namespace
}  // namespace volstream
