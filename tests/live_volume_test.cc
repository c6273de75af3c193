// `volstream backup` of a volume that changes meanwhile, in every way at once: never an abort,
// never a broken archive, nothing from outside, and every change is named in the receipt.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <random>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "engine/bytes.h"
#include "tests/support/archive.h"
#include "tests/support/cli.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

namespace fs = std::filesystem;

constexpr char kSecret[] = "SECRET-FROM-OUTSIDE-OF-THE-VOLUME";

class LiveVolume : public ::testing::Test {
 protected:
  static constexpr int kDirectories = 12;
  static constexpr int kFiles = 40;

  void SetUp() override {
    fs::create_directory(source_);
    fs::create_directory(backups_);
    fs::create_directory(outside_);
    for (int d = 0; d < kDirectories; ++d) {
      fs::create_directory(DirectoryPath(d));
      for (int f = 0; f < kFiles; ++f) {
        WriteFile(FilePath(d, f), RandomBytes(d * kFiles + f, SizeOf(f)));
        // The same name outside, which a symlink in the directory's place would lead to.
        if (d == 0) WriteFile(outside_ + "/" + std::to_string(f), kSecret);
      }
    }
  }

  std::string DirectoryPath(int d) const { return source_ + "/" + std::to_string(100 + d); }
  std::string FilePath(int d, int f) const { return DirectoryPath(d) + "/" + std::to_string(f); }
  // Small ones for the batches, and ones of several blocks.
  static size_t SizeOf(int f) { return f % 8 == 0 ? 2 * kMiB + 333 : f * 700; }

  // One change of a file or directory, chosen by chance. Errors are part of the game.
  void Change(std::mt19937_64& random) {
    const int d = static_cast<int>(random() % kDirectories);
    const std::string directory = DirectoryPath(d);
    const std::string file = FilePath(d, static_cast<int>(random() % kFiles));
    const std::string spare = directory_ / "spare";
    std::error_code ignored;
    switch (random() % 8) {
      case 0:
        if (truncate(file.c_str(), static_cast<off_t>(random() % 1000)) != 0) return;
        break;
      case 1:
        if (truncate(file.c_str(), static_cast<off_t>(3 * kMiB)) != 0) return;
        break;
      case 2:
        fs::remove(file, ignored);
        break;
      case 3: {  // by rename, as editors and rotated logs do
        Write(spare, RandomBytes(random(), random() % 2 == 0 ? 3 * kMiB : 100));
        if (!fs::is_symlink(directory, ignored)) fs::rename(spare, file, ignored);
        break;
      }
      case 4:  // there and back
        fs::rename(file, spare, ignored);
        fs::rename(spare, file, ignored);
        break;
      case 5:
        fs::remove(file, ignored);
        if (!fs::is_symlink(directory, ignored)) mkfifo(file.c_str(), 0600);
        break;
      case 6:
        if (!fs::is_symlink(directory, ignored)) {
          fs::remove(file, ignored);
          fs::create_symlink(outside_ + "/1", file, ignored);
        }
        break;
      default:  // a directory becomes a symlink to the outside, and itself again
        fs::rename(directory, directory_ / "moved", ignored);
        fs::create_directory_symlink(outside_, directory, ignored);
        std::this_thread::yield();
        fs::remove(directory, ignored);
        fs::rename(directory_ / "moved", directory, ignored);
        break;
    }
  }

