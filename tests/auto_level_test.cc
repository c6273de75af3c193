// `--level auto` through the CLI: where it goes when the destination is slow and when it is fast,
// and who says so. The slow one is a fake S3 server behind --limit-upload, as no real one is slow
// to order.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/bytes.h"
#include "tests/support/archive.h"
#include "tests/support/cli.h"
#include "tests/support/fake_s3.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

using Json = nlohmann::json;

class AutoLevel : public ::testing::Test {
 protected:
  AutoLevel() {
    for (const std::string& path : {source_, backups_}) EXPECT_EQ(mkdir(path.c_str(), 0755), 0);
  }

  // 64 MiB of hexadecimal digits: work for the compressor, half of it left.
  void WriteDigits() {
    std::string digits = RandomBytes(3, 64 * kMiB);
    for (char& c : digits) c = "0123456789abcdef"[c & 15];
    WriteFile(source_ + "/digits", digits);
  }

  static int LastLevel(const Json& receipt) {
    const Json& changes = receipt.at("levels").at("changes");
    return changes.empty() ? receipt.at("level").get<int>() : changes.back().at("level").get<int>();
  }

  static uint64_t BlocksOf(const Json& levels) {
    uint64_t sum = 0;
    for (const auto& [level, count] : levels.items()) sum += count.get<uint64_t>();
    return sum;
  }

  TempDir directory_;
  const std::string source_ = directory_ / "source";
  const std::string backups_ = directory_ / "backups";
};

TEST_F(AutoLevel, FallsWhereTheDestinationIsFast) {
  WriteDigits();
  const CommandResult result =
      Volstream({"backup", source_, "--to", backups_, "--level", "auto", "--part-size", "5MiB",
                 "--memory", "48MiB", "--workers", "2", "--stats"})
          .Run();
  ASSERT_EQ(result.exit_code, 0) << result;
  const std::string archive = backups_ + "/" + ArchivesIn(backups_).at(0);
  const Json receipt = Json::parse(ReadFile(archive + ".receipt.json"));
  EXPECT_LT(LastLevel(receipt), 6) << receipt;
  EXPECT_EQ(receipt.at("level"), 6);
  EXPECT_EQ(BlocksOf(receipt.at("levels").at("blocks")), receipt.at("blocks")) << receipt;
  for (const Json& change : receipt.at("levels").at("changes")) {
    EXPECT_LE(change.at("tar_offset"), receipt.at("tar_bytes")) << receipt;
  }
  EXPECT_NE(result.err.find("level 6 to "), std::string::npos) << result;

  const CommandResult verified = Volstream({"verify", archive, "--deep"}).Run();
  EXPECT_EQ(verified.exit_code, 0) << verified;
  const CommandResult listed = Volstream({"list", backups_, "--json"}).Run();
  ASSERT_EQ(listed.exit_code, 0) << listed;
  const Json item = Json::parse(listed.out).at(0);
  EXPECT_EQ(item.at("codec"), "gzip");
  EXPECT_EQ(item.at("level_max"), 9);
  EXPECT_EQ(item.at("level_changes"), receipt.at("levels").at("change_count"));
  EXPECT_EQ(item.at("blocks_by_level"), receipt.at("levels").at("blocks"));
}

TEST_F(AutoLevel, RisesWhereTheNetworkIsSlow) {
  // Bytes that do not shrink: what the network gets does not depend on the machine's load.
  WriteFile(source_ + "/noise", RandomBytes(5, 60 * kMiB));
  const FakeS3 s3;
  for (const std::string codec : {"gzip", "zstd"}) {
    const CommandResult result =
        s3.Volstream({"backup", source_, "--to", absl::StrCat("s3://", FakeS3::kBucket, "/"),
                      "--codec", codec, "--name", codec, "--level", "auto:1-7", "--memory", "36MiB",
                      "--part-size", "5MiB", "--workers", "1", "--limit-upload", "8MiB",
                      // Shared fairly, parts sent at once all end at once, and blocks then come in
                      // bursts that find memory empty.
                      "--connections", "1"})
            .Run();
    ASSERT_EQ(result.exit_code, 0) << result;
    for (const auto& [key, bytes] : s3.Objects()) {
      if (!key.starts_with(codec) || !key.ends_with(".receipt.json")) continue;
      const Json receipt = Json::parse(bytes);
      EXPECT_EQ(BlocksOf(receipt.at("levels").at("blocks")), receipt.at("blocks")) << receipt;
      EXPECT_GT(LastLevel(receipt), receipt.at("level").get<int>()) << receipt;
    }
  }
}

TEST_F(AutoLevel, StaysWithinItsBounds) {
  WriteDigits();
  const std::string archive =
      BackUp(source_, backups_,
             {"--level", "auto:2-3", "--part-size", "5MiB", "--memory", "48MiB", "--workers", "1"});
  const Json receipt = Json::parse(ReadFile(archive + ".receipt.json"));
  for (const auto& [level, count] : receipt.at("levels").at("blocks").items()) {
    EXPECT_TRUE(level == "2" || level == "3") << receipt;
  }
}

TEST_F(AutoLevel, RefusesBoundsThatAreNone) {
  for (const std::string level : {"auto:9-1", "auto:1-13", "auto:x", "automatic"}) {
    const CommandResult result =
        Volstream({"backup", source_, "--to", backups_, "--level", level}).Run();
    EXPECT_EQ(result.exit_code, 1) << result;
    EXPECT_NE(result.err.find("1 to 12"), std::string::npos) << result;
  }
}

}  // namespace
}  // namespace volstream
