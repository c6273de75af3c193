// LockHolder, and what a backup makes of its locks.
#include "stages/lock_holder.h"

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "engine/notification.h"
#include "stages/error_kind.h"
#include "tests/support/backup_fixture.h"

namespace volstream {
namespace {

TEST(LockHolder, ReleasesWhatItTook) {
  FakeStorage one;
  FakeStorage two;
  {
    LockHolder holder(nullptr, nullptr);
    ASSERT_TRUE(holder.Take(&one, "v").ok());
    ASSERT_TRUE(holder.Take(&two, "v").ok());
    EXPECT_EQ(KindOf(holder.Take(&one, "v")), ErrorKind::kBusy);
    EXPECT_EQ(one.locks().size(), 1u);
  }
  EXPECT_TRUE(one.locks().empty());
  EXPECT_TRUE(two.locks().empty());
}

TEST(LockHolder, ConfirmsOneDestinationByItself) {
  FakeStorage one;
  FakeStorage two;
  LockHolder holder(nullptr, nullptr);
  ASSERT_TRUE(holder.Take(&one, "v").ok());
  ASSERT_TRUE(holder.Take(&two, "v").ok());
  ASSERT_TRUE(one.BreakLock("v").ok());
  EXPECT_TRUE(absl::IsAborted(holder.Confirm(&one)));
  EXPECT_TRUE(holder.Confirm(&two).ok());
}

TEST(LockHolder, TellsOnceOfALockThatIsLost) {
  FakeStorage storage;
  Notification lost;
  // A second call would break the Notification's rule.
  LockHolder holder(
      nullptr, [&lost](const absl::Status&) { lost.Notify(); }, absl::Milliseconds(1));
  ASSERT_TRUE(holder.Take(&storage, "v").ok());
  ASSERT_TRUE(storage.BreakLock("v").ok());
  lost.WaitForNotification();
}

using BackupLock = BackupTest;

TEST_F(BackupLock, HoldsItsLocksUntilTheyAreReleased) {
  Backup backup(options_, {&one_, &two_});
  ASSERT_TRUE(backup.Run().status.ok());
  EXPECT_EQ(one_.locks().size(), 1u);
  EXPECT_TRUE(one_.locks().contains("volume"));
  EXPECT_TRUE(backup.ConfirmLock(0).ok());
  ASSERT_TRUE(two_.BreakLock("volume").ok());
  EXPECT_FALSE(backup.ConfirmLock(1).ok());
  backup.ReleaseLocks();
  EXPECT_TRUE(one_.locks().empty());
}

TEST_F(BackupLock, ALockThatAnotherRunHasEndsTheRunBeforeAnythingIsRead) {
  LockHolder other(nullptr, nullptr);
  ASSERT_TRUE(other.Take(&two_, "volume").ok());
  bool read = false;
  options_.before_read = [&read] {
    read = true;
    return absl::OkStatus();
  };
  const BackupReport report = Run({&one_, &two_});
  EXPECT_EQ(KindOf(report.status), ErrorKind::kBusy) << report.status;
  EXPECT_FALSE(read);
  EXPECT_TRUE(one_.locks().empty());
  EXPECT_EQ(two_.locks().size(), 1u);
  ExpectNothingIn(one_);
}

TEST_F(BackupLock, ADestinationThatCannotLockIsDroppedLikeAnyThatFails) {
  two_.faults.lock = absl::PermissionDeniedError("read only");
  const BackupReport report = Run({&one_, &two_});
  EXPECT_EQ(KindOf(report.status), ErrorKind::kPartial) << report.status;
  EXPECT_TRUE(report.destinations[0].status.ok());
  EXPECT_TRUE(absl::IsPermissionDenied(report.destinations[1].status));
}

TEST_F(BackupLock, IsNotTakenWhereNobodyWantsIt) {
  one_.faults.lock = absl::PermissionDeniedError("read only");
  options_.lock = false;
  EXPECT_TRUE(Run({&one_}).status.ok());
}

TEST_F(BackupLock, IsReleasedAfterAFailedRun) {
  options_.source = directory_ / "none";
  Backup backup(options_, {&one_});
  EXPECT_FALSE(backup.Run().status.ok());
  EXPECT_TRUE(one_.locks().empty());
}

}  // namespace
}  // namespace volstream
