// BackupOptions::timeout: the backup ends by itself, cleans up, and says why.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>

#include "engine/notification.h"
#include "stages/error_kind.h"
#include "tests/support/backup_fixture.h"

namespace volstream {
namespace {

constexpr char kMessage[] = "not finished after 0.05 s (--timeout)";

class BackupTimeout : public BackupTest {
 protected:
  BackupTimeout() { options_.timeout = absl::Milliseconds(50); }

  void ExpectTimeout(const BackupReport& report) {
    EXPECT_EQ(report.status.code(), absl::StatusCode::kDeadlineExceeded) << report.status;
    EXPECT_EQ(KindOf(report.status), ErrorKind::kGeneral);
    EXPECT_EQ(report.status.message(), kMessage);
    for (const DestinationOutcome& outcome : report.destinations) {
      EXPECT_EQ(outcome.status.message(), kMessage) << outcome.destination;
    }
    ExpectNothingIn(one_);
  }
};

TEST_F(BackupTimeout, EndsAnUploadThatHangs) {
  one_.hold_puts = true;
  ExpectTimeout(Run({&one_}));
  EXPECT_EQ(one_.log().back().substr(0, 6), "abort ");
}

TEST_F(BackupTimeout, EndsThemAllWithTheSameWords) {
  one_.hold_puts = true;
  two_.hold_puts = true;
  ExpectTimeout(Run({&one_, &two_}));
  ExpectNothingIn(two_);
}

TEST_F(BackupTimeout, EndsWhatComesBeforeTheReading) {
  Notification told;
  std::atomic<bool> once = false;
  options_.on_timeout = [&] {
    if (!once.exchange(true)) told.Notify();
  };
  // As a hook does that is killed.
  options_.before_read = [&told] {
    told.WaitForNotification();
    return absl::CancelledError("interrupted");
  };
  ExpectTimeout(Run({&one_}));
}

TEST_F(BackupTimeout, LeavesACancelThatCameBeforeItTheReason) {
  one_.hold_puts = true;
  options_.timeout = absl::Hours(1);
  Backup backup(options_, {&one_});
  std::thread canceller([&] {
    one_.WaitForPut();
    backup.Cancel();
  });
  const BackupReport report = backup.Run();
  canceller.join();
  EXPECT_EQ(KindOf(report.status), ErrorKind::kInterrupted) << report.status;
}

// Its receipts are written only once it was cancelled.
class LateStorage : public FakeStorage {
 public:
  void Cancel() override {
    if (!once_.exchange(true)) cancelled_.Notify();
  }
  absl::Status Write(std::string_view name, std::string_view contents) override {
    cancelled_.WaitForNotification();
    return FakeStorage::Write(name, contents);
  }

 private:
  std::atomic<bool> once_ = false;
  Notification cancelled_;
};

TEST_F(BackupTimeout, IsToldWhereItComesTooLateForTheBackup) {
  LateStorage late;
  options_.timeout = absl::Seconds(1);
  Backup backup(options_, {&late});
  EXPECT_TRUE(backup.stopped().ok());
  // The backup may fail before its receipt, on a slow machine; the reason is the same.
  const BackupReport report = backup.Run();
  EXPECT_TRUE(absl::IsDeadlineExceeded(backup.stopped())) << backup.stopped();
  if (report.status.ok()) ReceiptIn(late);
}

TEST_F(BackupTimeout, ChangesNothingWhereItIsNotReached) {
  options_.timeout = absl::Hours(1);
  EXPECT_TRUE(Run({&one_}).status.ok());
}

}  // namespace
}  // namespace volstream
