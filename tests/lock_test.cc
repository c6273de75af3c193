// Two runs at once, through the CLI, at a directory and at the fake S3. A real server is asked in
// retention_s3_test.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "stages/lock_owner.h"
#include "tests/support/archive.h"
#include "tests/support/cli.h"
#include "tests/support/fake_s3.h"
#include "tests/support/held_run.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

class LockTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(mkdir(source_.c_str(), 0755), 0);
    ASSERT_EQ(mkdir(backups_.c_str(), 0755), 0);
    WriteFile(source_ + "/file", "contents");
  }

  Command Backup() { return Volstream({"backup", source_, "--to", backups_}); }
  // Keeps `keep_last` backups.
  Command BackupToS3(const std::string& keep_last = "20") {
    return s3_.Volstream({"backup", source_, "--to", kUrl, "--keep-last", keep_last});
  }

  static constexpr char kUrl[] = "s3://bucket/p/";
  static constexpr char kLockKey[] = "p/volume.volstream-lock";
  TempDir directory_;
  const std::string source_ = directory_ / "volume";
  const std::string backups_ = directory_ / "backups";
  FakeS3 s3_;
};

TEST_F(LockTest, ASecondRunOfANameIsRefusedAndTheFirstEndsWell) {
  HeldRun held(Backup());
  const std::string pid = std::to_string(held.command().pid());
  ExpectOneError(Backup().Run(), kExitBusy, {"volume", backups_, "process " + pid, "since"});
  const CommandResult first = held.LetGo();
  EXPECT_EQ(first.exit_code, 0) << first;
  EXPECT_EQ(ArchivesIn(backups_).size(), 1u);
  EXPECT_EQ(LeftoversIn(backups_), std::vector<std::string>{});
  EXPECT_EQ(Backup().Run().exit_code, 0);
}

TEST_F(LockTest, AnotherNameAndAnotherDirectoryAreNotHeldUp) {
  HeldRun held(Backup());
  EXPECT_EQ(Backup().Arg("--name").Arg("other").Run().exit_code, 0);
  EXPECT_EQ(Volstream({"backup", source_, "--to", directory_ / "more"}).Run().exit_code, 0);
  EXPECT_EQ(held.LetGo().exit_code, 0);
}

TEST_F(LockTest, ASecondRunIsRefusedWhateverOtherDestinationsItHas) {
  HeldRun held(Backup());
  const std::string more = directory_ / "more";
  const CommandResult second = Backup().Arg("--to").Arg(more).Run();
  ExpectOneError(second, kExitBusy, {backups_});
  EXPECT_EQ(NamesIn(more), std::vector<std::string>{});
  EXPECT_EQ(held.LetGo().exit_code, 0);
}

TEST_F(LockTest, NoLockGoesOnBesideIt) {
  HeldRun held(Backup());
  EXPECT_EQ(Backup().Arg("--no-lock").Run().exit_code, 0);
  // The name that the first has chosen may be taken now: that is what the lock is for.
  held.LetGo();
  EXPECT_GE(ArchivesIn(backups_).size(), 1u);
}

TEST_F(LockTest, AKilledRunHoldsNobodyUp) {
  HeldRun held(Backup());
  held.Kill();
  const CommandResult next = Backup().Run();
  EXPECT_EQ(next.exit_code, 0) << next;
  EXPECT_EQ(LeftoversIn(backups_), std::vector<std::string>{});
}

TEST_F(LockTest, AnInterruptedRunLeavesNoLock) {
  HeldRun local(Backup());
  HeldRun remote(BackupToS3());
  local.command().Signal(SIGTERM);
  remote.command().Signal(SIGTERM);
  EXPECT_EQ(local.LetGo().exit_code, kExitInterrupted);
  EXPECT_EQ(remote.LetGo().exit_code, kExitInterrupted);
  EXPECT_EQ(NamesIn(backups_), std::vector<std::string>{});
  EXPECT_EQ(s3_.Keys(), std::vector<std::string>{});
}

