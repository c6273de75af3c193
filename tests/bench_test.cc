// `volstream bench` through the CLI: what it prints, what it leaves, and how it fails.
#include <gtest/gtest.h>
#include <sys/stat.h>

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

class BenchCommand : public ::testing::Test {
 protected:
  BenchCommand() {
    fs::create_directory(source_);
    WriteFile(source_ + "/text", std::string(3 * kMiB, 'x'));
    WriteFile(source_ + "/random", RandomBytes(1, 2 * kMiB));
    fs::create_directory(backups_);
  }

  CommandResult Bench(std::vector<std::string> args) {
    args.insert(args.begin(), {"bench", "--seconds", "3"});
    return Volstream(args).Run();
  }

  TempDir directory_;
  const std::string source_ = directory_ / "source";
  const std::string backups_ = directory_ / "backups";
};

TEST_F(BenchCommand, NamesTheLevelsAndTheOneToTake) {
  const CommandResult result = Bench({source_});
  EXPECT_EQ(result.exit_code, 0) << result;
  for (const char* word : {"gzip 1", "zstd 1", "expected MB/s", "read ", "digests",
                           "recommended: --codec", "of the limit"}) {
    EXPECT_NE(result.out.find(word), std::string::npos) << word << result;
  }
  EXPECT_EQ(result.out.find("upload"), std::string::npos) << result;
}

TEST_F(BenchCommand, GivesTheSameAsJson) {
  const CommandResult result = Bench({source_, "--json", "--to", backups_});
  EXPECT_EQ(result.exit_code, 0) << result;
  const nlohmann::json json = nlohmann::json::parse(result.out, nullptr, false);
  ASSERT_TRUE(json.is_object()) << result;
  EXPECT_EQ(json.value("entries", 0), 3);
  EXPECT_GE(json.value("sample_bytes", 0u), 5 * kMiB);
  EXPECT_GT(json.value("pipeline_over_limit", 0.0), 0);
  EXPECT_TRUE(json["upload_mb_s"].is_number()) << result;
  ASSERT_GE(json["levels"].size(), 2u);  // slow ones may be left out
  bool recommended = false;
  for (const nlohmann::json& level : json["levels"]) {
    EXPECT_GT(level.value("expected_mb_s", 0.0), 0) << level;
    EXPECT_GT(level.value("size_ratio", 0.0), 0.3) << level;  // two fifths are random bytes
    EXPECT_LT(level.value("size_ratio", 9.0), 0.5) << level;
    recommended = recommended || (level["codec"] == json["recommended"]["codec"] &&
                                  level["level"] == json["recommended"]["level"]);
  }
  EXPECT_TRUE(recommended) << result;
}

TEST_F(BenchCommand, LeavesNothingAtTheDestination) {
  const CommandResult result = Bench({source_, "--to", backups_});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_NE(result.out.find("upload"), std::string::npos) << result;
  EXPECT_TRUE(fs::is_empty(backups_)) << result;
}

TEST_F(BenchCommand, SaysWhichSourceIsMissing) {
  const CommandResult result = Bench({directory_ / "nowhere", "--to", backups_});
  EXPECT_EQ(result.exit_code, 3) << result;
  EXPECT_NE(result.err.find("nowhere"), std::string::npos) << result;
  EXPECT_TRUE(fs::is_empty(backups_)) << result;
}

TEST_F(BenchCommand, RefusesADirectoryWithNothingInIt) {
  const std::string empty = directory_ / "empty";
  fs::create_directory(empty);
  WriteFile(empty + "/file", "");
  const CommandResult result = Bench({empty});
  EXPECT_EQ(result.exit_code, 1) << result;
  EXPECT_NE(result.err.find("no file with anything in it"), std::string::npos) << result;
}

TEST_F(BenchCommand, SaysWhatIsWrongWithTheDestination) {
  const CommandResult result = Bench({source_, "--to", source_ + "/text"});
  EXPECT_EQ(result.exit_code, 1) << result;
  EXPECT_NE(result.err.find("text"), std::string::npos) << result;
}

TEST_F(BenchCommand, AsksForASource) {
  const CommandResult result = Bench({});
  EXPECT_EQ(result.exit_code, 1) << result;
  EXPECT_NE(result.err.find("SOURCE"), std::string::npos) << result;
}

}  // namespace
}  // namespace volstream
