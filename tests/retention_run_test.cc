// Retention: what is looked at before anything goes, and the order in which it goes.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/match.h"
#include "stages/receipt.h"
#include "stages/retention.h"
#include "tests/support/fake_storage.h"

namespace volstream {
namespace {

using Strings = std::vector<std::string>;

class RetentionRun : public ::testing::Test {
 protected:
  // One backup for each letter: P proven, u unproven; the newest first, a day apart.
  Strings Store(std::string_view letters, const std::string& stem = "v") {
    Strings names;
    absl::Time time = absl::FromUnixSeconds(1'750'000'000);
    for (const char letter : letters) {
      const std::string name = ArchiveName{stem, time}.ToString();
      Put(name, "archive of the usual size", letter == 'P');
      names.push_back(name);
      time -= absl::Hours(24);
    }
    return names;
  }

  void Put(const std::string& name, const std::string& contents, bool proven) {
    storage_.Set(name, contents);
    Receipt receipt;
    receipt.archive = name;
    receipt.bytes = contents.size();
    if (proven) storage_.Set(ReceiptNameOf(name), receipt.ToJson());
  }

  RetentionLook LookAt(std::string_view stem = "v") {
    const absl::StatusOr<RetentionLook> look = LookAtRetention(&storage_, stem, options_);
    EXPECT_TRUE(look.ok()) << look.status();
    return look.value_or(RetentionLook());
  }

  RetentionOutcome Remove(const RetentionLook& look) {
    const absl::StatusOr<RetentionOutcome> outcome = RemoveAsPlanned(
        &storage_, look, [this](const BackupInfo& backup) { removed_.push_back(backup.name); },
        [this](const std::string& name, const absl::Status&) { failed_.push_back(name); });
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    return outcome.value_or(RetentionOutcome());
  }

  void KeepLast(int count) { options_.policy.last = count; }

  FakeStorage storage_;
  RetentionOptions options_;
  Strings removed_;
  Strings failed_;
};

TEST_F(RetentionRun, RemovesReceiptsBeforeArchives) {
  const Strings names = Store("PPP");
  KeepLast(1);
  EXPECT_EQ(Remove(LookAt()).removed, 2u);
  EXPECT_EQ(storage_.log(),
            (Strings{"remove " + ReceiptNameOf(names[1]), "remove " + ReceiptNameOf(names[2]),
                     "remove " + names[1], "remove " + names[2]}));
  EXPECT_EQ(removed_, (Strings{names[1], names[2]}));
  EXPECT_EQ(storage_.objects().size(), 2u);
}

TEST_F(RetentionRun, RemovesVerificationsWithTheirArchives) {
  const Strings names = Store("PPuu");
  for (const std::string& name : names) storage_.Set(VerificationNameOf(name), "{}");
  KeepLast(1);
  EXPECT_EQ(Remove(LookAt()).removed, 3u);
  EXPECT_EQ(storage_.objects().size(), 3u);  // the newest with what is beside it
  EXPECT_EQ(
      storage_.log(),
      (Strings{"remove " + VerificationNameOf(names[1]), "remove " + VerificationNameOf(names[2]),
               "remove " + VerificationNameOf(names[3]), "remove " + ReceiptNameOf(names[1]),
               "remove " + names[1], "remove " + names[2], "remove " + names[3]}));
}

TEST_F(RetentionRun, KeepsTheArchiveAndReceiptOfAVerificationThatStays) {
  const Strings names = Store("PPP");
  storage_.Set(VerificationNameOf(names[1]), "{}");
  storage_.unremovable[VerificationNameOf(names[1])] = absl::PermissionDeniedError("denied");
  KeepLast(1);
  EXPECT_EQ(Remove(LookAt()).removed, 1u);
  EXPECT_TRUE(storage_.objects().contains(names[1]));
  EXPECT_TRUE(storage_.objects().contains(ReceiptNameOf(names[1])));
  EXPECT_FALSE(storage_.objects().contains(names[2]));
}

TEST_F(RetentionRun, AVerificationProvesNothing) {
  const Strings names = Store("uP");
  storage_.Set(VerificationNameOf(names[0]), "{}");
  KeepLast(1);
  EXPECT_EQ(LookAt().removals(), 0u);
}

TEST_F(RetentionRun, LooksWithoutRemoving) {
  Store("PPP");
  KeepLast(1);
  EXPECT_EQ(LookAt().removals(), 2u);
  EXPECT_EQ(storage_.objects().size(), 6u);
}

TEST_F(RetentionRun, KeepsTheArchiveWhoseReceiptStaysAndRemovesTheOthers) {
  const Strings names = Store("PPPP");
  KeepLast(1);
  storage_.unremovable[ReceiptNameOf(names[2])] = absl::PermissionDeniedError("denied");
  const RetentionOutcome outcome = Remove(LookAt());
  EXPECT_EQ(outcome.removed, 2u);
  EXPECT_EQ(outcome.failed, 1u);
  EXPECT_TRUE(absl::IsPermissionDenied(outcome.first_failure));
  EXPECT_EQ(failed_, Strings{ReceiptNameOf(names[2])});
  EXPECT_TRUE(storage_.objects().contains(names[2]));
  EXPECT_FALSE(storage_.objects().contains(names[3]));
}

TEST_F(RetentionRun, AnArchiveThatStaysDoesNotCountAsRemoved) {
  const Strings names = Store("PP");
  KeepLast(1);
  storage_.unremovable[names[1]] = absl::PermissionDeniedError("denied");
  EXPECT_EQ(Remove(LookAt()).removed, 0u);
  EXPECT_TRUE(removed_.empty());
}

TEST_F(RetentionRun, RemovesNothingWhenTheDestinationFails) {
  Store("PP");
  KeepLast(1);
  const RetentionLook look = LookAt();
  storage_.faults.remove = absl::UnavailableError("HTTP 503");
  EXPECT_FALSE(RemoveAsPlanned(&storage_, look, nullptr, nullptr).ok());
  storage_.faults.list = absl::UnavailableError("HTTP 503");
  EXPECT_FALSE(LookAtRetention(&storage_, "v", options_).ok());
  EXPECT_EQ(storage_.objects().size(), 4u);
}

TEST_F(RetentionRun, RemovesManyInBatches) {
  Store(std::string(1'201, 'P'));
  KeepLast(1);
  EXPECT_EQ(Remove(LookAt()).removed, 1'200u);
  EXPECT_EQ(storage_.objects().size(), 2u);
}

TEST_F(RetentionRun, TouchesNoOtherStemAndNothingForeign) {
  Store("PPP");
  Store("PPP", "v_2");
  storage_.Set("v_notes.tar.gz", "foreign");
  KeepLast(1);
  Remove(LookAt());
  EXPECT_EQ(storage_.objects().size(), 2u + 6u + 1u);
}

TEST_F(RetentionRun, CoversEveryStemWhenNoneIsGiven) {
  Store("PP", "a");
  Store("PP", "b");
  KeepLast(1);
  EXPECT_EQ(Remove(LookAt("")).removed, 2u);
  EXPECT_EQ(storage_.objects().size(), 4u);
}

TEST_F(RetentionRun, AReceiptThatDoesNotFitItsArchiveProvesNothing) {
  const Strings names = Store("PPPP");
  storage_.Set(names[0], "cut");
  KeepLast(2);
  const RetentionLook look = LookAt();
  EXPECT_EQ(look.plan,
            (std::vector<KeepReasons>{kKeepUnproven, kKeepNewest | kKeepLast, kKeepLast, 0}));
  ASSERT_EQ(look.warnings.size(), 1u);
  EXPECT_TRUE(absl::StrContains(look.warnings[0], names[0])) << look.warnings[0];
}

TEST_F(RetentionRun, ADamagedOrForeignReceiptProvesNothing) {
  const Strings names = Store("PPP");
  storage_.Set(ReceiptNameOf(names[0]), "{");
  storage_.Set(ReceiptNameOf(names[1]), storage_.objects()[ReceiptNameOf(names[2])]);
  KeepLast(1);
  EXPECT_EQ(LookAt().removals(), 0u);
}

TEST_F(RetentionRun, TheReceiptOfAMisfitGoesWithIt) {
  const Strings names = Store("PPP");
  storage_.Set(names[1], "the largest, and not what its receipt says");
  KeepLast(1);
  options_.min_size_ratio = 0.5;  // has the receipt of the largest that would go read
  EXPECT_EQ(Remove(LookAt()).removed, 2u);
  EXPECT_EQ(storage_.objects().size(), 2u);
}

TEST_F(RetentionRun, ReadsNoReceiptWhereNothingGoes) {
  Store("PPP");
  storage_.faults.read_all = absl::UnavailableError("HTTP 503");
  KeepLast(3);
  EXPECT_EQ(LookAt().removals(), 0u);
  KeepLast(2);
  EXPECT_FALSE(LookAtRetention(&storage_, "v", options_).ok());
}

TEST_F(RetentionRun, ASuspiciouslySmallBackupKeepsTheOlderOnes) {
  const Strings names = Store("PPPP");
  Put(names[0], "tiny", true);
  KeepLast(1);
  options_.min_size_ratio = 0.5;
  const RetentionLook look = LookAt();
  EXPECT_EQ(look.removals(), 0u);
  EXPECT_EQ(look.plan[3], kKeepSmall);
  ASSERT_EQ(look.warnings.size(), 1u);
  EXPECT_TRUE(absl::StrContains(look.warnings[0], names[0])) << look.warnings[0];
  EXPECT_TRUE(absl::StrContains(look.warnings[0], "--min-size-ratio 0")) << look.warnings[0];
  options_.min_size_ratio = 0.1;
  EXPECT_EQ(LookAt().removals(), 3u);
  options_.min_size_ratio = 0;
  EXPECT_EQ(LookAt().removals(), 3u);
}

TEST_F(RetentionRun, ManySmallOnesInARowStillKeepTheGoodOnes) {
  const Strings names = Store("PPPPPP");
  KeepLast(2);
  options_.min_size_ratio = 0.5;
  for (size_t small = 0; small < 4; ++small) {
    Put(names[small], "tiny", true);
    const RetentionLook look = LookAt();
    EXPECT_EQ(look.removals(), 0u) << small;
    EXPECT_EQ(look.warnings.size(), 1u) << small;
  }
}

TEST_F(RetentionRun, SmallOnesGoWhereTheGoodOnesStay) {
  const Strings names = Store("PPPP");
  for (const size_t small : {0, 2, 3}) Put(names[small], "tiny", true);
  KeepLast(2);
  options_.min_size_ratio = 0.5;
  const RetentionLook look = LookAt();
  EXPECT_EQ(look.removals(), 2u);
  EXPECT_TRUE(look.warnings.empty());
}

TEST_F(RetentionRun, ABackupWhoseReceiptMayNotBeReadIsUnprovenAndStays) {
  const Strings names = Store("PPPPP");
  for (const size_t i : {0, 1}) {
    storage_.unreadable[ReceiptNameOf(names[i])] = absl::FailedPreconditionError("HTTP 400");
  }
  storage_.unreadable[ReceiptNameOf(names[3])] = absl::PermissionDeniedError("HTTP 403");
  KeepLast(1);
  options_.min_size_ratio = 0.5;
  const RetentionLook look = LookAt();
  EXPECT_EQ(look.plan,
            (std::vector<KeepReasons>{kKeepUnproven | kKeepUnread, kKeepUnproven | kKeepUnread,
                                      kKeepNewest | kKeepLast, kKeepUnread, 0}));
  ASSERT_EQ(look.warnings.size(), 1u);
  EXPECT_TRUE(absl::StrContains(look.warnings[0], "3 receipts")) << look.warnings[0];
  EXPECT_TRUE(absl::StrContains(look.warnings[0], "HTTP 400")) << look.warnings[0];
}

TEST_F(RetentionRun, NothingGoesWhereNoReceiptMayBeRead) {
  const Strings names = Store("PPP");
  for (const std::string& name : names) {
    storage_.unreadable[ReceiptNameOf(name)] = absl::PermissionDeniedError("HTTP 403");
  }
  KeepLast(1);
  const RetentionLook look = LookAt();
  EXPECT_EQ(look.removals(), 0u);
  EXPECT_EQ(look.warnings.size(), 1u);
}

TEST_F(RetentionRun, WhatCannotBeAskedForItsLockStays) {
  const Strings names = Store("PPP");
  storage_.unreadable[names[1]] = absl::FailedPreconditionError("HTTP 400");
  KeepLast(1);
  const RetentionLook look = LookAt();
  EXPECT_EQ(look.plan[1], kKeepLocked);
  EXPECT_TRUE(absl::StrContains(look.Reason(1), "HTTP 400")) << look.Reason(1);
  EXPECT_EQ(look.plan[2], 0);
}

TEST_F(RetentionRun, ASmallBackupOfOneNameDoesNotKeepThoseOfAnother) {
  Put(Store("PPP", "a")[0], "tiny", true);
  Store("PPP", "b");
  KeepLast(1);
  options_.min_size_ratio = 0.5;
  const RetentionLook look = LookAt("");
  for (size_t i = 0; i < look.backups.size(); ++i) {
    if (look.plan[i] == 0) {
      EXPECT_EQ(look.backups[i].parsed.stem, "b");
    }
  }
  EXPECT_EQ(look.removals(), 2u);
}

TEST_F(RetentionRun, TheBackupJustMadeIsComparedWhereverItsNameSorts) {
  const Strings names = Store("PPPP");
  Put(names[2], "tiny", true);
  options_.just_made = names[2];
  KeepLast(2);
  options_.min_size_ratio = 0.5;
  EXPECT_EQ(LookAt().removals(), 0u);
}

TEST_F(RetentionRun, KeepsWhatTheDestinationHasLocked) {
  const Strings names = Store("PPP");
  storage_.held_by[names[1]] = "locked until 2030-01-01";
  KeepLast(1);
  const RetentionLook look = LookAt();
  EXPECT_EQ(look.plan[1], kKeepLocked);
  EXPECT_EQ(look.Reason(1), "locked until 2030-01-01");
  EXPECT_EQ(look.plan[2], 0);
}

TEST_F(RetentionRun, ReadsABoundedNumberOfReceipts) {
  const Strings names = Store(std::string(kMaxReceiptsRead + 100, 'P'));
  storage_.Set(names[kMaxReceiptsRead - 1], "cut");
  storage_.Set(names[kMaxReceiptsRead + 50], "cut as well, and not looked at");
  KeepLast(static_cast<int>(kMaxReceiptsRead) + 60);
  EXPECT_EQ(LookAt().warnings.size(), 1u);
}

}  // namespace
}  // namespace volstream
