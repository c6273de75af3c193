// `volstream list` through the CLI: what it shows of each backup.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "stages/archive_name.h"
#include "stages/beneath.h"
#include "stages/verification.h"
#include "tests/support/archive.h"
#include "tests/support/cli.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

using Json = nlohmann::json;

class ListCommand : public ::testing::Test {
 protected:
  ListCommand() {
    MakeDirectory(backups_);
    MakeDirectory(source_);
    WriteFile(source_ + "/a", std::string(100'000, 'a'));
    archive_ = BackUp(source_, backups_);
    name_ = archive_.substr(backups_.size() + 1);
  }

  static void MakeDirectory(const std::string& path) { ASSERT_EQ(mkdir(path.c_str(), 0755), 0); }

  void Verify(const std::string& name, bool ok) {
    Verification verification;
    verification.archive = name;
    verification.level = "deep";
    verification.ok = ok;
    verification.checked = absl::FromUnixSeconds(1'700'000'000);
    if (!ok) verification.AddError("member at 17: its CRC differs");
    WriteFile(backups_ + "/" + VerificationNameOf(name), verification.ToJson());
  }

  CommandResult List(std::vector<std::string> extra = {}) {
    std::vector<std::string> args = {"list", backups_};
    args.insert(args.end(), extra.begin(), extra.end());
    return Volstream(args).Run();
  }

  // The line of the table that begins with the name; fails the test unless there is one.
  std::string LineOf(const std::string& name, const CommandResult& result) {
    for (const std::string& line : LinesOf(result.out)) {
      if (line.starts_with(name)) return line;
    }
    ADD_FAILURE() << name << "\n" << result;
    return "";
  }

  TempDir directory_;
  const std::string backups_ = directory_ / "backups";
  const std::string source_ = directory_ / "volume";
  std::string archive_;
  std::string name_;
};

TEST_F(ListCommand, ShowsWhatTheReceiptSays) {
  const CommandResult result = List();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(result.err, "");
  const std::string line = LineOf(name_, result);
  EXPECT_NE(line.find("%"), std::string::npos) << line;
  EXPECT_NE(line.find("  2  "), std::string::npos) << line;  // the root and its file
  EXPECT_NE(line.find("0:0"), std::string::npos) << line;
  EXPECT_TRUE(line.ends_with("  proven")) << line;
}

TEST_F(ListCommand, ShowsTheSameAsJson) {
  const CommandResult result = List({"--json"});
  const Json list = Json::parse(result.out, nullptr, false);
  ASSERT_TRUE(list.is_array() && list.size() == 1) << result;
  const Json receipt = ReceiptOf(archive_);
  const Json& item = list[0];
  EXPECT_EQ(item["name"], name_);
  EXPECT_EQ(item["stem"], "volume");
  EXPECT_EQ(item["bytes"], receipt["bytes"]);
  EXPECT_EQ(item["proven"], true);
  EXPECT_EQ(item["state"], "proven");
  EXPECT_EQ(item["tar_bytes"], receipt["tar_bytes"]);
  EXPECT_EQ(item["entries"], 2);
  EXPECT_DOUBLE_EQ(item["ratio"].get<double>(),
                   receipt["bytes"].get<double>() / receipt["tar_bytes"].get<double>());
  EXPECT_TRUE(item["seconds"].is_number());
  EXPECT_EQ(item["missing_count"], 0);
  EXPECT_FALSE(item.contains("remark"));
  EXPECT_FALSE(item.contains("verification"));
}

TEST_F(ListCommand, ShowsVerifications) {
  const std::string bad = CopyAsBackupOf(archive_, "20200101_000000");
  Verify(name_, true);
  Verify(bad, false);
  const CommandResult table = List();
  EXPECT_EQ(table.exit_code, 0) << table;
  EXPECT_EQ(LinesOf(table.out).size(), 3u) << table;  // no line of their own
  EXPECT_TRUE(LineOf(name_, table).ends_with("  verified 2023-11-14 (deep)")) << table;
  EXPECT_TRUE(LineOf(bad, table).ends_with("  damaged 2023-11-14 (deep)")) << table;
  EXPECT_NE(table.err.find("CRC differs"), std::string::npos) << table;
  const Json list = Json::parse(List({"--json"}).out, nullptr, false);
  ASSERT_TRUE(list.is_array() && list.size() == 2);
  EXPECT_EQ(list[0]["state"], "verified");
  EXPECT_EQ(list[0]["verification"]["checked"], "2023-11-14T22:13:20Z");
  EXPECT_EQ(list[1]["state"], "damaged");
  EXPECT_EQ(list[1]["verification"]["error_count"], 1);
}

TEST_F(ListCommand, ShowsAReceiptThatCannotBeReadAsSuch) {
  const std::string other = CopyAsBackupOf(archive_, "20200101_000000");
  WriteFile(archive_ + ".receipt.json", "{");
  WriteFile(backups_ + "/" + other + ".receipt.json", "[]");
  const CommandResult result = List();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_TRUE(LineOf(name_, result).ends_with("  receipt unreadable")) << result;
  EXPECT_TRUE(LineOf(other, result).ends_with("  receipt unreadable")) << result;
  // One warning for all.
  EXPECT_EQ(LinesOf(result.err).size(), 1u) << result;
  EXPECT_NE(result.err.find("1 more"), std::string::npos) << result;
  const Json list = Json::parse(List({"--json"}).out, nullptr, false);
  EXPECT_EQ(list[0]["state"], "unreadable");
  EXPECT_NE(list[0]["remark"].get<std::string>().find(".receipt.json"), std::string::npos);
}

TEST_F(ListCommand, BriefReadsNoReceipt) {
  WriteFile(archive_ + ".receipt.json", "{");
  const CommandResult result = List({"--brief"});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(result.err, "");
  EXPECT_TRUE(LineOf(name_, result).ends_with("  proven")) << result;
  const Json list = Json::parse(List({"--brief", "--json"}).out, nullptr, false);
  ASSERT_TRUE(list.is_array() && list.size() == 1);
  EXPECT_EQ(list[0].size(), 5u) << list;
  EXPECT_EQ(list[0]["bytes"], ReadFile(archive_).size());
}

TEST_F(ListCommand, SaysNothingOfFilesInAStreamThatIsNoTar) {
  WriteFile(directory_ / "dump", "not a tar");
  ASSERT_EQ(Volstream({"backup", "-", "--name", "dump", "--to", backups_})
                .StdinFrom(directory_ / "dump")
                .Run()
                .exit_code,
            0);
  const CommandResult result = List();
  EXPECT_NE(LineOf("dump_", result).find("  -  "), std::string::npos) << result;
}

TEST_F(ListCommand, EndsQuietlyWhenNobodyReads) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  close(ends[0]);
  const CommandResult result = Volstream({"list", backups_}).StdoutTo(ends[1]).Run();
  close(ends[1]);
  EXPECT_EQ(result.exit_code, 141) << result;
  EXPECT_EQ(result.err, "");
}

TEST_F(ListCommand, SaysThatItCannotWrite) {
  const UniqueFd full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(full.valid());
  ExpectOneError(Volstream({"list", backups_}).StdoutTo(full.get()).Run(), kExitGeneral,
                 {"standard output", "no space"});
}

TEST_F(ListCommand, PruneTakesVerificationsAway) {
  const std::string old = CopyAsBackupOf(archive_, "20200101_000000");
  Verify(old, true);
  Verify(name_, true);
  const CommandResult result = Volstream({"prune", backups_, "--keep-last", "1"}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  std::vector<std::string> left;
  for (const std::string& name : NamesIn(backups_)) {
    if (!name.starts_with('.')) left.push_back(name);
  }
  EXPECT_EQ(left,
            (std::vector<std::string>{name_, name_ + ".receipt.json", name_ + ".verify.json"}));
}

}  // namespace
}  // namespace volstream
