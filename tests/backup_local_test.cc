// `volstream backup` to directories, seen from outside: what it leaves on disk and what it says.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "engine/bytes.h"
#include "tests/support/archive.h"
#include "tests/support/cli.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

// A source of a few MiB, made once for all tests that only read it.
class BackupLocal : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = new TempDir();
    TreeOptions options;
    options.incompressible_bytes = 12 * kMiB;
    MakeTree(*shared_ / "volume", options);
  }
  static void TearDownTestSuite() { delete shared_; }

  static std::string Source() { return *shared_ / "volume"; }

  TempDir directory_;
  const std::string backups_ = directory_ / "backups";

  void SetUp() override { ASSERT_EQ(mkdir(backups_.c_str(), 0755), 0); }

 private:
  static inline TempDir* shared_ = nullptr;
};

TEST_F(BackupLocal, NamesTheArchiveAfterTheSourceAndTheTime) {
  BackUp(Source(), backups_);
  const std::vector<std::string> archives = ArchivesIn(backups_);
  ASSERT_EQ(archives.size(), 1u);
  EXPECT_EQ(NameOfArchive(archives[0]), "volume") << archives[0];
}

TEST_F(BackupLocal, TakesTheTimeInUtc) {
  const CommandResult result = Volstream({"backup", Source(), "--to", backups_})
                                   .Env("TZ", "Pacific/Kiritimati")  // UTC+14
                                   .Run();
  ASSERT_EQ(result.exit_code, 0) << result;
  const std::string name = ArchivesIn(backups_).at(0);
  absl::Time time;
  std::string error;
  ASSERT_TRUE(
      absl::ParseTime("volume_%E4Y%m%d_%H%M%S.tar.gz", name, absl::UTCTimeZone(), &time, &error))
      << name << ": " << error;
  EXPECT_LT(absl::AbsDuration(absl::Now() - time), absl::Minutes(5)) << name;
}

TEST_F(BackupLocal, TakesAnotherNameWhenTold) {
  const std::string archive = BackUp(Source(), backups_, {"--name", "other.name-1"});
  EXPECT_EQ(NameOfArchive(ArchivesIn(backups_).at(0)), "other.name-1") << archive;
}

TEST_F(BackupLocal, NamesASourceWrittenWithASlashTheSame) {
  BackUp(Source() + "/", backups_);
  EXPECT_EQ(NameOfArchive(ArchivesIn(backups_).at(0)), "volume");
}

TEST_F(BackupLocal, NamesTheCurrentDirectoryByItsRealName) {
  const CommandResult result = Volstream({"backup", ".", "--to", backups_}).Cwd(Source()).Run();
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(NameOfArchive(ArchivesIn(backups_).at(0)), "volume");
}

TEST_F(BackupLocal, LeavesTheArchiveAndItsReceiptAndNothingElse) {
  const std::string archive = BackUp(Source(), backups_);
  const std::string name = ArchivesIn(backups_).at(0);
  EXPECT_EQ(NamesIn(backups_), (std::vector<std::string>{name, name + ".receipt.json"})) << archive;
}

TEST_F(BackupLocal, ReceiptHoldsTheSizeAndTheMd5OfTheArchive) {
  const std::string archive = BackUp(Source(), backups_);
  const nlohmann::json receipt = ReceiptOf(archive);
  const std::string bytes = ReadFile(archive);
  EXPECT_EQ(receipt.value("archive", ""), ArchivesIn(backups_).at(0));
  EXPECT_EQ(receipt.value("bytes", 0u), bytes.size());
  EXPECT_EQ(receipt.value("md5", ""), Md5Hex(bytes));
}

// The part's size and the bytes give the ETag that S3 would have (S3's own is in backup_s3_test); a
// directory gives none.
TEST_F(BackupLocal, ReceiptHoldsThePartsOfTheArchive) {
  const std::string archive = BackUp(Source(), backups_, {"--part-size", "5MiB"});
  const nlohmann::json receipt = ReceiptOf(archive);
  EXPECT_EQ(receipt.value("part_bytes", 0u), 5 * kMiB);
  const size_t parts = (ReadFile(archive).size() + 5 * kMiB - 1) / (5 * kMiB);
  EXPECT_GE(parts, 3u);
  EXPECT_EQ(receipt.value("part_count", 0u), parts);
  EXPECT_EQ(receipt.value("etag", ""), "");
}

