// ForEachDetails: what receipts and verifications make of a listing, in its order.
#include "stages/backup_details.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/match.h"
#include "stages/absl_text.h"
#include "stages/receipt.h"
#include "tests/support/fake_storage.h"

namespace volstream {
namespace {

class BackupDetailsTest : public ::testing::Test {
 protected:
  static std::string NameAt(int day) {
    return ArchiveName{"v", absl::FromUnixSeconds(1'700'000'000) + absl::Hours(24 * day)}
        .ToString();
  }

  // An archive with a receipt, and what a verification said unless `ok` is null.
  std::string Add(int day, const char* ok = nullptr) {
    const std::string name = NameAt(day);
    storage_.Set(name, "archive");
    Receipt receipt;
    receipt.archive = name;
    receipt.bytes = 7;
    receipt.tar_bytes = 70 + static_cast<uint64_t>(day);
    receipt.entries = 3;
    receipt.missing_count = 1;
    receipt.started = absl::FromUnixSeconds(100);
    receipt.finished = absl::FromUnixSeconds(112);
    storage_.Set(ReceiptNameOf(name), receipt.ToJson());
    if (ok != nullptr) Verify(name, ok == std::string_view("ok"));
    return name;
  }

  void Verify(const std::string& name, bool ok) {
    Verification verification;
    verification.archive = name;
    verification.level = "deep";
    verification.ok = ok;
    verification.checked = absl::FromUnixSeconds(1'700'000'000);
    if (!ok) verification.AddError("member at 17: its CRC differs");
    storage_.Set(VerificationNameOf(name), verification.ToJson());
  }

  // Details in the order of the visits; the names must be those of the listing.
  std::vector<BackupDetails> Read() {
    const absl::StatusOr<std::vector<BackupInfo>> backups = ListBackups(&storage_, "");
    EXPECT_TRUE(backups.ok());
    std::vector<BackupDetails> all;
    status_ = ForEachDetails(&storage_, *backups,
                             [&](const BackupInfo& backup, const BackupDetails& details) {
                               EXPECT_EQ(backup.name, (*backups)[all.size()].name);
                               all.push_back(details);
                               return absl::OkStatus();
                             });
    return all;
  }

  BackupDetails ReadOne() {
    const std::vector<BackupDetails> all = Read();
    EXPECT_TRUE(status_.ok()) << status_;
    EXPECT_EQ(all.size(), 1u);
    return all.size() == 1 ? all[0] : BackupDetails();
  }

  FakeStorage storage_;
  absl::Status status_;
};

TEST_F(BackupDetailsTest, OfNothingAreNone) {
  EXPECT_TRUE(Read().empty());
  EXPECT_TRUE(status_.ok());
}

TEST_F(BackupDetailsTest, HaveTheFiguresOfTheReceipt) {
  Add(1);
  const BackupDetails details = ReadOne();
  EXPECT_EQ(details.state, BackupState::kProven);
  EXPECT_EQ(details.remark, "");
  ASSERT_TRUE(details.figures.has_value());
  EXPECT_EQ(details.figures->tar_bytes, 71u);
  EXPECT_EQ(details.figures->entries, 3u);
  EXPECT_EQ(details.figures->missing_count, 1u);
  EXPECT_EQ(details.figures->duration, absl::Seconds(12));
  EXPECT_FALSE(details.verification.has_value());
}

TEST_F(BackupDetailsTest, TellHowTheLastVerificationEnded) {
  Add(1, "ok");
  Add(0, "bad");
  const std::vector<BackupDetails> all = Read();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].state, BackupState::kVerified);
  ASSERT_TRUE(all[0].verification.has_value());
  EXPECT_EQ(all[0].verification->level, "deep");
  EXPECT_EQ(all[1].state, BackupState::kDamaged);
  EXPECT_TRUE(absl::StrContains(all[1].remark, "CRC differs")) << all[1].remark;
  EXPECT_TRUE(all[1].figures.has_value());
}

TEST_F(BackupDetailsTest, AnUnprovenOneStaysSoHoweverItWasVerified) {
  const std::string name = Add(1, "ok");
  ASSERT_TRUE(storage_.Remove({ReceiptNameOf(name)}).ok());
  const BackupDetails details = ReadOne();
  EXPECT_EQ(details.state, BackupState::kUnproven);
  EXPECT_TRUE(details.verification.has_value());
  EXPECT_FALSE(details.figures.has_value());
}

TEST_F(BackupDetailsTest, AnUnprovenOneMayBeDamaged) {
  const std::string name = Add(1, "bad");
  ASSERT_TRUE(storage_.Remove({ReceiptNameOf(name)}).ok());
  EXPECT_EQ(ReadOne().state, BackupState::kDamaged);
}

TEST_F(BackupDetailsTest, ReceiptsThatAreNoneAreUnreadable) {
  storage_.Set(ReceiptNameOf(Add(1)), "{");
  const BackupDetails details = ReadOne();
  EXPECT_EQ(details.state, BackupState::kUnreadable);
  EXPECT_TRUE(absl::StrContains(details.remark, ReceiptNameOf(NameAt(1)))) << details.remark;
}

TEST_F(BackupDetailsTest, ReceiptsThatMayNotBeReadAreUnreadable) {
  storage_.unreadable[ReceiptNameOf(Add(1))] = absl::PermissionDeniedError("HTTP 403");
  Add(0);
  const std::vector<BackupDetails> all = Read();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_TRUE(status_.ok()) << status_;
  EXPECT_EQ(all[0].state, BackupState::kUnreadable);
  EXPECT_TRUE(absl::StrContains(all[0].remark, "HTTP 403")) << all[0].remark;
  EXPECT_EQ(all[1].state, BackupState::kProven);
}

TEST_F(BackupDetailsTest, AReceiptOfAnotherSizeProvesNothing) {
  storage_.Set(Add(1), "archive that grew");
  const BackupDetails details = ReadOne();
  EXPECT_EQ(details.state, BackupState::kUnproven);
  EXPECT_FALSE(details.figures.has_value());
  EXPECT_TRUE(absl::StrContains(details.remark, "17")) << details.remark;
}

TEST_F(BackupDetailsTest, AReceiptThatWentMeanwhileIsNone) {
  Add(1);
  storage_.unreadable[ReceiptNameOf(NameAt(1))] = absl::NotFoundError("gone");
  const BackupDetails details = ReadOne();
  EXPECT_EQ(details.state, BackupState::kUnproven);
  EXPECT_EQ(details.remark, "");
}

TEST_F(BackupDetailsTest, AVerificationThatCannotBeReadLeavesTheBackupProven) {
  storage_.Set(VerificationNameOf(Add(2)), "{");
  // That of another archive.
  storage_.Set(VerificationNameOf(Add(1)), storage_.objects()[VerificationNameOf(Add(0, "bad"))]);
  storage_.unreadable[VerificationNameOf(Add(-1))] = absl::NotFoundError("gone");
  const std::vector<BackupDetails> all = Read();
  ASSERT_EQ(all.size(), 4u);
  for (const size_t i : {0, 1}) {
    EXPECT_EQ(all[i].state, BackupState::kProven);
    EXPECT_TRUE(absl::StrContains(all[i].remark, ".verify.json")) << all[i].remark;
    EXPECT_FALSE(all[i].verification.has_value());
  }
  EXPECT_EQ(all[3].state, BackupState::kProven);
  EXPECT_EQ(all[3].remark, "");
}

TEST_F(BackupDetailsTest, ComeInOrderHoweverMany) {
  const int count = static_cast<int>(kDetailsAhead) * 3 + 5;
  for (int day = 0; day < count; ++day) Add(day);
  const std::vector<BackupDetails> all = Read();
  EXPECT_TRUE(status_.ok()) << status_;
  ASSERT_EQ(all.size(), static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    EXPECT_EQ(all[i].figures->tar_bytes, 70u + static_cast<uint64_t>(count - 1 - i));
  }
}

TEST_F(BackupDetailsTest, EndWithTheDestination) {
  for (int day = 0; day < 100; ++day) Add(day);
  storage_.unreadable[ReceiptNameOf(NameAt(50))] = absl::UnavailableError("HTTP 503");
  EXPECT_EQ(Read().size(), 49u);
  EXPECT_TRUE(absl::IsUnavailable(status_)) << status_;
}

TEST_F(BackupDetailsTest, EndWithTheVisitor) {
  for (int day = 0; day < 1'000; ++day) Add(day);
  const absl::StatusOr<std::vector<BackupInfo>> backups = ListBackups(&storage_, "");
  int visits = 0;
  const absl::Status status =
      ForEachDetails(&storage_, *backups, [&](const BackupInfo&, const BackupDetails&) {
        return ++visits == 3 ? absl::ResourceExhaustedError("full") : absl::OkStatus();
      });
  EXPECT_EQ(visits, 3);
  EXPECT_TRUE(absl::IsResourceExhausted(status));
}

}  // namespace
}  // namespace volstream
