// Catalog: which backups a listing shows.
#include "stages/catalog.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "stages/error_kind.h"
#include "tests/support/fake_storage.h"

namespace volstream {
namespace {

std::vector<std::string> NamesOf(const std::vector<BackupInfo>& backups) {
  std::vector<std::string> names;
  for (const BackupInfo& backup : backups) names.push_back(backup.name);
  return names;
}

class Catalog : public ::testing::Test {
 protected:
  // Adds an archive of this stem and stamp.
  void Add(const std::string& stem, const std::string& stamp, bool proven) {
    const std::string name = stem + "_" + stamp + ".tar.gz";
    storage_.Set(name, "archive");
    if (proven) storage_.Set(ReceiptNameOf(name), "receipt");
  }

  std::vector<std::string> Names(std::string_view stem) {
    const absl::StatusOr<std::vector<BackupInfo>> backups = ListBackups(&storage_, stem);
    EXPECT_TRUE(backups.ok()) << backups.status();
    return backups.ok() ? NamesOf(*backups) : std::vector<std::string>();
  }

  FakeStorage storage_;
};

TEST_F(Catalog, OfNothingIsEmpty) { EXPECT_TRUE(Names("").empty()); }

TEST_F(Catalog, ListsTheNewestFirst) {
  Add("v", "20250101_000000", true);
  Add("v", "20250301_000000", false);
  Add("v", "20241231_235959", true);
  EXPECT_EQ(Names("v"),
            (std::vector<std::string>{"v_20250301_000000.tar.gz", "v_20250101_000000.tar.gz",
                                      "v_20241231_235959.tar.gz"}));
}

TEST_F(Catalog, OrdersStemsByTimeTogether) {
  Add("a", "20250102_000000", true);
  Add("b", "20250101_000000", true);
  Add("b", "20250103_000000", true);
  EXPECT_EQ(Names(""),
            (std::vector<std::string>{"b_20250103_000000.tar.gz", "a_20250102_000000.tar.gz",
                                      "b_20250101_000000.tar.gz"}));
}

TEST_F(Catalog, ListsOneStemOnly) {
  Add("v", "20250101_000000", true);
  Add("v_2", "20250102_000000", true);
  Add("v_20250101_000000", "20250103_000000", true);
  Add("vv", "20250104_000000", true);
  EXPECT_EQ(Names("v"), std::vector<std::string>{"v_20250101_000000.tar.gz"});
}

TEST_F(Catalog, SaysWhichAreProven) {
  Add("v", "20250101_000000", true);
  Add("v", "20250102_000000", false);
  const absl::StatusOr<std::vector<BackupInfo>> backups = ListBackups(&storage_, "v");
  ASSERT_TRUE(backups.ok() && backups->size() == 2);
  EXPECT_FALSE(backups->at(0).proven);
  EXPECT_TRUE(backups->at(1).proven);
}

TEST_F(Catalog, GivesSizeStemAndTime) {
  Add("v", "20250101_010203", true);
  const absl::StatusOr<std::vector<BackupInfo>> backups = ListBackups(&storage_, "");
  ASSERT_TRUE(backups.ok() && backups->size() == 1);
  EXPECT_EQ(backups->at(0).bytes, std::string("archive").size());
  EXPECT_EQ(backups->at(0).parsed.stem, "v");
  EXPECT_EQ(absl::FormatTime("%H%M%S", backups->at(0).parsed.time, absl::UTCTimeZone()), "010203");
}

TEST_F(Catalog, PassesOverForeignObjects) {
  for (const char* name : {"notes.txt", "v.tar.gz", "v_20250101_000000.tar", "v_x.tar.gz",
                           "v_20250230_000000.tar.gz"}) {
    storage_.Set(name, "foreign");
  }
  EXPECT_TRUE(Names("").empty());
}

TEST_F(Catalog, PassesOverAReceiptWithoutArchive) {
  storage_.Set("v_20250101_000000.tar.gz.receipt.json", "receipt");
  EXPECT_TRUE(Names("").empty());
}

TEST_F(Catalog, LatestIsTheNewestProvenOne) {
  Add("v", "20250101_000000", true);
  Add("v", "20250102_000000", true);
  Add("v", "20250103_000000", false);
  const absl::StatusOr<BackupInfo> latest = LatestBackup(&storage_, "");
  ASSERT_TRUE(latest.ok()) << latest.status();
  EXPECT_EQ(latest->name, "v_20250102_000000.tar.gz");
}

TEST_F(Catalog, LatestOfAStemIsItsOwn) {
  Add("v", "20250101_000000", true);
  Add("w", "20250102_000000", true);
  const absl::StatusOr<BackupInfo> latest = LatestBackup(&storage_, "v");
  ASSERT_TRUE(latest.ok()) << latest.status();
  EXPECT_EQ(latest->name, "v_20250101_000000.tar.gz");
}

TEST_F(Catalog, LatestIsTheNewestOfBothCodecs) {
  const std::string names[] = {"v_20250101_000000.tar.zst", "v_20250102_000000.tar.gz",
                               "v_20250103_000000.tar.zst"};
  for (const std::string& name : names) {
    storage_.Set(name, "archive");
    storage_.Set(ReceiptNameOf(name), "receipt");
    const absl::StatusOr<BackupInfo> latest = LatestBackup(&storage_, "");
    ASSERT_TRUE(latest.ok()) << latest.status();
    EXPECT_EQ(latest->name, name);
  }
}

TEST_F(Catalog, LatestOfUnprovenOnesIsNotFound) {
  Add("v", "20250101_000000", false);
  const absl::Status status = LatestBackup(&storage_, "v").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_NE(std::string(status.message()).find(storage_.Url()), std::string::npos) << status;
}

TEST_F(Catalog, KnowsVerificationsAndListsThemAsNoArchives) {
  Add("v", "20250101_000000", true);
  Add("v", "20250102_000000", false);
  Add("v", "20250103_000000", true);
  storage_.Set("v_20250101_000000.tar.gz.verify.json", "verification");
  storage_.Set("v_20250102_000000.tar.gz.verify.json", "verification");
  storage_.Set("v_20240101_000000.tar.gz.verify.json", "of an archive that is gone");
  const absl::StatusOr<std::vector<BackupInfo>> backups = ListBackups(&storage_, "v");
  ASSERT_TRUE(backups.ok()) << backups.status();
  ASSERT_EQ(backups->size(), 3u);
  EXPECT_TRUE((*backups)[0].proven);
  EXPECT_FALSE((*backups)[0].verified);
  EXPECT_FALSE((*backups)[1].proven);
  EXPECT_TRUE((*backups)[1].verified);
  EXPECT_TRUE((*backups)[2].proven);
  EXPECT_TRUE((*backups)[2].verified);
}

TEST_F(Catalog, HandsOnTheErrorOfTheListing) {
  storage_.faults.list = MakeError(ErrorKind::kS3, absl::StatusCode::kUnavailable, "HTTP 503");
  EXPECT_EQ(KindOf(ListBackups(&storage_, "").status()), ErrorKind::kS3);
  EXPECT_EQ(KindOf(LatestBackup(&storage_, "").status()), ErrorKind::kS3);
}

TEST_F(Catalog, LatestOfSeveralNamesAsksForOne) {
  Add("v", "20200101_000000", true);
  Add("w", "20200102_000000", true);
  EXPECT_EQ(LatestBackup(&storage_, "").status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(LatestBackup(&storage_, "v")->name, "v_20200101_000000.tar.gz");
}

}  // namespace
}  // namespace volstream
