// What Backup does around the reading of its source, and with a stream instead of a directory.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>

#include "engine/notification.h"
#include "stages/archive_name.h"
#include "stages/backup.h"
#include "stages/error_kind.h"
#include "tests/support/backup_fixture.h"
#include "tests/support/tar_reader.h"
#include "tests/support/text_stream.h"

namespace volstream {
namespace {

using BackupReadingTest = BackupTest;

// What a test's calls around the reading saw.
struct Window {
  void AddTo(BackupOptions* options) {
    options->before_read = [this] {
      ++before;
      return before_status;
    };
    options->after_read = [this] { ++after; };
  }
  absl::Status before_status;
  std::atomic<int> before{0};
  std::atomic<int> after{0};
};

TEST_F(BackupReadingTest, CallsBeforeAndAfterTheReadingOnce) {
  Window window;
  window.AddTo(&options_);
  EXPECT_TRUE(Run({&one_}).status.ok());
  EXPECT_EQ(window.before, 1);
  EXPECT_EQ(window.after, 1);
}

TEST_F(BackupReadingTest, AFailureBeforeTheReadingEndsTheRun) {
  Window window;
  window.AddTo(&options_);
  window.before_status = absl::AbortedError("the hook failed");
  EXPECT_EQ(Run({&one_}).status.message(), "the hook failed");
  EXPECT_EQ(window.after, 1);
  ExpectNothingIn(one_);
}

TEST_F(BackupReadingTest, ASourceThatCannotBeReadIsFoundBeforeAnybodyHasToHoldStill) {
  Window window;
  window.AddTo(&options_);
  options_.source = "/nonexistent";
  EXPECT_EQ(KindOf(Run({&one_}).status), ErrorKind::kVolumeNotFound);
  options_.source = source_;
  options_.plan.spool.directory = "/nonexistent";
  EXPECT_EQ(KindOf(Run({&one_}).status), ErrorKind::kPrerequisite);
  EXPECT_EQ(window.before, 0);
  EXPECT_EQ(window.after, 0);
}

TEST_F(BackupReadingTest, CallsAfterTheReadingWhateverFails) {
  for (int fault = 1; fault < 4; ++fault) {
    Window window;
    window.AddTo(&options_);
    FakeStorage storage("fake://faulty/");
    if (fault == 1) storage.faults.begin = absl::UnavailableError("down");
    if (fault == 2) storage.faults.put = absl::UnavailableError("down");
    if (fault == 3) storage.faults.new_sink = absl::UnavailableError("down");
    EXPECT_FALSE(Run({&storage}).status.ok());
    EXPECT_EQ(window.before, 1) << fault;
    EXPECT_EQ(window.after, 1) << fault;
  }
}

TEST_F(BackupReadingTest, CallsNothingWhereNoDestinationCanBeUsed) {
  Window window;
  window.AddTo(&options_);
  one_.faults.check = absl::PermissionDeniedError("no");
  EXPECT_FALSE(Run({&one_}).status.ok());
  EXPECT_EQ(window.before, 0);
  EXPECT_EQ(window.after, 0);
}

TEST_F(BackupReadingTest, TheSourceIsReleasedWhileTheUploadGoesOn) {
  one_.hold_puts = true;
  Notification released;
  options_.after_read = [&released] { released.Notify(); };
  Backup backup(options_, {&one_});
  std::thread run([&backup] { EXPECT_FALSE(backup.Run().status.ok()); });
  released.WaitForNotification();
  one_.WaitForPut();
  backup.Cancel();
  run.join();
}

TEST_F(BackupReadingTest, StoresAStreamAsItComes) {
  const std::string text = RandomBytes(2, 5 * kMiB);
  TextStream stream(text, 100'000);
  options_.stream = &stream;
  options_.source = "docker:data";
  options_.name = "data";
  const BackupReport report = Run({&one_});
  ASSERT_TRUE(report.status.ok()) << report.status;
  EXPECT_TRUE(Gunzip(one_.objects()[ArchiveIn(one_)]) == text);
  EXPECT_EQ(ReceiptIn(one_).source, "docker:data");
  EXPECT_EQ(ReceiptIn(one_).tar_bytes, text.size());
  EXPECT_EQ(ArchiveName::Parse(ArchiveIn(one_))->stem, "data");
}

TEST_F(BackupReadingTest, AStreamThatFailsLeavesNothing) {
  TextStream stream(RandomBytes(2, 5 * kMiB), 100'000);
  stream.fail_at = 3 * kMiB;
  options_.stream = &stream;
  EXPECT_TRUE(absl::IsDataLoss(Run({&one_}).status));
  ExpectNothingIn(one_);
}

TEST_F(BackupReadingTest, ACancelEndsAStreamThatWaits) {
  TextStream stream(RandomBytes(2, 5 * kMiB), 100'000);
  stream.wait_at = 2 * kMiB;
  options_.stream = &stream;
  Backup backup(options_, {&one_});
  std::thread canceller([&] {
    stream.waits.WaitForNotification();
    backup.Cancel();
  });
  EXPECT_EQ(KindOf(backup.Run().status), ErrorKind::kInterrupted);
  canceller.join();
  ExpectNothingIn(one_);
}

}  // namespace
}  // namespace volstream
