// Retention at a directory: what goes and, more than that, what stays. S3's is in backup_s3_test.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "stages/archive_name.h"
#include "tests/support/archive.h"
#include "tests/support/cli.h"
#include "tests/support/fake_s3.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

class Retention : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(mkdir(source_.c_str(), 0755), 0);
    ASSERT_EQ(mkdir(backups_.c_str(), 0755), 0);
    WriteFile(source_ + "/file", "contents");
  }

  // `count` backups of volume of past days, oldest first: their names.
  std::vector<std::string> MakeOlder(int count) {
    const std::string archive = BackUp(source_, backups_, {"--no-prune"});
    std::vector<std::string> names;
    for (int day = 1; day <= count; ++day) {
      char stamp[32];
      std::snprintf(stamp, sizeof(stamp), "202001%02d_120000", day);
      names.push_back(CopyAsBackupOf(archive, stamp));
    }
    // The original goes, so that a test counts only what it made.
    unlink(archive.c_str());
    unlink((archive + ".receipt.json").c_str());
    return names;
  }

  CommandResult BackUpKeeping(const std::string& count) {
    return Volstream({"backup", source_, "--to", backups_, "--keep-last", count}).Run();
  }

  bool Has(const std::string& name) {
    const bool archive = Exists(backups_ + "/" + name);
    EXPECT_EQ(archive, Exists(backups_ + "/" + name + ".receipt.json")) << name;
    return archive;
  }

  TempDir directory_;
  const std::string source_ = directory_ / "volume";
  const std::string backups_ = directory_ / "backups";
};

TEST_F(Retention, KeepsTheLastN) {
  const std::vector<std::string> older = MakeOlder(5);
  const CommandResult result = BackUpKeeping("3");
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(ArchivesIn(backups_).size(), 3u);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(Has(older[i]));
  for (int i = 3; i < 5; ++i) EXPECT_TRUE(Has(older[i]));
  EXPECT_EQ(LeftoversIn(backups_), std::vector<std::string>{});
}

TEST_F(Retention, NamesWhatItDeletes) {
  const std::vector<std::string> older = MakeOlder(2);
  const CommandResult result = BackUpKeeping("2");
  EXPECT_NE(result.err.find(older[0]), std::string::npos) << result;
  EXPECT_EQ(result.err.find(older[1]), std::string::npos) << result;
}

TEST_F(Retention, KeepsTenByDefault) {
  MakeOlder(12);
  EXPECT_EQ(Volstream({"backup", source_, "--to", backups_}).Run().exit_code, 0);
  EXPECT_EQ(ArchivesIn(backups_).size(), 10u);
}

TEST_F(Retention, TakesTheCountFromTheEnvironment) {
  MakeOlder(6);
  const CommandResult result =
      Volstream({"backup", source_, "--to", backups_}).Env("BACKUP_RETENTION_LOCAL", "4").Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(ArchivesIn(backups_).size(), 4u);
}

TEST_F(Retention, TheFlagIsStrongerThanTheEnvironment) {
  MakeOlder(6);
  Volstream({"backup", source_, "--to", backups_, "--keep-last", "5"})
      .Env("BACKUP_RETENTION_LOCAL", "2")
      .Run();
  EXPECT_EQ(ArchivesIn(backups_).size(), 5u);
}

TEST_F(Retention, DeletesNothingWithNoPrune) {
  MakeOlder(6);
  Volstream({"backup", source_, "--to", backups_, "--keep-last", "1", "--no-prune"}).Run();
  EXPECT_EQ(ArchivesIn(backups_).size(), 7u);
}

TEST_F(Retention, KeepingZeroKeepsEverything) {
  const std::vector<std::string> older = MakeOlder(3);
  const CommandResult result = BackUpKeeping("0");
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(ArchivesIn(backups_).size(), older.size() + 1);
}

TEST_F(Retention, DeletesNothingAfterAFailedRun) {
  const std::vector<std::string> older = MakeOlder(4);
  WriteFile(source_ + "/random", RandomBytes(5, 3 << 20));
  const CommandResult result = Volstream({"backup", source_, "--to", backups_, "--keep-last", "1"})
                                   .LimitFileSize(1 << 20)
                                   .Run();
  EXPECT_EQ(result.exit_code, kExitGeneral) << result;
  EXPECT_EQ(ArchivesIn(backups_), older);
}

