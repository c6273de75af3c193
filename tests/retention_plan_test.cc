// Retention: the pure plan, and the order in which it is carried out. Retention through the CLI is
// in retention_test.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "stages/retention.h"
#include "tests/support/fake_storage.h"

namespace volstream {
namespace {

// One backup of a stem for each letter: P proven, u unproven; the newest first, one a day.
std::vector<BackupInfo> Backups(std::string_view letters, const std::string& stem = "v") {
  std::vector<BackupInfo> backups;
  absl::Time time = absl::FromUnixSeconds(1'750'000'000);
  for (const char letter : letters) {
    BackupInfo backup;
    backup.parsed = ArchiveName{stem, time};
    backup.name = backup.parsed.ToString();
    backup.proven = letter == 'P';
    backups.push_back(backup);
    time -= absl::Hours(24);
  }
  return backups;
}

// The letters with those that go replaced by '-'.
std::string Kept(std::string_view letters, int keep_last) {
  const std::vector<BackupInfo> backups = Backups(letters);
  std::string kept(letters);
  for (const BackupInfo& removal : PlanRetention(backups, keep_last)) {
    for (size_t i = 0; i < backups.size(); ++i) {
      if (backups[i].name == removal.name) kept[i] = '-';
    }
  }
  return kept;
}

TEST(RetentionPlan, KeepsTheNewestProvenOnes) {
  EXPECT_EQ(Kept("PPPPP", 2), "PP---");
  EXPECT_EQ(Kept("PPPPP", 1), "P----");
}

TEST(RetentionPlan, KeepsAllWhenThereAreFewer) {
  EXPECT_EQ(Kept("PPP", 3), "PPP");
  EXPECT_EQ(Kept("PP", 100), "PP");
  EXPECT_EQ(Kept("", 1), "");
}

TEST(RetentionPlan, OfZeroKeepsEverything) { EXPECT_EQ(Kept("PuPuP", 0), "PuPuP"); }

TEST(RetentionPlan, OfANegativeCountKeepsEverything) { EXPECT_EQ(Kept("PPP", -1), "PPP"); }

TEST(RetentionPlan, NeverCountsUnprovenOnesAsKept) {
  EXPECT_EQ(Kept("uPuPP", 2), "uPuP-");
  EXPECT_EQ(Kept("uuuPP", 2), "uuuPP");
}

TEST(RetentionPlan, RemovesUnprovenOnesBehindEnoughProvenOnes) {
  EXPECT_EQ(Kept("PPuPu", 2), "PP---");
}

TEST(RetentionPlan, KeepsUnprovenOnesWhereTooFewAreProven) {
  EXPECT_EQ(Kept("uuuuu", 1), "uuuuu");
  EXPECT_EQ(Kept("Puu", 2), "Puu");
}

TEST(RetentionPlan, CountsEachStemByItself) {
  std::vector<BackupInfo> backups = Backups("PPP", "a");
  for (const BackupInfo& backup : Backups("PP", "b")) backups.push_back(backup);
  const std::vector<BackupInfo> removals = PlanRetention(backups, 2);
  ASSERT_EQ(removals.size(), 1u);
  EXPECT_EQ(removals[0].name, backups[2].name);
}

TEST(RetentionPlan, ListsRemovalsInTheOrderGiven) {
  const std::vector<BackupInfo> backups = Backups("PPPP");
  const std::vector<BackupInfo> removals = PlanRetention(backups, 1);
  ASSERT_EQ(removals.size(), 3u);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(removals[i].name, backups[i + 1].name);
}

class RetentionRun : public ::testing::Test {
 protected:
  void Store(const std::vector<BackupInfo>& backups) {
    for (const BackupInfo& backup : backups) {
      storage_.Set(backup.name, "archive");
      if (backup.proven) storage_.Set(ReceiptNameOf(backup.name), "receipt");
    }
  }

  FakeStorage storage_;
};

TEST_F(RetentionRun, RemovesAllReceiptsBeforeAnyArchive) {
  const std::vector<BackupInfo> backups = Backups("PP");
  Store(backups);
  ASSERT_TRUE(RemoveBackups(&storage_, backups).ok());
  EXPECT_EQ(storage_.log(),
            (std::vector<std::string>{"remove " + ReceiptNameOf(backups[0].name),
                                      "remove " + ReceiptNameOf(backups[1].name),
                                      "remove " + backups[0].name, "remove " + backups[1].name}));
}

TEST_F(RetentionRun, RemovesNoArchiveWhenAReceiptStays) {
  const std::vector<BackupInfo> backups = Backups("PP");
  Store(backups);
  storage_.faults.remove = absl::PermissionDeniedError("locked");
  EXPECT_EQ(RemoveBackups(&storage_, backups).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_TRUE(storage_.log().empty());
  EXPECT_EQ(storage_.objects().size(), 4u);
}

TEST_F(RetentionRun, RemovesWhatThePlanSaysAndReturnsIt) {
  const std::vector<BackupInfo> backups = Backups("PuPP");
  Store(backups);
  const absl::StatusOr<std::vector<BackupInfo>> removed =
      ApplyRetention(&storage_, "v", 2, /*dry_run=*/false);
  ASSERT_TRUE(removed.ok()) << removed.status();
  ASSERT_EQ(removed->size(), 1u);
  EXPECT_EQ(removed->at(0).name, backups[3].name);
  EXPECT_FALSE(storage_.objects().contains(backups[3].name));
  EXPECT_FALSE(storage_.objects().contains(ReceiptNameOf(backups[3].name)));
  EXPECT_EQ(storage_.objects().size(), 5u);
}

TEST_F(RetentionRun, RemovesNothingInADryRun) {
  Store(Backups("PPP"));
  const absl::StatusOr<std::vector<BackupInfo>> removed =
      ApplyRetention(&storage_, "v", 1, /*dry_run=*/true);
  ASSERT_TRUE(removed.ok()) << removed.status();
  EXPECT_EQ(removed->size(), 2u);
  EXPECT_EQ(storage_.objects().size(), 6u);
}

TEST_F(RetentionRun, TouchesNoOtherStemAndNothingForeign) {
  Store(Backups("PPP"));
  Store(Backups("PPP", "v_2"));
  storage_.Set("v_notes.tar.gz", "foreign");
  ASSERT_TRUE(ApplyRetention(&storage_, "v", 1, /*dry_run=*/false).ok());
  EXPECT_EQ(storage_.objects().size(), 2u + 6u + 1u);
}

TEST_F(RetentionRun, CoversEveryStemWhenNoneIsGiven) {
  Store(Backups("PP", "a"));
  Store(Backups("PP", "b"));
  const absl::StatusOr<std::vector<BackupInfo>> removed =
      ApplyRetention(&storage_, "", 1, /*dry_run=*/false);
  ASSERT_TRUE(removed.ok()) << removed.status();
  EXPECT_EQ(removed->size(), 2u);
  EXPECT_EQ(storage_.objects().size(), 4u);
}

TEST_F(RetentionRun, RemovesNothingWhenTheListingFails) {
  Store(Backups("PPP"));
  storage_.faults.list = absl::UnavailableError("HTTP 503");
  EXPECT_FALSE(ApplyRetention(&storage_, "v", 1, /*dry_run=*/false).ok());
  EXPECT_TRUE(storage_.log().empty());
}

TEST(PlanRetention, NeverTakesTheBackupJustMadeWhereverItsNameSorts) {
  // A clock that was ahead once left three names in the future; the new one sorts behind them.
  const std::vector<BackupInfo> backups = Backups("PPPP");
  EXPECT_EQ(PlanRetention(backups, 3).size(), 1u);
  EXPECT_TRUE(PlanRetention(backups, 3, backups[3].name).empty());
}

}  // namespace
}  // namespace volstream
