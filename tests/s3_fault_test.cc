// What happens when S3 misbehaves in the middle of a backup, with a fake that does so on demand
// (tests/support/fake_s3.h). After every failure: the right exit code, one clear line, no object,
// no open upload, and the older backups as they were.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "engine/bytes.h"
#include "tests/support/archive.h"
#include "tests/support/cli.h"
#include "tests/support/fake_s3.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

constexpr char kOlder[] = "p/volume_20200101_120000.tar.gz";

class S3Fault : public ::testing::Test {
 protected:
  // 17 MiB that do not shrink: four parts of 5 MiB.
  static void SetUpTestSuite() {
    shared_ = new TempDir();
    ASSERT_EQ(mkdir((*shared_ / "volume").c_str(), 0755), 0);
    WriteFile(*shared_ / "volume/random", RandomBytes(2, 17 * kMiB));
    ASSERT_EQ(mkdir((*shared_ / "small").c_str(), 0755), 0);
    WriteFile(*shared_ / "small/file", "contents");
  }
  static void TearDownTestSuite() { delete shared_; }

  void SetUp() override {
    s3_.PutObject(kOlder, "an older backup");
    s3_.PutObject(std::string(kOlder) + ".receipt.json", "{}");
    ASSERT_EQ(mkdir(local_.c_str(), 0755), 0);
  }

  static std::string Source() { return *shared_ / "volume"; }
  static std::string Small() { return *shared_ / "small"; }

  // A backup that would prune the older one if it thought that it had succeeded.
  Command Backup(std::vector<std::string> extra = {}, const std::string& tries = "2") {
    Command command =
        s3_.Volstream({"backup", Source(), "--to", "s3://bucket/p/", "--part-size", "5MiB",
                       "--keep-last", "1", "--retries", tries, "--retry-for", "0"});
    for (std::string& arg : extra) command.Arg(std::move(arg));
    return command;
  }

  void AddFault(S3Operation operation, FaultAction action, int part_number = 0,
                int times = Fault::kAlways) {
    Fault fault;
    fault.operation = operation;
    fault.action = action;
    fault.part_number = part_number;
    fault.times = times;
    s3_.AddFault(fault);
  }

  // Only the older backup is there, and no secret was told.
  void ExpectNoTrace(const CommandResult& result) {
    EXPECT_EQ(s3_.Keys(), (std::vector<std::string>{kOlder, std::string(kOlder) + ".receipt.json"}))
        << result;
    EXPECT_TRUE(s3_.OpenUploads().empty()) << result;
    EXPECT_EQ((result.out + result.err).find(FakeS3::kSecretKey), std::string::npos) << result;
  }

  void ExpectFailure(const CommandResult& result, int exit_code,
                     const std::vector<std::string>& words) {
    ExpectOneError(result, exit_code, words);
    ExpectNoTrace(result);
  }

  // One proven archive; the older one was pruned.
  void ExpectSuccess(const CommandResult& result) {
    EXPECT_EQ(result.exit_code, 0) << result;
    const std::vector<std::string> keys = s3_.Keys();
    ASSERT_EQ(keys.size(), 2u) << result;
    EXPECT_EQ(keys[1], keys[0] + ".receipt.json");
    EXPECT_NE(keys[0], kOlder);
    const nlohmann::json receipt = nlohmann::json::parse(s3_.Objects().at(keys[1]));
    EXPECT_EQ(receipt.value("md5", ""), Md5Hex(s3_.Objects().at(keys[0])));
    EXPECT_TRUE(s3_.OpenUploads().empty());
  }

  static inline TempDir* shared_ = nullptr;
  FakeS3 s3_;
  TempDir directory_;
  const std::string local_ = directory_ / "local";
};

TEST_F(S3Fault, WithoutAnyFaultItSucceeds) { ExpectSuccess(Backup().Run()); }

TEST_F(S3Fault, OnePartRefusedOnceIsSentAgain) {
  AddFault(S3Operation::kUploadPart, FaultAction::kStatus, 2, 1);
  ExpectSuccess(Backup().Run());
  EXPECT_EQ(s3_.Count(S3Operation::kUploadPart), 5);
}

TEST_F(S3Fault, EveryPartRefusedOnceIsSentAgain) {
  for (int part = 1; part <= 4; ++part) {
    AddFault(S3Operation::kUploadPart, FaultAction::kStatus, part, 1);
  }
  ExpectSuccess(Backup().Run());
}

TEST_F(S3Fault, OnePartRefusedAlwaysFailsTheRun) {
  AddFault(S3Operation::kUploadPart, FaultAction::kStatus, 3);
  ExpectFailure(Backup().Run(), kExitS3, {"part 3", "503"});
}

