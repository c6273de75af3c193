// TarSource when the tree changes between the plan and the reading: nothing aborts, nothing hangs,
// nothing from outside gets in, and each change is one warning.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "stages/tar_source.h"
#include "tests/support/source_driver.h"
#include "tests/support/tar_reader.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

namespace fs = std::filesystem;

class TarSourceChange : public ::testing::Test {
 protected:
  TarSourceChange() { fs::create_directory(root_); }

  std::string File(const std::string& name, std::string_view contents) {
    const std::string path = root_ + "/" + name;
    fs::create_directories(fs::path(path).parent_path());
    WriteFile(path, contents);
    return path;
  }

  // As File, with a time that needs no pax record, so that its header is one tar block.
  std::string FileOfWholeSeconds(const std::string& name, std::string_view contents) {
    const std::string path = File(name, contents);
    const timespec times[2] = {{1'500'000'000, 0}, {1'500'000'000, 0}};
    EXPECT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
    return path;
  }

  void Plan() {
    absl::StatusOr<std::unique_ptr<VolumePlan>> plan = VolumePlan::Make(root_, &warnings_);
    ASSERT_TRUE(plan.ok()) << plan.status();
    plan_ = *std::move(plan);
    source_ = std::make_unique<TarSource>(plan_.get(), &warnings_);
  }

  std::string Stream(size_t block_bytes = kMiB, FillOrder order = FillOrder::kForward) {
    return StreamOf(source_.get(), block_bytes, order);
  }

  static std::vector<std::string> PathsIn(const std::string& stream) {
    std::vector<std::string> paths;
    for (const TarItem& item : ReadTar(stream)) paths.push_back(item.path);
    return paths;
  }

  // There is one warning; it is about `path` and says `what`.
  void ExpectOneWarning(const std::string& path, const std::string& what) {
    const std::vector<std::string> texts = warnings_.texts();
    ASSERT_EQ(texts.size(), 1u) << ::testing::PrintToString(texts);
    EXPECT_TRUE(texts[0].starts_with(path + ": ")) << texts[0];
    EXPECT_NE(texts[0].find(what), std::string::npos) << texts[0];
    EXPECT_EQ(warnings_.missing_count(), 0u);
  }

  TempDir directory_;
  const std::string root_ = directory_ / "volume";
  Warnings warnings_;
  std::unique_ptr<VolumePlan> plan_;
  std::unique_ptr<TarSource> source_;
};

TEST_F(TarSourceChange, AFileThatShrankIsFilledWithZeros) {
  const std::string path = File("f", std::string(3 * kMiB, 'x'));
  Plan();
  ASSERT_EQ(truncate(path.c_str(), 1000), 0);
  const std::vector<TarItem> items = ReadTar(Stream());
  EXPECT_TRUE(items.at(1).data == std::string(1000, 'x') + std::string(3 * kMiB - 1000, '\0'));
  ExpectOneWarning("f", "shrank");
}

TEST_F(TarSourceChange, AFileThatShrankToNothingIsAllZeros) {
  const std::string path = File("f", "12345");
  Plan();
  ASSERT_EQ(truncate(path.c_str(), 0), 0);
  EXPECT_EQ(ReadTar(Stream()).at(1).data, std::string(5, '\0'));
  ExpectOneWarning("f", "shrank");
}

TEST_F(TarSourceChange, AFileThatShrankIsOneWarningFromManyThreads) {
  const std::string path = File("f", std::string(kMiB, 'x'));
  Plan();
  ASSERT_EQ(truncate(path.c_str(), 10), 0);
  Stream(4096, FillOrder::kManyThreads);
  ExpectOneWarning("f", "shrank");
}

TEST_F(TarSourceChange, AFileThatGrewIsCut) {
  const std::string path = File("f", "12345");
  Plan();
  WriteFile(path, "1234567890");
  EXPECT_EQ(ReadTar(Stream()).at(1).data, "12345");
  ExpectOneWarning("f", "grew to 10 bytes; cut at 5");
}

TEST_F(TarSourceChange, AFileWrittenAnewIsAWarning) {
  const std::string path = File("f", "12345");
  const timespec long_ago[2] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
  ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), long_ago, 0), 0);
  Plan();
  WriteFile(path, "abcde");
  EXPECT_EQ(ReadTar(Stream()).at(1).data, "abcde");
  ExpectOneWarning("f", "changed");
}

TEST_F(TarSourceChange, AFileReplacedByAnotherIsAWarning) {
  const std::string path = File("f", "12345");
  Plan();
  WriteFile(directory_ / "other", "abcdefgh");
  fs::rename(directory_ / "other", path);
  EXPECT_EQ(ReadTar(Stream()).at(1).data, "abcde");
  ExpectOneWarning("f", "replaced");
}