TEST_F(Retention, LeavesForeignFilesAlone) {
  MakeOlder(3);
  const std::vector<std::string> foreign = {"README",
                                            "volume_notes.tar.gz",
                                            "volume_20200101_120000.tar",
                                            "volume.tar.gz",
                                            "volume_20200101.tar.gz",
                                            "volume_20200101_1200000.tar.gz",
                                            "volume_20200101_120000.tar.gz.bak",
                                            "x.receipt.json",
                                            "volume_20201341_120000.tar.gz"};
  for (const std::string& name : foreign) WriteFile(backups_ + "/" + name, "mine");
  // An impossible date is a foreign name even with a receipt beside it.
  WriteFile(backups_ + "/volume_20201341_120000.tar.gz.receipt.json", "{}");
  BackUpKeeping("1");
  for (const std::string& name : foreign)
    EXPECT_EQ(ReadFile(backups_ + "/" + name), "mine") << name;
}

TEST_F(Retention, LeavesBackupsOfOtherNamesAlone) {
  MakeOlder(3);
  for (const char* name : {"other", "volume2", "volume_x", "my_volume"}) {
    BackUp(source_, backups_, {"--name", name, "--no-prune"});
  }
  BackUpKeeping("1");
  EXPECT_EQ(ArchivesIn(backups_).size(), 5u);
}

TEST_F(Retention, DoesNotCountWhatIsUnproven) {
  const std::vector<std::string> older = MakeOlder(3);
  WriteFile(backups_ + "/volume_20210101_120000.tar.gz", "unproven");
  WriteFile(backups_ + "/volume_20210102_120000.tar.gz", "unproven");
  BackUpKeeping("2");
  EXPECT_TRUE(Has(older[2]));
  EXPECT_FALSE(Has(older[1]));
}