TEST_F(LockTest, PruneWaitsForNobodyAndSaysWhoIsAtWork) {
  const std::string archive = BackUp(source_, backups_, {"--no-prune"});
  CopyAsBackupOf(archive, "20200101_120000");
  const std::string other = BackUp(source_, backups_, {"--no-prune", "--name", "other"});
  CopyAsBackupOf(other, "20200101_120000");
  HeldRun held(Backup());
  const CommandResult prune = Volstream({"prune", backups_, "--keep-last", "1"}).Run();
  ExpectOneError(prune, kExitBusy, {"another run is at work on volume"});
  // The other name was pruned all the same.
  EXPECT_EQ(ArchivesIn(backups_).size(), 3u) << prune;
  EXPECT_EQ(Volstream({"prune", backups_, "--keep-last", "1", "--dry-run"}).Run().exit_code, 0);
  EXPECT_EQ(held.LetGo().exit_code, 0);
}

TEST_F(LockTest, UnlockShowsTheHolderAndTakesNothingFromALivingRun) {
  HeldRun held(Backup());
  const CommandResult result = Volstream({"unlock", backups_}).Run();
  const std::string pid = "process " + std::to_string(held.command().pid());
  ExpectOneError(result, kExitBusy, {pid});
  const CommandResult first = held.LetGo();
  EXPECT_EQ(first.exit_code, 0) << first;
  EXPECT_NE(Volstream({"unlock", backups_}).Run().err.find("no locks"), std::string::npos);
}

TEST_F(LockTest, AtS3ASecondRunIsRefusedAndTheFirstEndsWell) {
  HeldRun held(BackupToS3());
  const std::string pid = std::to_string(held.command().pid());
  ExpectOneError(BackupToS3().Run(), kExitBusy,
                 {"volume", kUrl, "process " + pid, "until", "volstream unlock"});
  const CommandResult first = held.LetGo();
  EXPECT_EQ(first.exit_code, 0) << first;
  EXPECT_EQ(s3_.Keys().size(), 2u);
}

TEST_F(LockTest, AtS3AKilledRunHoldsUpNobodyOnItsMachine) {
  HeldRun held(BackupToS3());
  held.Kill();
  ASSERT_EQ(s3_.Keys(), std::vector<std::string>{kLockKey});
  const CommandResult next = BackupToS3().Run();
  EXPECT_EQ(next.exit_code, 0) << next;
  EXPECT_NE(next.err.find("took over the lock"), std::string::npos) << next;
  EXPECT_EQ(s3_.Keys().size(), 2u);
}

TEST_F(LockTest, AtS3UnlockFreesWhatADeadMachineHolds) {
  LockOwner owner = LockOwner::OfThisProcess(absl::Now(), absl::Hours(1));
  owner.host = "burnt-down";
  owner.process = "";
  s3_.PutObject(kLockKey, owner.ToJson());
  ExpectOneError(BackupToS3().Run(), kExitBusy, {"burnt-down"});
  const CommandResult unlock = s3_.Volstream({"unlock", kUrl, "--name", "volume"}).Run();
  EXPECT_EQ(unlock.exit_code, 0) << unlock;
  EXPECT_NE(unlock.err.find("burnt-down"), std::string::npos) << unlock;
  EXPECT_EQ(BackupToS3().Run().exit_code, 0);
}

TEST_F(LockTest, AtS3ARunWhoseLockWasTakenRemovesNothing) {
  ASSERT_EQ(BackupToS3().Run().exit_code, 0);
  const std::vector<std::string> older = s3_.Keys();
  HeldRun held(BackupToS3("1"));
  LockOwner other = LockOwner::OfThisProcess(absl::Now(), absl::Hours(1));
  other.process = "";
  s3_.PutObject(kLockKey, other.ToJson());
  const CommandResult result = held.LetGo();
  ExpectOneError(result, kExitBusy, {"the backup is proven, but no older one was removed"});
  EXPECT_EQ(s3_.Keys().size(), older.size() + 2 + 1) << result;
}

TEST_F(LockTest, AtS3AProviderThatRefusesConditionsIsWarnedOf) {
  Fault fault;
  fault.operation = S3Operation::kPutLock;
  fault.status = 501;
  fault.code = "NotImplemented";
  fault.times = 1;
  s3_.AddFault(fault);
  const CommandResult result = BackupToS3().Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_NE(result.err.find("best effort"), std::string::npos) << result;
}

TEST_F(LockTest, TheLockIsNoBackup) {
  HeldRun held(BackupToS3());
  const CommandResult list = s3_.Volstream({"list", kUrl, "--json"}).Run();
  EXPECT_EQ(list.exit_code, 0) << list;
  EXPECT_EQ(list.out, "[]\n");
  EXPECT_EQ(held.LetGo().exit_code, 0);
}

}  // namespace
}  // namespace volstream