// The same of one whose entry lies in several blocks, and so is shared by threads.
TEST_F(TarSourceChange, ALargeFileReplacedByAnotherIsAWarning) {
  const std::string path = File("f", std::string(10'000, 'x'));
  Plan();
  WriteFile(directory_ / "other", std::string(10'000, 'y'));
  fs::rename(directory_ / "other", path);
  EXPECT_EQ(ReadTar(Stream(4096, FillOrder::kManyThreads)).at(1).data, std::string(10'000, 'y'));
  ExpectOneWarning("f", "replaced");
}

TEST_F(TarSourceChange, AFileThatVanishedIsLeftOutWhole) {
  const std::string path = File("f", "12345");
  File("g", "67890");
  Plan();
  fs::remove(path);
  const std::string stream = Stream();
  EXPECT_EQ(PathsIn(stream), (std::vector<std::string>{"./", "./g"}));
  const VolumePlan::Entry& entry = plan_->entries()[1];
  EXPECT_EQ(stream.size(), plan_->tar_bytes() - (entry.end_offset() - entry.tar_offset));
  ExpectOneWarning("f", "vanished");
}

TEST_F(TarSourceChange, ALargeFileThatVanishedLeavesEmptyBlocks) {
  const std::string path = File("f", std::string(5 * kMiB, 'x'));
  File("g", "67890");
  Plan();
  fs::remove(path);
  EXPECT_EQ(PathsIn(Stream(4096, FillOrder::kManyThreads)),
            (std::vector<std::string>{"./", "./g"}));
  ExpectOneWarning("f", "vanished");
}

TEST_F(TarSourceChange, AFileThatVanishesHalfReadIsReadToItsEnd) {
  const std::string contents = RandomBytes(1, 10'000);
  const std::string path = File("f", contents);
  Plan();
  std::string stream;
  std::vector<uint8_t> block(4096);
  for (const BlockTicket& ticket : TicketsOf(source_.get(), block.size())) {
    const absl::StatusOr<size_t> bytes = source_->Fill(ticket, block);
    ASSERT_TRUE(bytes.ok());
    stream.append(reinterpret_cast<const char*>(block.data()), *bytes);
    if (ticket.offset > plan_->entries()[1].data_offset()) fs::remove(path);
  }
  EXPECT_TRUE(ReadTar(stream).at(1).data == contents);
}

TEST_F(TarSourceChange, HardLinksToAFileThatVanishedAreLeftOutToo) {
  for (const FillOrder order : {FillOrder::kForward, FillOrder::kBackward}) {
    Warnings warnings;
    const std::string path = FileOfWholeSeconds("a", std::string(2000, 'x'));
    fs::create_hard_link(path, root_ + "/b");
    fs::create_hard_link(path, root_ + "/c");
    absl::StatusOr<std::unique_ptr<VolumePlan>> plan = VolumePlan::Make(root_, &warnings);
    ASSERT_TRUE(plan.ok());
    fs::remove(path);
    fs::remove(root_ + "/b");
    fs::remove(root_ + "/c");
    TarSource source(plan->get(), &warnings);
    EXPECT_EQ(PathsIn(StreamOf(&source, 512, order)), std::vector<std::string>{"./"});
    EXPECT_EQ(warnings.count(), 3u) << ::testing::PrintToString(warnings.texts());
  }
}

TEST_F(TarSourceChange, AHardLinkWithALongHeaderIsWarnedOfOnce) {
  // Its header spans several blocks.
  const std::string path = File("a", "12345");
  const std::string name(200, 'b');
  fs::create_hard_link(path, root_ + "/" + name);
  Plan();
  fs::remove(path);
  fs::remove(root_ + "/" + name);
  EXPECT_EQ(PathsIn(Stream(512)), std::vector<std::string>{"./"});
  EXPECT_EQ(warnings_.count(), 2u) << ::testing::PrintToString(warnings_.texts());
}

TEST_F(TarSourceChange, FilesThatVanishedAreDecidedOnceHoweverTheThreadsMeet) {
  // Each file and its link lie in neighbouring blocks, so that two threads ask for it at once.
  constexpr int kPairs = 1000;
  for (int i = 0; i < kPairs; ++i) {
    const std::string name = std::to_string(1'000'000 + i);
    fs::create_hard_link(FileOfWholeSeconds(name + "a", "1"), root_ + "/" + name + "b");
  }
  Plan();
  for (int i = 0; i < kPairs; ++i) {
    fs::remove(root_ + "/" + std::to_string(1'000'000 + i) + "a");
    fs::remove(root_ + "/" + std::to_string(1'000'000 + i) + "b");
  }
  EXPECT_EQ(PathsIn(Stream(512, FillOrder::kManyThreads)), std::vector<std::string>{"./"});
  EXPECT_EQ(warnings_.count(), 2u * kPairs);
}

TEST_F(TarSourceChange, AFileThatLostOneOfItsNamesIsReadByAnother) {
  const std::string path = FileOfWholeSeconds("a", "12345");
  fs::create_hard_link(path, root_ + "/b");
  Plan();
  fs::remove(path);
  const std::string stream = Stream(512, FillOrder::kBackward);
  EXPECT_EQ(PathsIn(stream), (std::vector<std::string>{"./", "./a", "./b"}));
  EXPECT_EQ(ReadTar(stream).at(1).data, "12345");
  EXPECT_EQ(warnings_.count(), 0u) << ::testing::PrintToString(warnings_.texts());
}

TEST_F(TarSourceChange, AHardLinkedFileWhoseFirstNameWasReplacedIsKept) {
  const std::string path = FileOfWholeSeconds("a", "12345");
  fs::create_hard_link(path, root_ + "/b");
  Plan();
  WriteFile(directory_ / "other", "other");
  fs::rename(directory_ / "other", path);
  EXPECT_EQ(ReadTar(Stream()).at(1).data, "12345");
}

TEST_F(TarSourceChange, AnEmptyFileThatGrewIsAWarning) {
  const std::string path = File("f", "");
  Plan();
  WriteFile(path, "12345");
  EXPECT_EQ(ReadTar(Stream()).at(1).data, "");
  ExpectOneWarning("f", "grew");
}

TEST_F(TarSourceChange, AnEmptyFileThatVanishedIsLeftOut) {
  const std::string path = File("f", "");
  Plan();
  fs::remove(path);
  EXPECT_EQ(PathsIn(Stream()), std::vector<std::string>{"./"});
  ExpectOneWarning("f", "vanished");
}

TEST_F(TarSourceChange, HardLinksStayWhenTheirOwnNameVanished) {
  const std::string path = File("a", "12345");
  fs::create_hard_link(path, root_ + "/b");
  Plan();
  fs::remove(root_ + "/b");
  EXPECT_EQ(PathsIn(Stream()), (std::vector<std::string>{"./", "./a", "./b"}));
}

TEST_F(TarSourceChange, AFileReplacedByADirectoryIsLeftOut) {
  const std::string path = File("f", "12345");
  Plan();
  fs::remove(path);
  fs::create_directory(path);
  EXPECT_EQ(PathsIn(Stream()), std::vector<std::string>{"./"});
  ExpectOneWarning("f", "no longer a file");
}

TEST_F(TarSourceChange, AFileReplacedByAFifoDoesNotHang) {
  const std::string path = File("f", "12345");
  Plan();
  fs::remove(path);
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(PathsIn(Stream()), std::vector<std::string>{"./"});
  ExpectOneWarning("f", "no longer a file");
}

TEST_F(TarSourceChange, AFileReplacedByASymlinkIsLeftOut) {
  const std::string path = File("f", "12345");
  WriteFile(directory_ / "secret", "SECRET-CONTENT");
  Plan();
  fs::remove(path);
  fs::create_symlink(directory_ / "secret", path);
  const std::string stream = Stream();
  EXPECT_EQ(PathsIn(stream), std::vector<std::string>{"./"});
  EXPECT_EQ(stream.find("SECRE"), std::string::npos);
  ExpectOneWarning("f", "vanished");
}

// Moves the directory `name` away and puts a symlink to `target` in its place.
void ReplaceBySymlink(const std::string& directory, const std::string& name,
                      const std::string& target) {
  fs::rename(directory + "/volume/" + name, directory + "/moved");
  fs::create_symlink(directory + "/" + target, directory + "/volume/" + name);
}

TEST_F(TarSourceChange, ADirectoryReplacedByASymlinkLetsNothingInFromOutside) {
  File("d/f", "inside, of some length");
  fs::create_directories(directory_ / "outside");
  WriteFile(directory_ / "outside/f", "SECRET-CONTENT of that length");
  Plan();
  ReplaceBySymlink(directory_.path(), "d", "outside");
  const std::string stream = Stream();
  EXPECT_EQ(stream.find("SECRET"), std::string::npos);
  EXPECT_EQ(PathsIn(stream), (std::vector<std::string>{"./", "./d/"}));
  ExpectOneWarning("d/f", "vanished");
}

TEST_F(TarSourceChange, ADirectoryFurtherUpReplacedByASymlinkLetsNothingIn) {
  File("d/e/f", "inside, of some length");
  fs::create_directories(directory_ / "outside/e");
  WriteFile(directory_ / "outside/e/f", "SECRET-CONTENT of that length");
  Plan();
  ReplaceBySymlink(directory_.path(), "d", "outside");
  EXPECT_EQ(Stream().find("SECRET"), std::string::npos);
  ExpectOneWarning("d/e/f", "vanished");
}

TEST_F(TarSourceChange, AnUnreadableFileCountsAsMissing) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  const std::string path = File("f", "12345");
  File("g", "67890");
  ASSERT_EQ(chmod(path.c_str(), 0600), 0);
  ASSERT_EQ(seteuid(65534), 0);
  Plan();
  const std::string stream = Stream();
  ASSERT_EQ(seteuid(0), 0);
  EXPECT_EQ(PathsIn(stream), (std::vector<std::string>{"./", "./g"}));
  EXPECT_EQ(warnings_.missing_count(), 1u);
  ASSERT_EQ(warnings_.count(), 1u);
  EXPECT_TRUE(warnings_.texts()[0].starts_with("f: ")) << warnings_.texts()[0];
}

TEST_F(TarSourceChange, ReadingLeavesNoAccessTime) {
  const std::string path = File("f", "12345");
  const timespec long_ago[2] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
  ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), long_ago, 0), 0);
  Plan();
  Stream();
  struct stat info {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_atim.tv_sec, 1'000'000'000);
}

}  // namespace
}  // namespace volstream