TEST_F(BackupLocal, ReceiptCountsTheEntriesAndTheBytesOfTheTar) {
  const std::string archive = BackUp(Source(), backups_);
  const nlohmann::json receipt = ReceiptOf(archive);
  const CommandResult list = Command({"tar", "tzf", archive}).Run();
  EXPECT_EQ(receipt.value("entries", 0u), LinesOf(list.out).size());
  EXPECT_EQ(receipt.value("entries", 0u), SnapshotTree(Source()).size());
  const CommandResult plain = Command({"gzip", "-dc", archive}).Run();
  EXPECT_EQ(receipt.value("tar_bytes", 0u), plain.out.size());
}

TEST_F(BackupLocal, ReceiptSaysWhatWasBackedUpAndWhen) {
  const std::string archive = BackUp(Source(), backups_);
  const nlohmann::json receipt = ReceiptOf(archive);
  EXPECT_EQ(receipt.value("source", ""), Source());
  EXPECT_TRUE(receipt.contains("warnings") && receipt["warnings"].empty()) << receipt;
  absl::Time started;
  absl::Time finished;
  std::string error;
  ASSERT_TRUE(absl::ParseTime(absl::RFC3339_full, receipt.value("started", ""), &started, &error))
      << error << receipt;
  ASSERT_TRUE(absl::ParseTime(absl::RFC3339_full, receipt.value("finished", ""), &finished, &error))
      << error << receipt;
  EXPECT_LE(started, finished);
  EXPECT_LT(absl::Now() - started, absl::Minutes(5));
}

// Deterministic members are what later makes differential uploads possible.
TEST_F(BackupLocal, GivesTheSameBytesForTheSameTreeWithAnyNumberOfWorkers) {
  const std::string one = BackUp(Source(), backups_, {"--name", "one", "--workers", "1"});
  const std::string four = BackUp(Source(), backups_, {"--name", "four", "--workers", "4"});
  EXPECT_EQ(Md5Hex(ReadFile(one)), Md5Hex(ReadFile(four)));
}

TEST_F(BackupLocal, BacksUpAnEmptyDirectory) {
  const std::string source = directory_ / "empty";
  ASSERT_EQ(mkdir(source.c_str(), 0755), 0);
  const std::string archive = BackUp(source, backups_);
  const CommandResult list = Command({"tar", "tzf", archive}).Run();
  EXPECT_EQ(list.exit_code, 0) << list;
  EXPECT_EQ(list.out, "./\n");
}

TEST_F(BackupLocal, WritesToSeveralDirectoriesAtOnce) {
  const std::string second = directory_ / "second";
  ASSERT_EQ(mkdir(second.c_str(), 0755), 0);
  const std::string archive = BackUp(Source(), backups_, {"--to", second});
  ASSERT_EQ(ArchivesIn(second), ArchivesIn(backups_));
  const std::string copy = second + "/" + ArchivesIn(second).at(0);
  EXPECT_EQ(Md5Hex(ReadFile(copy)), Md5Hex(ReadFile(archive)));
  EXPECT_EQ(ReceiptOf(copy).value("md5", ""), Md5Hex(ReadFile(archive)));
}

TEST_F(BackupLocal, DoesNotBackUpADestinationInsideTheSource) {
  const std::string source = directory_ / "source";
  MakeTree(source);
  const std::string inside = source + "/backups";
  ASSERT_EQ(mkdir(inside.c_str(), 0755), 0);
  const CommandResult result = Volstream({"backup", source, "--to", inside}).Run();
  // Either refused as a whole or left out of the archive: never an archive inside of itself.
  if (result.exit_code == 0) {
    const std::string archive = inside + "/" + ArchivesIn(inside).at(0);
    const CommandResult list = Command({"tar", "tzf", archive}).Run();
    EXPECT_EQ(list.out.find(".tar.gz"), std::string::npos) << list;
  } else {
    ExpectOneError(result, kExitGeneral, {inside});
    EXPECT_TRUE(NamesIn(inside).empty());
  }
}

// The budget holds for the buffers; the rest of the process gets 64 MiB.
TEST_F(BackupLocal, StaysWithinItsMemoryBudget) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers multiply memory";
#endif
  const std::string source = directory_ / "large";
  ASSERT_EQ(mkdir(source.c_str(), 0755), 0);
  WriteFile(source + "/random", RandomBytes(7, 96 * kMiB));
  WriteFile(source + "/zeros", "");
  ASSERT_EQ(truncate((source + "/zeros").c_str(), 200 * kMiB), 0);
  const CommandResult result =
      Volstream({"backup", source, "--to", backups_, "--memory", "64MiB", "--level", "1"}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_LT(result.peak_rss_bytes, 64 * kMiB + 64 * kMiB);
  EXPECT_GT(result.peak_rss_bytes, 8 * kMiB) << "nothing was measured";
}