TEST_F(S3Fault, TriesAsOftenAsTold) {
  AddFault(S3Operation::kUploadPart, FaultAction::kStatus, 3);
  const CommandResult result = Backup({}, "3").Run();
  int tries = 0;
  for (const FakeS3::Request& request : s3_.Requests()) {
    tries += request.operation == S3Operation::kUploadPart && request.part_number == 3 ? 1 : 0;
  }
  EXPECT_EQ(tries, 3) << result;
}

TEST_F(S3Fault, ARefusalForGoodIsNotTriedAgain) {
  Fault fault;
  fault.operation = S3Operation::kUploadPart;
  fault.part_number = 1;
  fault.status = 403;
  fault.code = "AccessDenied";
  s3_.AddFault(fault);
  ExpectFailure(Backup().Run(), kExitS3, {"403"});
  int tries = 0;
  for (const FakeS3::Request& request : s3_.Requests()) {
    tries += request.operation == S3Operation::kUploadPart && request.part_number == 1 ? 1 : 0;
  }
  EXPECT_EQ(tries, 1);
}

TEST_F(S3Fault, AResetInMidBodyIsSentAgain) {
  AddFault(S3Operation::kUploadPart, FaultAction::kResetInBody, 2, 1);
  ExpectSuccess(Backup().Run());
}

TEST_F(S3Fault, AResetInMidBodyOfEveryTryFailsTheRun) {
  AddFault(S3Operation::kUploadPart, FaultAction::kResetInBody, 2);
  ExpectFailure(Backup().Run(), kExitS3, {"part 2"});
}

TEST_F(S3Fault, AConnectionClosedWithoutAnAnswerIsTriedAgain) {
  AddFault(S3Operation::kUploadPart, FaultAction::kClose, 1, 1);
  ExpectSuccess(Backup().Run());
}

TEST_F(S3Fault, AFailedCreationIsTriedAgain) {
  AddFault(S3Operation::kCreateMultipartUpload, FaultAction::kStatus, 0, 1);
  ExpectSuccess(Backup().Run());
}

TEST_F(S3Fault, ACreationThatFailsAlwaysFailsTheRun) {
  AddFault(S3Operation::kCreateMultipartUpload, FaultAction::kStatus);
  ExpectFailure(Backup().Run(), kExitS3, {"503"});
}

TEST_F(S3Fault, AnErrorInsideTheAnswerToCompleteIsTriedAgain) {
  AddFault(S3Operation::kCompleteMultipartUpload, FaultAction::kErrorIn200, 0, 1);
  ExpectSuccess(Backup().Run());
}

TEST_F(S3Fault, AnErrorInsideEveryAnswerToCompleteFailsTheRun) {
  AddFault(S3Operation::kCompleteMultipartUpload, FaultAction::kErrorIn200);
  ExpectFailure(Backup().Run(), kExitS3, {"SlowDown"});
}

// The answer is lost, the work is done: the second try finds no upload, but the object is there.
TEST_F(S3Fault, ALostAnswerToCompleteIsNoFailure) {
  Fault fault;
  fault.operation = S3Operation::kCompleteMultipartUpload;
  fault.action = FaultAction::kLoseAnswer;
  fault.times = 1;
  s3_.AddFault(fault);
  ExpectSuccess(Backup().Run());
}

TEST_F(S3Fault, AWrongEtagOfOnePartFailsTheRun) {
  AddFault(S3Operation::kUploadPart, FaultAction::kWrongEtag, 2);
  ExpectFailure(Backup().Run(), kExitIntegrity, {"part 2", "differ"});
}

// Providers differ in what they say there; what HEAD says of the finished object decides.
TEST_F(S3Fault, AWrongEtagAtCompleteIsLeftToHead) {
  AddFault(S3Operation::kCompleteMultipartUpload, FaultAction::kWrongEtag);
  ExpectSuccess(Backup().Run());
}

TEST_F(S3Fault, AWrongEtagOfTheFinishedObjectFailsTheRun) {
  AddFault(S3Operation::kHeadObject, FaultAction::kWrongEtag);
  ExpectFailure(Backup().Run(), kExitIntegrity, {"ETag"});
}

TEST_F(S3Fault, NoEtagAtCompleteIsLeftToHead) {
  AddFault(S3Operation::kCompleteMultipartUpload, FaultAction::kNoEtag);
  ExpectSuccess(Backup().Run());
  EXPECT_GE(s3_.Count(S3Operation::kHeadObject), 1);
}