TEST_F(Retention, PruneDoesItWithoutABackup) {
  const std::vector<std::string> older = MakeOlder(5);
  const CommandResult result = Volstream({"prune", backups_, "--keep-last", "2"}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(ArchivesIn(backups_), (std::vector<std::string>{older[3], older[4]}));
}

TEST_F(Retention, PruneKeepsTheLastNOfEachName) {
  MakeOlder(3);
  const std::string other = BackUp(source_, backups_, {"--name", "other", "--no-prune"});
  CopyAsBackupOf(other, "20190101_000000");
  Volstream({"prune", backups_, "--keep-last", "1"}).Run();
  std::vector<std::string> names;
  for (const std::string& archive : ArchivesIn(backups_)) names.push_back(NameOfArchive(archive));
  EXPECT_EQ(names, (std::vector<std::string>{"other", "volume"}));
}

TEST_F(Retention, PruneOfOneNameLeavesTheOthers) {
  const std::vector<std::string> older = MakeOlder(3);
  const std::string other = BackUp(source_, backups_, {"--name", "other", "--no-prune"});
  CopyAsBackupOf(other, "20190101_000000");
  Volstream({"prune", backups_, "--keep-last", "1", "--name", "other"}).Run();
  EXPECT_EQ(ArchivesIn(backups_).size(), older.size() + 1);
}

TEST_F(Retention, DryRunOnlySaysWhatWouldGo) {
  const std::vector<std::string> older = MakeOlder(3);
  const CommandResult result =
      Volstream({"prune", backups_, "--keep-last", "1", "--dry-run"}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(ArchivesIn(backups_), older);
  const std::vector<std::string> lines = LinesOf(result.out);
  ASSERT_EQ(lines.size(), 4u) << result;
  for (size_t i = 0; i < 3; ++i) {
    const std::string& line = lines[3 - i];  // the newest comes first
    EXPECT_NE(line.find(older[i]), std::string::npos) << result;
    EXPECT_EQ(line.starts_with("remove "), i < 2) << result;
    EXPECT_NE(line.find(i < 2 ? "no rule keeps it" : "newest, last"), std::string::npos) << result;
  }
}

TEST_F(Retention, DryRunPrintsThePlanAsJson) {
  const std::vector<std::string> older = MakeOlder(2);
  const CommandResult result =
      Volstream({"prune", backups_, "--keep-last", "1", "--dry-run", "--json"}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  const nlohmann::json plan = nlohmann::json::parse(result.out, nullptr, false);
  ASSERT_EQ(plan.size(), 2u) << result;
  EXPECT_EQ(plan[0]["name"], older[1]);
  EXPECT_EQ(plan[0]["plan"], "keep");
  EXPECT_EQ(plan[1]["name"], older[0]);
  EXPECT_EQ(plan[1]["plan"], "remove");
  EXPECT_EQ(plan[1]["reason"], "no rule keeps it");
}

TEST_F(Retention, RulesAddUp) {
  MakeOlder(28);  // the first four weeks of 2020: the 1st is a Wednesday
  const CommandResult result = Volstream({"prune", backups_, "--keep-last", "1", "--keep-daily",
                                          "2", "--keep-weekly", "3", "--keep-monthly", "9"})
                                   .Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  std::vector<std::string> days;
  for (const std::string& archive : ArchivesIn(backups_)) days.push_back(archive.substr(13, 2));
  EXPECT_EQ(days, (std::vector<std::string>{"19", "26", "27", "28"}));
}

TEST_F(Retention, KeepsWhatIsYoungEnough) {
  MakeOlder(20);
  const CommandResult result =
      Volstream({"prune", backups_, "--keep-last", "0", "--keep-within", "1w1d"}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(ArchivesIn(backups_).size(), 9u);
}

TEST_F(Retention, ZeroInTheEnvironmentKeepsAllWhateverTheRules) {
  MakeOlder(5);
  const CommandResult result =
      Volstream({"prune", backups_, "--keep-daily", "1"}).Env("BACKUP_RETENTION_LOCAL", "0").Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(ArchivesIn(backups_).size(), 5u);
}

TEST_F(Retention, ATimeThatCannotBeReadIsNamedBeforeTheBackup) {
  for (const char* text : {"3m", "d", "5", "-1d", "1d x", "99999999999999999999d", "0d"}) {
    const CommandResult result =
        Volstream({"backup", source_, "--to", backups_, std::string("--keep-within=") + text})
            .Run();
    ExpectOneError(result, kExitGeneral, {"--keep-within", text});
  }
  EXPECT_EQ(NamesIn(backups_), std::vector<std::string>{});
}

TEST_F(Retention, ASuspiciouslySmallBackupWarnsAndRemovesNothing) {
  WriteFile(source_ + "/random", RandomBytes(5, 1 << 20));
  const std::vector<std::string> older = MakeOlder(3);
  unlink((source_ + "/random").c_str());
  const CommandResult result = BackUpKeeping("1");
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_NE(result.err.find("suspiciously small"), std::string::npos) << result;
  EXPECT_EQ(ArchivesIn(backups_).size(), older.size() + 1);
  const CommandResult after =
      Volstream({"prune", backups_, "--keep-last", "1", "--min-size-ratio", "0"}).Run();
  EXPECT_EQ(after.exit_code, 0) << after;
  EXPECT_EQ(ArchivesIn(backups_).size(), 1u);
}

// Pages and batches; bench/listing.py does the same with 100,000 keys and measures it.
TEST(RetentionOfMany, GoesByPagesAndBatches) {
  FakeS3 s3;
  absl::Time time = absl::FromUnixSeconds(1'750'000'000);
  for (int i = 0; i < 2'500; ++i, time -= absl::Hours(1)) {
    const std::string name = ArchiveName{"volume", time}.ToString();
    const nlohmann::json receipt = {{"volstream_receipt", 1}, {"archive", name}, {"bytes", 1}};
    s3.PutObject("p/" + name, "x");
    s3.PutObject("p/" + name + ".receipt.json", receipt.dump());
  }
  const CommandResult result =
      s3.Volstream({"prune", "s3://bucket/p/", "--keep-last", "2", "--no-lock"}).Run();
  EXPECT_EQ(result.exit_code, 0) << result.err.substr(0, 2'000);
  EXPECT_EQ(s3.Keys().size(), 4u);
  // 5,000 keys, looked at twice; 2,498 archives in batches of 500, and their receipts.
  EXPECT_EQ(s3.Count(S3Operation::kListObjects), 10);
  EXPECT_EQ(s3.Count(S3Operation::kDeleteObjects), 10);
}

}  // namespace
}  // namespace volstream
