// TreeWriter: what is bounded, and what a failure of one entry leaves to the others.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "stages/tree_writer.h"
#include "tests/support/guards.h"
#include "tests/support/tree.h"
#include "tests/support/tree_writer_fixture.h"

namespace volstream {
namespace {

namespace fs = std::filesystem;

using TreeWriterBounds = TreeWriterTest;

TEST_F(TreeWriterBounds, ADirectoryThatWasReplacedIsNotWrittenToAnyMore) {
  AddDirectory("a");
  Add(EntryOf(TarType::kFifo, "a/fifo"));
  writer();
  fs::remove(Target("a/fifo"));
  AddFile("a", "a file in its place");
  AddFile("a/inside", "x");
  EXPECT_EQ(Finish().not_restored, 0u);
  EXPECT_EQ(ReadFile(Target("a/inside")), "x");
}

TEST_F(TreeWriterBounds, APathThatIsTooLongMakesNoDirectory) {
  std::string deep = "d";
  for (int i = 0; i < 4096; ++i) deep += "/d";
  AddFile(deep, "x");
  AddDirectory(std::string(65 * 1024, 'e'));
  EXPECT_EQ(Finish().not_restored, 2u);
  EXPECT_EQ(warnings().size(), 2u);
  EXPECT_LT(warnings().at(0).size(), 200u);
  EXPECT_EQ(NamesIn(Target()), std::vector<std::string>{});
}

TEST_F(TreeWriterBounds, AFileThatFailedDoesNotCountAsOurs) {
  options_.overwrite = Overwrite::kOlder;
  fs::create_directories(Target());
  WriteFile(Target("file"), "mine");
  const timespec times[2] = {{kEntrySeconds - 10, 0}, {kEntrySeconds - 10, 0}};
  ASSERT_EQ(utimensat(AT_FDCWD, Target("file").c_str(), times, 0), 0);
  RestoreEntry impossible = EntryOf(TarType::kFile, "file");
  impossible.sparse = true;
  impossible.bytes = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  // More than any file system takes but those whose files are as large as an offset.
  const fs::path probe = directory_ / "probe";
  WriteFile(probe, "");
  if (truncate(probe.c_str(), static_cast<off_t>(impossible.bytes)) == 0) {
    GTEST_SKIP() << "NOT TESTED: no file is too large here";
  }
  Add(impossible);
  RestoreEntry old = EntryOf(TarType::kFile, "file");
  old.mtime_seconds = kEntrySeconds - 20;
  AddFile(old, "theirs");
  const TreeWriterReport report = Finish();
  EXPECT_EQ(report.not_restored, 1u);
  EXPECT_EQ(report.kept, 1u);
  EXPECT_EQ(ReadFile(Target("file")), "mine");
}

TEST_F(TreeWriterBounds, AFullFileSystemEndsTheRestoreBeforeTheFileEnds) {
  fs::create_directories(Target());
  const Mount mount(Target());
  if (!mount.mounted()) GTEST_SKIP() << "NOT TESTED: may not mount";
  options_.max_pending_bytes = kMiB;
  RestoreEntry entry = EntryOf(TarType::kFile, "huge");
  entry.bytes = kGiB;
  Add(entry);
  const std::string piece(kMiB, 'x');
  absl::Status status;
  uint64_t at = 0;
  for (; at < entry.bytes / 2 && status.ok(); at += kMiB) status = writer().Write(Piece(at, piece));
  EXPECT_LT(at, 16 * kMiB);
  EXPECT_NE(status.message().find("huge"), absl::string_view::npos) << status;
  writer_ = nullptr;
}

}  // namespace
}  // namespace volstream