  static void Write(const std::string& path, const std::string& bytes) {
    const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return;
    EXPECT_EQ(write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    close(fd);
  }

  // The run succeeded, in full or in part, and its archive is whole.
  void ExpectSound(const CommandResult& result) {
    EXPECT_TRUE(result.exit_code == 0 || result.exit_code == kExitPartial) << result;
    EXPECT_EQ(LeftoversIn(backups_), std::vector<std::string>{});
    ASSERT_EQ(ArchivesIn(backups_).size(), 1u) << result;
    const std::string archive = backups_ + "/" + ArchivesIn(backups_)[0];
    EXPECT_EQ(Command({"gzip", "-t", archive}).Run().exit_code, 0);
    const CommandResult list = Command({"tar", "tzf", archive}).Run();
    EXPECT_EQ(list.exit_code, 0) << list;
    EXPECT_EQ(list.err, "");
    const CommandResult tar = Command({"gzip", "-dc", archive}).Run();
    EXPECT_EQ(tar.out.find(kSecret), std::string::npos) << "something from outside is in it";
    const std::string target = directory_ / "target";
    const CommandResult restored = Volstream({"restore", archive, target}).Run();
    EXPECT_EQ(restored.exit_code, 0) << restored;
    // Each warning names what it is about, and all of them are in the receipt.
    const nlohmann::json receipt = ReceiptOf(archive);
    size_t in_log = 0;
    for (const std::string& line : LinesOf(result.err)) {
      if (line.find("[WARNING]") != std::string::npos) ++in_log;
    }
    const size_t missing_note = result.exit_code == kExitPartial ? 1 : 0;
    EXPECT_EQ(in_log, receipt["warnings"].size() + missing_note) << result;
    for (const nlohmann::json& warning : receipt["warnings"]) {
      EXPECT_EQ(warning.get<std::string>().substr(0, 1), "1") << warning;
    }
    fs::remove_all(target);
    fs::remove_all(backups_);
    fs::create_directory(backups_);
  }

  TempDir directory_;
  const std::string source_ = directory_ / "volume";
  const std::string backups_ = directory_ / "backups";
  const std::string outside_ = directory_ / "outside";
};

TEST_F(LiveVolume, IsBackedUpHoweverItChanges) {
  for (int round = 0; round < 3; ++round) {
    if (round > 0) {
      for (const std::string& path : {source_, directory_ / "moved", outside_, backups_}) {
        fs::remove_all(path);
      }
      SetUp();
    }
    std::atomic<bool> done = false;
    std::thread changer([this, &done, round] {
      std::mt19937_64 random(static_cast<uint64_t>(round));
      while (!done) Change(random);
    });
    const CommandResult result = Volstream({"backup", source_, "--to", backups_, "--workers",
                                            round == 0 ? "1" : "3", "--level", "9"})
                                     .Run();
    done = true;
    changer.join();
    ExpectSound(result);
  }
}

// Changes at one moment that is known: all is planned, and the first blocks are being read.
TEST_F(LiveVolume, ChangesAfterThePlanAreNamedInTheReceipt) {
  Command command =
      Volstream({"backup", source_, "--to", backups_, "--workers", "1", "--level", "12"});
  command.Start();
  ASSERT_TRUE(command.WaitForStderr("entries"));
  // The last directory is far behind the blocks that are under way.
  const int d = kDirectories - 1;
  fs::remove(FilePath(d, 1));
  EXPECT_EQ(truncate(FilePath(d, 2).c_str(), 3), 0);
  EXPECT_EQ(truncate(FilePath(d, 3).c_str(), 9999), 0);
  Write(directory_ / "spare", std::string(SizeOf(8), 'x'));
  fs::rename(directory_ / "spare", FilePath(d, 8));
  const CommandResult result = command.Wait();
  EXPECT_EQ(result.exit_code, 0) << result;
  const std::string archive = backups_ + "/" + ArchivesIn(backups_).at(0);
  const std::string warnings = ReceiptOf(archive)["warnings"].dump();
  for (const char* words :
       {"111/1: vanished", "111/2: shrank", "111/3: grew", "111/8: was replaced"}) {
    EXPECT_NE(warnings.find(words), std::string::npos) << words << "\n" << warnings;
    EXPECT_NE(result.err.find(words), std::string::npos) << words;
  }
  ExpectSound(result);
}

}  // namespace
}  // namespace volstream