TEST_F(S3Fault, AnObjectThatIsNotThereAfterCompleteFailsTheRun) {
  AddFault(S3Operation::kCompleteMultipartUpload, FaultAction::kLoseObject);
  const CommandResult result = Backup().Run();
  EXPECT_TRUE(result.exit_code == kExitIntegrity || result.exit_code == kExitS3) << result;
  ExpectNoTrace(result);
}

TEST_F(S3Fault, AWrongEtagOfASinglePutFailsTheRun) {
  Fault fault;
  fault.operation = S3Operation::kPutObject;
  fault.action = FaultAction::kWrongEtag;
  fault.key_suffix = ".tar.gz";
  s3_.AddFault(fault);
  const CommandResult result = s3_.Volstream({"backup", Small(), "--to", "s3://bucket/p/",
                                              "--retries", "2", "--retry-for", "0"})
                                   .Run();
  ExpectFailure(result, kExitIntegrity, {"differ"});
}

TEST_F(S3Fault, ASinglePutRefusedOnceIsSentAgain) {
  AddFault(S3Operation::kPutObject, FaultAction::kStatus, 0, 1);
  const CommandResult result = s3_.Volstream({"backup", Small(), "--to", "s3://bucket/p/"}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
}

// Without its receipt an archive is not proven: the run failed, and nothing was pruned.
TEST_F(S3Fault, AReceiptThatCannotBeWrittenFailsTheRun) {
  Fault fault;
  fault.operation = S3Operation::kPutObject;
  fault.key_suffix = ".receipt.json";
  s3_.AddFault(fault);
  const CommandResult result = Backup().Run();
  ExpectOneError(result, kExitS3, {"503"});
  EXPECT_TRUE(s3_.Objects().contains(kOlder)) << result;
  EXPECT_TRUE(s3_.Objects().contains(std::string(kOlder) + ".receipt.json")) << result;
}

TEST_F(S3Fault, AStallIsCutAndTriedAgain) {
  AddFault(S3Operation::kUploadPart, FaultAction::kHang, 2, 1);
  ExpectSuccess(Backup({"--stall-timeout", "1"}).Run());
}

TEST_F(S3Fault, AStallOfEveryTryFailsTheRun) {
  AddFault(S3Operation::kUploadPart, FaultAction::kHang, 2);
  const CommandResult result = Backup({"--stall-timeout", "1"}, "1").Run();
  ExpectFailure(result, kExitS3, {"part 2"});
  EXPECT_LT(result.seconds, 15);
}

// With one connection, part 2 goes over the one that part 1 has used.
TEST_F(S3Fault, AStallOnAReusedConnectionIsNotCalledAFailureToConnect) {
  AddFault(S3Operation::kUploadPart, FaultAction::kHang, 2);
  const CommandResult result = Backup({"--stall-timeout", "1", "--connections", "1"}, "1").Run();
  ExpectFailure(result, kExitS3, {"part 2", "stalled"});
}

TEST_F(S3Fault, CtrlCAbortsTheUpload) {
  AddFault(S3Operation::kUploadPart, FaultAction::kHang, 2);
  Command command = Backup();
  command.Start();
  ASSERT_TRUE(s3_.WaitUntilHanging(1));
  command.Signal(SIGINT);
  const CommandResult result = command.Wait();
  EXPECT_EQ(result.exit_code, kExitInterrupted) << result;
  EXPECT_LT(result.seconds, 10) << result;
  ExpectNoTrace(result);
}

TEST_F(S3Fault, SigtermAbortsTheUploadAsWell) {
  AddFault(S3Operation::kUploadPart, FaultAction::kHang, 2);
  Command command = Backup();
  command.Start();
  ASSERT_TRUE(s3_.WaitUntilHanging(1));
  command.Signal(SIGTERM);
  const CommandResult result = command.Wait();
  EXPECT_EQ(result.exit_code, kExitInterrupted) << result;
  ExpectNoTrace(result);
}

TEST_F(S3Fault, CtrlCLeavesNothingInTheLocalDestination) {
  AddFault(S3Operation::kUploadPart, FaultAction::kHang);
  Command command = Backup({"--to", local_});
  command.Start();
  ASSERT_TRUE(s3_.WaitUntilHanging(1));
  command.Signal(SIGINT);
  const CommandResult result = command.Wait();
  EXPECT_EQ(result.exit_code, kExitInterrupted) << result;
  EXPECT_EQ(NamesIn(local_), std::vector<std::string>{});
  ExpectNoTrace(result);
}

TEST_F(S3Fault, WhatAKilledRunLeftLocallyIsGoneAfterTheNext) {
  AddFault(S3Operation::kUploadPart, FaultAction::kHang, 0, 1);
  Command command = Backup({"--to", local_});
  command.Start();
  ASSERT_TRUE(s3_.WaitUntilHanging(1));
  command.Signal(SIGKILL);
  EXPECT_EQ(command.Wait().signal, SIGKILL);
  // What is left is no archive, whatever else it is.
  EXPECT_EQ(ArchivesIn(local_), std::vector<std::string>{});
  const CommandResult next = Volstream({"backup", Source(), "--to", local_}).Run();
  EXPECT_EQ(next.exit_code, 0) << next;
  EXPECT_EQ(ArchivesIn(local_).size(), 1u);
  EXPECT_EQ(LeftoversIn(local_), std::vector<std::string>{}) << next;
}

TEST_F(S3Fault, OldUploadsOfDeadRunsAreAbortedByTheNext) {
  const absl::Time long_ago = absl::Now() - absl::Hours(24 * 30);
  s3_.AddUpload("p/volume_20200102_120000.tar.gz", long_ago);
  s3_.AddUpload("p/foreign-file", long_ago);
  s3_.AddUpload("q/volume_20200102_120000.tar.gz", long_ago);
  s3_.AddUpload("p/volume_20991231_235959.tar.gz", absl::Now());
  EXPECT_EQ(Backup().Run().exit_code, 0);
  std::vector<std::string> left;
  for (const FakeS3::Upload& upload : s3_.OpenUploads()) left.push_back(upload.key);
  EXPECT_EQ(left, (std::vector<std::string>{"p/foreign-file", "q/volume_20200102_120000.tar.gz",
                                            "p/volume_20991231_235959.tar.gz"}));
}

TEST_F(S3Fault, OneDeadDestinationOfTwoIsAPartialSuccess) {
  AddFault(S3Operation::kUploadPart, FaultAction::kStatus, 3);
  const CommandResult result = Backup({"--to", local_}).Run();
  EXPECT_EQ(result.exit_code, kExitPartial) << result;
  EXPECT_NE(result.err.find("s3://bucket/p/"), std::string::npos) << result;
  ExpectNoTrace(result);
  ASSERT_EQ(ArchivesIn(local_).size(), 1u) << result;
  const std::string archive = local_ + "/" + ArchivesIn(local_)[0];
  EXPECT_EQ(ReceiptOf(archive).value("md5", ""), Md5Hex(ReadFile(archive)));
  EXPECT_EQ(LeftoversIn(local_), std::vector<std::string>{});
}

TEST_F(S3Fault, OneDeadDestinationOfTwoStopsAllWhenTold) {
  AddFault(S3Operation::kUploadPart, FaultAction::kStatus, 3);
  const CommandResult result = Backup({"--to", local_, "--on-sink-failure", "stop"}).Run();
  EXPECT_EQ(result.exit_code, kExitS3) << result;
  EXPECT_EQ(NamesIn(local_), std::vector<std::string>{}) << result;
  ExpectNoTrace(result);
}

// A source larger than the budget cannot be held until the slow destination comes round.
TEST_F(S3Fault, ADestinationThatDiesLateDoesNotHoldUpTheOther) {
  AddFault(S3Operation::kUploadPart, FaultAction::kHang, 1);
  const CommandResult result =
      Backup({"--to", local_, "--stall-timeout", "1", "--memory", "32MiB"}, "1").Run();
  EXPECT_EQ(result.exit_code, kExitPartial) << result;
  ExpectNoTrace(result);
  EXPECT_EQ(ArchivesIn(local_).size(), 1u) << result;
}

TEST_F(S3Fault, AFailedDeletionOfOldBackupsDoesNotUndoTheNewOne) {
  AddFault(S3Operation::kDeleteObjects, FaultAction::kStatus);
  AddFault(S3Operation::kDeleteObject, FaultAction::kStatus);
  const CommandResult result = Backup().Run();
  EXPECT_NE(result.err.find("503"), std::string::npos) << result;
  EXPECT_EQ(s3_.Keys().size(), 4u) << result;
}

TEST_F(S3Fault, RestoreReadsOnAfterARefusal) {
  ASSERT_EQ(Backup().Run().exit_code, 0);
  AddFault(S3Operation::kGetObject, FaultAction::kStatus, 0, 1);
  const std::string target = directory_ / "target";
  const CommandResult result = s3_.Volstream({"restore", "s3://bucket/p/latest", target}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(DiffTrees(SnapshotTree(Source()), SnapshotTree(target)), "");
}

}  // namespace
}  // namespace volstream