TEST_F(BackupLocal, LogsLinesWithTimeAndLevel) {
  const CommandResult result = Volstream({"backup", Source(), "--to", backups_}).Run();
  EXPECT_EQ(result.out, "");
  constexpr size_t kStampBytes = std::string_view("2025-08-11 11:16:28").size();
  ASSERT_FALSE(LinesOf(result.err).empty());
  for (const std::string& line : LinesOf(result.err)) {
    absl::Time time;
    std::string error;
    EXPECT_TRUE(absl::ParseTime("%E4Y-%m-%d %H:%M:%S", line.substr(0, kStampBytes),
                                absl::UTCTimeZone(), &time, &error))
        << line << ": " << error;
    const std::string rest = line.substr(std::min(line.size(), kStampBytes));
    EXPECT_TRUE(rest.starts_with(" [INFO] ") || rest.starts_with(" [SUCCESS] ")) << line;
  }
  EXPECT_NE(result.err.find("[SUCCESS]"), std::string::npos) << result;
}

TEST_F(BackupLocal, PrintsNothingWhenQuiet) {
  const CommandResult result = Volstream({"backup", Source(), "--to", backups_, "--quiet"}).Run();
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out + result.err, "");
}

TEST_F(BackupLocal, LogsJsonLinesWhenTold) {
  const CommandResult result =
      Volstream({"backup", Source(), "--to", backups_, "--log-format", "json"}).Run();
  EXPECT_EQ(result.exit_code, 0);
  ASSERT_FALSE(LinesOf(result.err).empty());
  for (const std::string& text : LinesOf(result.err)) {
    const nlohmann::json line = nlohmann::json::parse(text, nullptr, false);
    EXPECT_TRUE(line.is_object() && line.contains("level") && line.contains("message")) << text;
  }
}

TEST_F(BackupLocal, ReportsItsStagesWhenTold) {
  const CommandResult result = Volstream({"backup", Source(), "--to", backups_, "--stats"}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  for (const char* word : {"compress", "part digest", "pipeline/limit", "kernels, a core",
                           "parts in flight", "bottleneck: "}) {
    EXPECT_NE((result.out + result.err).find(word), std::string::npos) << word << result;
  }
}

TEST_F(BackupLocal, TimesNoKernelsUnlessTold) {
  const CommandResult result = Volstream({"backup", Source(), "--to", backups_}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ((result.out + result.err).find("bottleneck"), std::string::npos) << result;
}

TEST_F(BackupLocal, ListShowsTheBackupsNewestFirst) {
  const std::string archive = BackUp(Source(), backups_);
  const std::string older = CopyAsBackupOf(archive, "20200101_000000");
  const CommandResult result = Volstream({"list", backups_}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  const size_t first = result.out.find(ReceiptOf(archive).value("archive", "?"));
  const size_t second = result.out.find(older);
  EXPECT_NE(first, std::string::npos) << result;
  EXPECT_NE(second, std::string::npos) << result;
  EXPECT_LT(first, second) << result;
}

TEST_F(BackupLocal, ListCallsAnArchiveWithoutAReceiptUnproven) {
  const std::string archive = BackUp(Source(), backups_);
  EXPECT_EQ(Volstream({"list", backups_}).Run().out.find("unproven"), std::string::npos);
  ASSERT_EQ(unlink((archive + ".receipt.json").c_str()), 0);
  const CommandResult result = Volstream({"list", backups_}).Run();
  EXPECT_NE(result.out.find("unproven"), std::string::npos) << result;
}

TEST_F(BackupLocal, ListSpeaksJson) {
  const std::string archive = BackUp(Source(), backups_);
  const CommandResult result = Volstream({"list", backups_, "--json"}).Run();
  const nlohmann::json list = nlohmann::json::parse(result.out, nullptr, false);
  ASSERT_FALSE(list.is_discarded()) << result;
  // The name and the size of the archive are in there as values, whatever the shape.
  const std::string text = list.dump();
  EXPECT_NE(text.find("\"" + ArchivesIn(backups_).at(0) + "\""), std::string::npos) << text;
  EXPECT_NE(text.find(std::to_string(ReadFile(archive).size())), std::string::npos) << text;
}

TEST_F(BackupLocal, ListOfAnEmptyDestinationIsEmptyAndNoError) {
  const CommandResult result = Volstream({"list", backups_, "--json"}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(result.out.find("tar.gz"), std::string::npos) << result;
}

}  // namespace
}  // namespace volstream
