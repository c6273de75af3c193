// What a person gets who asks for something that cannot work: one line with the remedy, the right
// exit code, and nothing half-written at the destination. S3's own cases are in backup_s3_test.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "engine/bytes.h"
#include "tests/support/archive.h"
#include "tests/support/cli.h"
#include "tests/support/guards.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

void MakeDirectory(const std::string& path, unsigned mode = 0755) {
  ASSERT_EQ(mkdir(path.c_str(), 0755), 0) << path;
  ASSERT_EQ(chmod(path.c_str(), mode), 0);
}

// As an ordinary user: root may read and write everything.
void AsOrdinaryUser(Command& command) {
  if (geteuid() == 0) command.RunAs(kNobody, kNobody);
}

class BadInput : public ::testing::Test {
 protected:
  void SetUp() override {
    MakeDirectory(source_);
    MakeDirectory(backups_, 0777);
    WriteFile(source_ + "/file", "contents");
  }

  // Nothing at all came to be.
  void ExpectNoTrace() { EXPECT_EQ(NamesIn(backups_), std::vector<std::string>{}); }

  TempDir directory_;
  const std::string source_ = directory_ / "source";
  const std::string backups_ = directory_ / "backups";
};

TEST_F(BadInput, ASourceBehindToIsNoDestination) {
  const CommandResult result = Volstream({"backup", "--to", backups_, source_}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(NamesIn(source_), std::vector<std::string>{"file"});
  EXPECT_EQ(ArchivesIn(backups_).size(), 1u);
}

TEST_F(BadInput, SourceThatIsNotThere) {
  const std::string missing = directory_ / "no-such-volume";
  ExpectOneError(Volstream({"backup", missing, "--to", backups_}).Run(), kExitSourceNotFound,
                 {missing});
  ExpectNoTrace();
}

TEST_F(BadInput, SourceThatIsAFile) {
  const std::string file = source_ + "/file";
  ExpectOneError(Volstream({"backup", file, "--to", backups_}).Run(), kExitSourceNotFound,
                 {file, "directory"});
  ExpectNoTrace();
}

TEST_F(BadInput, SourceThatMayNotBeRead) {
  ASSERT_EQ(chmod(source_.c_str(), geteuid() == 0 ? 0700 : 0), 0);
  Command command = Volstream({"backup", source_, "--to", backups_});
  AsOrdinaryUser(command);
  ExpectOneError(command.Run(), kExitSourceNotFound, {source_, "permission"});
  ExpectNoTrace();
}

TEST_F(BadInput, FilesThatMayNotBeReadAreLeftOutAndSaid) {
  MakeDirectory(source_ + "/locked", 0700);
  WriteFile(source_ + "/locked/inner", "secret");
  WriteFile(source_ + "/secret", "secret", 0600);
  if (geteuid() != 0) {
    ASSERT_EQ(chmod((source_ + "/secret").c_str(), 0), 0);
    ASSERT_EQ(chmod((source_ + "/locked").c_str(), 0), 0);
  }
  Command command = Volstream({"backup", source_, "--to", backups_});
  AsOrdinaryUser(command);
  const CommandResult result = command.Run();
  EXPECT_EQ(result.exit_code, kExitPartial) << result;
  EXPECT_NE(result.err.find("[WARNING]"), std::string::npos) << result;
  EXPECT_NE(result.err.find("secret"), std::string::npos) << result;
  EXPECT_NE(result.err.find("locked"), std::string::npos) << result;
  ASSERT_EQ(ArchivesIn(backups_).size(), 1u) << result;
  const std::string archive = backups_ + "/" + ArchivesIn(backups_)[0];
  EXPECT_GE(ReceiptOf(archive)["warnings"].size(), 2u) << ReceiptOf(archive);
  const CommandResult list = Command({"tar", "tzf", archive}).Run();
  EXPECT_EQ(list.exit_code, 0) << list;
  EXPECT_NE(list.out.find("./file\n"), std::string::npos) << list;
  EXPECT_EQ(list.out.find("inner"), std::string::npos) << list;
}

TEST_F(BadInput, DestinationThatIsAFile) {
  const std::string file = directory_ / "file";
  WriteFile(file, "mine");
  ExpectOneError(Volstream({"backup", source_, "--to", file}).Run(), kExitGeneral,
                 {file, "directory"});
  EXPECT_EQ(ReadFile(file), "mine");
}

TEST_F(BadInput, DestinationUnderAFile) {
  WriteFile(directory_ / "file", "mine");
  const std::string under = directory_ / "file/backups";
  ExpectOneError(Volstream({"backup", source_, "--to", under}).Run(), kExitGeneral, {under});
}

TEST_F(BadInput, DestinationThatMayNotBeWritten) {
  const std::string locked = directory_ / "locked";
  MakeDirectory(locked, 0555);
  Command command = Volstream({"backup", source_, "--to", locked});
  AsOrdinaryUser(command);
  ExpectOneError(command.Run(), kExitGeneral, {locked, "permission"});
  EXPECT_TRUE(NamesIn(locked).empty());
}

TEST_F(BadInput, DiskFullAtTheDestination) {
  WriteFile(source_ + "/random", RandomBytes(3, 16 * kMiB));
  const std::string small = directory_ / "small";
  MakeDirectory(small);
  const Mount disk(small);
  Command command = Volstream({"backup", source_, "--to", small});
  // Stands in for it where mounting is not allowed.
  if (!disk.mounted()) command.LimitFileSize(4 * kMiB);
  ExpectOneError(command.Run(), kExitGeneral, {small, disk.mounted() ? "space" : "file"});
  EXPECT_EQ(NamesIn(small), std::vector<std::string>{});
}

TEST_F(BadInput, DiskFullLeavesOlderBackupsAlone) {
  const std::string archive = BackUp(source_, backups_);
  CopyAsBackupOf(archive, "20200101_000000");
  const Tree before = SnapshotTree(backups_);
  WriteFile(source_ + "/random", RandomBytes(3, 16 * kMiB));
  const CommandResult result = Volstream({"backup", source_, "--to", backups_, "--keep-last", "1"})
                                   .LimitFileSize(4 * kMiB)
                                   .Run();
  ExpectOneError(result, kExitGeneral, {backups_});
  Tree after = SnapshotTree(backups_);
  after["."].mtime_ns = before.at(".").mtime_ns;
  EXPECT_EQ(DiffTrees(before, after), "");
}

TEST_F(BadInput, OneOfTwoDestinationsFullIsAPartialSuccess) {
  WriteFile(source_ + "/random", RandomBytes(3, 16 * kMiB));
  const std::string small = directory_ / "small";
  MakeDirectory(small);
  const Mount disk(small);
  if (!disk.mounted()) GTEST_SKIP() << "needs a file system of its own; s3_fault_test has a like";
  const CommandResult result =
      Volstream({"backup", source_, "--to", backups_, "--to", small}).Run();
  EXPECT_EQ(result.exit_code, kExitPartial) << result;
  EXPECT_NE(result.err.find(small), std::string::npos) << result;
  EXPECT_EQ(NamesIn(small), std::vector<std::string>{});
  ASSERT_EQ(ArchivesIn(backups_).size(), 1u);
  const std::string archive = backups_ + "/" + ArchivesIn(backups_)[0];
  EXPECT_EQ(ReceiptOf(archive).value("md5", ""), Md5Hex(ReadFile(archive)));
  EXPECT_EQ(LeftoversIn(backups_), std::vector<std::string>{});
}

TEST_F(BadInput, OneOfTwoDestinationsFullStopsAllWhenTold) {
  WriteFile(source_ + "/random", RandomBytes(3, 16 * kMiB));
  const std::string small = directory_ / "small";
  MakeDirectory(small);
  const Mount disk(small);
  if (!disk.mounted()) GTEST_SKIP() << "needs a file system of its own; s3_fault_test has a like";
  const CommandResult result =
      Volstream({"backup", source_, "--to", backups_, "--to", small, "--on-sink-failure", "stop"})
          .Run();
  EXPECT_EQ(result.exit_code, kExitGeneral) << result;
  EXPECT_EQ(NamesIn(small), std::vector<std::string>{});
  ExpectNoTrace();
}

TEST_F(BadInput, UsageErrorsAreGeneralErrors) {
  const std::vector<std::vector<std::string>> commands = {
      {},
      {"frobnicate"},
      {"backup"},
      {"backup", source_},
      {"backup", source_, "--to"},
      {"backup", source_, "--to", backups_, "--no-such-option"},
      {"backup", source_, "--to", backups_, "--level", "0"},
      {"backup", source_, "--to", backups_, "--level", "13"},
      {"backup", source_, "--to", backups_, "--level", "six"},
      {"backup", source_, "--to", backups_, "--memory", "1KiB"},
      {"backup", source_, "--to", backups_, "--memory", "-5"},
      {"backup", source_, "--to", backups_, "--memory", "lots"},
      {"backup", source_, "--to", backups_, "--workers", "0"},
      {"backup", source_, "--to", backups_, "--part-size", "1MiB"},
      {"backup", source_, "--to", backups_, "--part-size", "6GiB"},
      {"backup", source_, "--to", backups_, "--keep-last", "-1"},
      {"backup", source_, "--to", backups_, "--on-sink-failure", "shrug"},
      {"backup", source_, "--to", backups_, "--log-format", "xml"},
      {"list"},
      {"restore", "only-one"},
  };
  for (const std::vector<std::string>& args : commands) {
    const CommandResult result = Volstream(args).Run();
    std::string text = "volstream";
    for (const std::string& arg : args) text += " " + arg;
    EXPECT_EQ(result.exit_code, kExitGeneral) << text << "\n" << result;
    EXPECT_EQ(result.out, "") << text;
    EXPECT_NE(result.err, "") << text;
    ExpectNoTrace();
  }
}

// What a name may not hold is replaced; in no case is anything written beside the destination.
TEST_F(BadInput, ANameDoesNotLeadOutOfTheDestination) {
  for (const char* name : {"../up", "a/b", "/etc/passwd", "", "..", "new\nline", "-dash"}) {
    const CommandResult result =
        Volstream({"backup", source_, "--to", backups_, std::string("--name=") + name}).Run();
    const bool refused = result.exit_code == kExitGeneral;
    EXPECT_TRUE(refused || result.exit_code == 0) << name << "\n" << result;
  }
  EXPECT_EQ(NamesIn(directory_.path()), (std::vector<std::string>{"backups", "source"}));
  EXPECT_EQ(LeftoversIn(backups_), std::vector<std::string>{});
  for (const std::string& archive : ArchivesIn(backups_)) EXPECT_NE(NameOfArchive(archive), "");
}

TEST_F(BadInput, TheSameDestinationTwiceIsRefused) {
  const CommandResult result =
      Volstream({"backup", source_, "--to", backups_, "--to", backups_ + "/"}).Run();
  ExpectOneError(result, kExitGeneral, {backups_});
  ExpectNoTrace();
}

TEST_F(BadInput, RetentionFromTheEnvironmentMustBeANumber) {
  const CommandResult result =
      Volstream({"backup", source_, "--to", backups_}).Env("BACKUP_RETENTION_LOCAL", "many").Run();
  ExpectOneError(result, kExitGeneral, {"BACKUP_RETENTION_LOCAL"});
  ExpectNoTrace();
}

TEST_F(BadInput, ListOfADirectoryThatIsNotThere) {
  const std::string missing = directory_ / "nowhere";
  ExpectOneError(Volstream({"list", missing}).Run(), kExitGeneral, {missing});
}

TEST(Help, NamesEveryOptionOfBackup) {
  const CommandResult result = Volstream({"backup", "--help"}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  for (const char* word : {"SOURCE",
                           "--to",
                           "--name",
                           "--level",
                           "--memory",
                           "--workers",
                           "--part-size",
                           "--keep-last",
                           "--no-prune",
                           "--on-sink-failure",
                           "--endpoint-url",
                           "--region",
                           "--profile",
                           "--connections",
                           "--retries",
                           "--stall-timeout",
                           "--connect-timeout",
                           "--ca-file",
                           "--quiet",
                           "--no-progress",
                           "--log-format",
                           "--stats",
                           "AWS_ACCESS_KEY_ID",
                           "AWS_SECRET_ACCESS_KEY",
                           "AWS_ENDPOINT_URL",
                           "AWS_REGION",
                           "BACKUP_RETENTION_LOCAL",
                           "BACKUP_RETENTION_S3"}) {
    EXPECT_NE(result.out.find(word), std::string::npos) << word << "\n" << result;
  }
}

TEST(Help, NamesTheCommandsAndTheExitCodes) {
  const CommandResult result = Volstream({"--help"}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  for (const char* word :
       {"backup", "restore", "list", "prune", "0 success", "1 general", "2 prerequisite",
        "3 source", "4 S3", "5 integrity", "6 partial", "130 interrupted"}) {
    EXPECT_NE(result.out.find(word), std::string::npos) << word << "\n" << result;
  }
}

TEST(Help, VersionIsOneLineOnStdout) {
  const CommandResult result = Volstream({"--version"}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  ASSERT_EQ(LinesOf(result.out).size(), 1u) << result;
  EXPECT_NE(result.out.find("0.1.0"), std::string::npos) << result;
}

TEST_F(BadInput, KeysInAnS3UrlAreRefusedAndNotRepeated) {
  const CommandResult result =
      Volstream({"backup", source_, "--to", "s3://EXAMPLEKEY:examplesecret@bucket/p/"}).Run();
  ExpectOneError(result, kExitS3, {"AWS_SECRET_ACCESS_KEY"});
  EXPECT_EQ(result.err.find("examplesecret"), std::string::npos) << result;
}

TEST_F(BadInput, ARelativeDestinationInsideTheSourceIsRefused) {
  ExpectOneError(Volstream({"backup", ".", "--to", "inside"}).Cwd(source_).Run(), kExitGeneral,
                 {"inside"});
  EXPECT_FALSE(std::filesystem::exists(source_ + "/inside"));
}

}  // namespace
}  // namespace volstream
