// All that reads archives, through the binary, for both formats: the same tree, and the same
// refusal of what is damaged. What each command does in full is in its own test.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/bytes.h"
#include "stages/archive_format.h"
#include "tests/support/archive.h"
#include "tests/support/cli.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

namespace fs = std::filesystem;
using Args = std::vector<std::string>;

class ReadingFormats : public ::testing::TestWithParam<ArchiveFormat> {
 protected:
  static void SetUpTestSuite() {
    shared_ = new TempDir();
    TreeOptions options;
    options.incompressible_bytes = 6 * kMiB;
    MakeTree(Volume(), options);
    fs::create_directory(Volume() + "/logs");
    WriteFile(Volume() + "/logs/one", "one");
    WriteFile(Volume() + "/logs/two", std::string(3 * kMiB, '2') + RandomBytes(2, 100'000));
    for (const ArchiveFormat format : {ArchiveFormat::kGzip, ArchiveFormat::kZstd}) {
      const std::string backups = *shared_ / std::string(FormatName(format));
      fs::create_directory(backups);
      archives_[static_cast<int>(format)] =
          BackUp(Volume(), backups, {"--codec", std::string(FormatName(format))});
    }
  }
  static void TearDownTestSuite() { delete shared_; }
  void SetUp() override { ASSERT_NE(archive(), ""); }

  static std::string Volume() { return *shared_ / "volume"; }
  static const std::string& archive() { return archives_[static_cast<int>(GetParam())]; }
  static std::string suffix() { return std::string(FormatSuffix(GetParam())); }
  // The tar, as the format's own tool gives it.
  static std::string Inflated() {
    const std::string tool = GetParam() == ArchiveFormat::kGzip ? "gzip" : "zstd";
    const CommandResult result = Command({tool, "-dc", archive()}).Run();
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.out;
  }

  // `volstream ARGS...`, which must succeed.
  static std::string Run(Args args) {
    const CommandResult result = Volstream(std::move(args)).Run();
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.out;
  }
  void ExpectTheTree() {
    EXPECT_EQ(DiffTrees(SnapshotTree(Volume()), SnapshotTree(target_)), "");
    fs::remove_all(target_);
  }
  // Of this length, without a receipt, from `begin` on.
  std::string Copy(const std::string& bytes) {
    const std::string copy = directory_ / ("copy_20200101_000000.tar" + suffix());
    WriteFile(copy, bytes);
    return copy;
  }
  static size_t IndexBytes() { return ReceiptOf(archive())["index_bytes"]; }

  static inline TempDir* shared_ = nullptr;
  static inline std::string archives_[2];
  TempDir directory_;
  const std::string target_ = directory_ / "target";
};

INSTANTIATE_TEST_SUITE_P(Formats, ReadingFormats,
                         ::testing::Values(ArchiveFormat::kGzip, ArchiveFormat::kZstd),
                         [](const auto& info) { return std::string(FormatName(info.param)); });

TEST_P(ReadingFormats, RestoreGivesBackTheTreeWithAndWithoutTheIndex) {
  EXPECT_TRUE(archive().ends_with(".tar" + suffix()));
  Run({"restore", archive(), target_, "--numeric-owner"});
  ExpectTheTree();
  const std::string bytes = ReadFile(archive());
  Run({"restore", Copy(bytes.substr(0, bytes.size() - IndexBytes())), target_, "--numeric-owner"});
  ExpectTheTree();
}

TEST_P(ReadingFormats, RestoreTakesPathsAndGlobsByTheIndex) {
  Run({"restore", archive(), target_, "logs"});
  EXPECT_EQ(NamesIn(target_), (Args{"logs"}));
  EXPECT_TRUE(ReadFile(target_ + "/logs/two") == ReadFile(Volume() + "/logs/two"));
  fs::remove_all(target_);
  Run({"restore", archive(), target_, "**/on*"});
  EXPECT_EQ(NamesIn(target_ + "/logs"), (Args{"one"}));
  EXPECT_NE(Run({"restore", archive(), target_, "--dry-run"}).find("logs/two\n"),
            std::string::npos);
}

TEST_P(ReadingFormats, RestoreToStandardOutputIsTheTarThatTheFormatsToolGives) {
  EXPECT_TRUE(Run({"restore", archive(), "-"}) == Inflated());
  const std::string some = Run({"restore", archive(), "-", "logs/one"});
  EXPECT_NE(some.find("one"), std::string::npos);
  EXPECT_LT(some.size(), 10'000u);
}

TEST_P(ReadingFormats, LsCatAndDiffSeeTheTree) {
  const std::string listed = Run({"ls", archive()});
  EXPECT_NE(listed.find("logs/two\n"), std::string::npos) << listed;
  EXPECT_TRUE(Run({"cat", archive(), "logs/two"}) == ReadFile(Volume() + "/logs/two"));
  EXPECT_EQ(Run({"diff", archive(), Volume()}), "");
  EXPECT_EQ(Run({"diff", archives_[0], archives_[1]}), "");
}

TEST_P(ReadingFormats, ListHasTheFigures) {
  const std::string json = Run({"list", fs::path(archive()).parent_path(), "--json"});
  EXPECT_NE(json.find(fs::path(archive()).filename().string()), std::string::npos) << json;
  EXPECT_NE(json.find(std::to_string(fs::file_size(archive()))), std::string::npos) << json;
}

TEST_P(ReadingFormats, VerifyPassesAtEveryLevel) {
  Run({"verify", archive()});
  Run({"verify", archive(), "--deep"});
  const std::string scratch = directory_ / "scratch";
  fs::create_directory(scratch);
  Run({"verify", archive(), "--drill", "--scratch-dir", scratch});
}

TEST_P(ReadingFormats, AFlippedBitAnywhereIsFound) {
  const std::string good = ReadFile(archive());
  const size_t index = good.size() - IndexBytes();
  for (const size_t offset : {size_t{3}, size_t{17}, size_t{23}, size_t{27}, size_t{33}, size_t{45},
                              good.size() / 2, index - 3, index + 40, good.size() - 60}) {
    std::string bad = good;
    bad[offset] = static_cast<char>(bad[offset] ^ 1);
    const std::string copy = Copy(bad);
    EXPECT_EQ(Volstream({"verify", copy, "--deep"}).Run().exit_code, kExitIntegrity) << offset;
    // The index is not needed for all of it.
    if (offset >= index) continue;
    const CommandResult restored = Volstream({"restore", copy, target_}).Run();
    EXPECT_EQ(restored.exit_code, kExitIntegrity) << offset << restored.err;
    fs::remove_all(target_);
  }
}

TEST_P(ReadingFormats, SalvageRestoresWhatIsLeft) {
  const std::string good = ReadFile(archive());
  for (const size_t cut : {good.size(), good.size() - IndexBytes()}) {
    std::string bad = good.substr(0, cut);
    bad.replace(good.size() / 2, 1'000, 1'000, '\0');
    const std::string copy = Copy(bad);
    EXPECT_EQ(Volstream({"restore", copy, target_}).Run().exit_code, kExitIntegrity);
    fs::remove_all(target_);
    const CommandResult result = Volstream({"restore", copy, target_, "--salvage"}).Run();
    EXPECT_EQ(result.exit_code, kExitPartial) << result.err;
    size_t whole = 0;
    size_t files = 0;
    const Tree restored = SnapshotTree(target_);
    for (const auto& [path, node] : SnapshotTree(Volume())) {
      if (node.type != '-') continue;
      ++files;
      const auto found = restored.find(path);
      if (found != restored.end() && found->second.md5 == node.md5) ++whole;
    }
    EXPECT_GT(whole, files * 3 / 4);
    EXPECT_LT(whole, files);
    fs::remove_all(target_);
  }
}

TEST_P(ReadingFormats, AStreamThatIsNoTarComesBackAsItsBytes) {
  const std::string data = RandomBytes(5, 2 * kMiB) + std::string(kMiB, 'x');
  const std::string backups = directory_ / "raw";
  fs::create_directory(backups);
  WriteFile(directory_ / "input", data);
  Command backup = Volstream({"backup", "-", "--name", "dump", "--to", backups, "--codec",
                              std::string(FormatName(GetParam()))});
  const CommandResult result = backup.StdinFrom(directory_ / "input").Run();
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Args names = NamesIn(backups);
  const auto name = std::find_if(names.begin(), names.end(), [](const std::string& candidate) {
    return candidate.ends_with(suffix());
  });
  ASSERT_NE(name, names.end());
  EXPECT_EQ(name->find(".tar"), std::string::npos) << *name;
  Run({"verify", backups + "/" + *name, "--deep"});
  Run({"restore", backups + "/" + *name, target_});
  EXPECT_TRUE(ReadFile(target_ + "/dump") == data);
  EXPECT_TRUE(Run({"restore", backups + "/" + *name, "-"}) == data);
}

// Made by the formats' own tools: no members, no index.
TEST_P(ReadingFormats, ATarOfAnotherProgramIsReadAsAStream) {
  const std::string tool = GetParam() == ArchiveFormat::kGzip ? "gzip" : "zstd";
  const std::string tar = directory_ / "foreign.tar";
  ASSERT_EQ(Command({"tar", "-C", Volume() + "/logs", "-cf", tar, "."}).Run().exit_code, 0);
  ASSERT_EQ(Command({tool, "-q", "-k", tar}).Run().exit_code, 0);
  const std::string packed = tar + suffix();
  Run({"restore", packed, target_});
  EXPECT_TRUE(ReadFile(target_ + "/two") == ReadFile(Volume() + "/logs/two"));
  fs::remove_all(target_);
  Run({"verify", packed, "--deep"});
  EXPECT_TRUE(Run({"cat", packed, "two"}) == ReadFile(Volume() + "/logs/two"));
  EXPECT_TRUE(Run({"restore", packed, "-"}) == ReadFile(tar));

  std::string bytes = ReadFile(packed);
  WriteFile(packed, bytes.substr(0, bytes.size() - 20));
  EXPECT_EQ(Volstream({"restore", packed, target_}).Run().exit_code, kExitIntegrity);
  fs::remove_all(target_);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 4);
  WriteFile(packed, bytes);
  EXPECT_EQ(Volstream({"verify", packed, "--deep"}).Run().exit_code, kExitIntegrity);
}

}  // namespace
}  // namespace volstream
