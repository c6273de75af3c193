// Backups made with --no-stream-md5, through the binary: their receipt, and what reads it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/bytes.h"
#include "tests/support/archive.h"
#include "tests/support/cli.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

namespace fs = std::filesystem;

class NoStreamMd5 : public ::testing::Test {
 protected:
  void SetUp() override {
    TreeOptions options;
    options.incompressible_bytes = 12 * kMiB;
    MakeTree(source_, options);
    fs::create_directory(backups_);
    // Parts of which several are held back to be hashed together.
    archive_ =
        BackUp(source_, backups_, {"--no-stream-md5", "--part-size", "5MiB", "--memory", "128MiB"});
  }
  CommandResult Verify(std::vector<std::string> extra = {}) {
    extra.insert(extra.begin(), {"verify", archive_, "--scratch-dir", directory_.path()});
    return Volstream(std::move(extra)).Run();
  }
  nlohmann::json Recorded() { return nlohmann::json::parse(ReadFile(archive_ + ".verify.json")); }

  TempDir directory_;
  const std::string source_ = directory_ / "volume";
  const std::string backups_ = directory_ / "backups";
  std::string archive_;
};

TEST_F(NoStreamMd5, TheReceiptHasXxh3AndNoMd5) {
  const nlohmann::json receipt = ReceiptOf(archive_);
  EXPECT_FALSE(receipt.contains("md5")) << receipt;
  EXPECT_EQ(receipt.value("xxh3", "").size(), 16u) << receipt;
  EXPECT_EQ(receipt.value("bytes", 0u), fs::file_size(archive_));
}

TEST_F(NoStreamMd5, TheArchiveIsTheSame) {
  const std::string others = directory_ / "others";
  fs::create_directory(others);
  const std::string other = BackUp(source_, others, {"--part-size", "5MiB"});
  EXPECT_EQ(Md5Hex(ReadFile(archive_)), ReceiptOf(other).value("md5", ""));
  EXPECT_EQ(ReceiptOf(archive_).value("xxh3", "?"), ReceiptOf(other).value("xxh3", ""));
}

TEST_F(NoStreamMd5, VerifyComparesXxh3AndSaysSo) {
  EXPECT_EQ(Verify().exit_code, 0);
  const CommandResult deep = Verify({"--deep"});
  EXPECT_EQ(deep.exit_code, 0) << deep;
  EXPECT_NE(deep.err.find("its receipt has no MD5: its XXH3"), std::string::npos) << deep;
  EXPECT_EQ(Recorded().value("archive_xxh3", ""), ReceiptOf(archive_).value("xxh3", "?"));
  EXPECT_FALSE(Recorded().contains("archive_md5"));
  EXPECT_EQ(Verify({"--drill"}).exit_code, 0);
}

TEST_F(NoStreamMd5, VerifyFindsASoundArchiveThatIsNotWhatWasStored) {
  nlohmann::json receipt = ReceiptOf(archive_);
  receipt["xxh3"] = "0000000000000000";
  WriteFile(archive_ + ".receipt.json", receipt.dump());
  const CommandResult deep = Verify({"--deep"});
  EXPECT_EQ(deep.exit_code, kExitIntegrity) << deep;
  EXPECT_NE(deep.err.find("bytes differ: its XXH3 is "), std::string::npos) << deep;
}

TEST_F(NoStreamMd5, VerifyAndRestoreFindAnArchiveThatWasPackedAnew) {
  const std::string tar = directory_ / "tar";
  ASSERT_EQ(
      std::system(
          ("gzip -dc " + archive_ + " >" + tar + " && gzip -1c " + tar + " >" + archive_).c_str()),
      0);
  nlohmann::json receipt = ReceiptOf(archive_);
  receipt["bytes"] = fs::file_size(archive_);
  WriteFile(archive_ + ".receipt.json", receipt.dump());
  const CommandResult deep = Verify({"--deep"});
  EXPECT_EQ(deep.exit_code, kExitIntegrity) << deep;
  EXPECT_NE(deep.err.find("not made of volstream's members"), std::string::npos) << deep;
  const CommandResult restored = Volstream({"restore", archive_, directory_ / "restored"}).Run();
  EXPECT_EQ(restored.exit_code, kExitIntegrity) << restored;
  EXPECT_NE(restored.err.find("not made of volstream's members"), std::string::npos) << restored;
}

TEST_F(NoStreamMd5, RestoreComparesXxh3AndListShowsIt) {
  const CommandResult restored = Volstream({"restore", archive_, directory_ / "restored"}).Run();
  EXPECT_EQ(restored.exit_code, 0) << restored;
  const CommandResult list = Volstream({"list", backups_}).Run();
  EXPECT_EQ(list.exit_code, 0) << list;
  EXPECT_NE(list.out.find(fs::path(archive_).filename().string()), std::string::npos) << list;
}

}  // namespace
}  // namespace volstream
