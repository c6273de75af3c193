// SqliteSnapshot while another process writes, and after one was killed: what is captured is always
// exactly the commits up to some point, and the application is not disturbed.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "stages/sqlite_snapshot.h"
#include "tests/support/sqlite_fixture.h"

namespace volstream {
namespace {

class SqliteSnapshotMode : public SqliteFixture, public ::testing::WithParamInterface<const char*> {
 protected:
  SqliteWriterOptions Options() const {
    SqliteWriterOptions options;
    options.mode = GetParam();
    return options;
  }
  bool wal() const { return Options().mode == "wal"; }

  // A volume without a live writer must stay as it is, to the byte.
  SqliteCommits TakeUntouched() {
    const Tree before = SnapshotTree(volume_);
    const SqliteCommits commits = CommitsOf(Take("a.db"));
    EXPECT_EQ(DiffTrees(before, SnapshotTree(volume_)), "");
    return commits;
  }
};

TEST_P(SqliteSnapshotMode, HoldsExactlyThePrefixOfCommits) {
  SqliteWriter writer(InVolume("a.db"), Options());
  for (int round = 0; round < 10; ++round) {
    ASSERT_TRUE(writer.AwaitConfirmed(writer.confirmed() + 5));
    const uint64_t before = writer.confirmed();
    const auto snapshot = Take("a.db");
    // One may be done that its process has not confirmed yet.
    const uint64_t after = writer.confirmed() + 1;
    const SqliteCommits commits = CommitsOf(snapshot);
    EXPECT_GE(commits.count, before);
    EXPECT_LE(commits.count, after);
  }
  const uint64_t confirmed = writer.Stop();
  EXPECT_EQ(ReadCommits(InVolume("a.db")).count, confirmed);
}

TEST_P(SqliteSnapshotMode, WriterGoesOnBetweenSteps) {
  SqliteWriter writer(InVolume("a.db"), Options());
  SnapshotOptions options;
  options.step_bytes = 64 << 10;
  options.single_lock_bytes = 0;
  int free_steps = 0;
  options.after_step = [&](bool locked) {
    if (locked && !wal()) return;
    ++free_steps;
    EXPECT_TRUE(writer.AwaitConfirmed(writer.confirmed() + 2));
  };
  const uint64_t before = writer.confirmed();
  const auto snapshot = Take("a.db", options);
  const uint64_t after = writer.confirmed() + 1;
  const SqliteCommits commits = CommitsOf(snapshot);
  EXPECT_GE(commits.count, before);
  EXPECT_LE(commits.count, after);
  // In WAL mode nobody waits for anybody. In rollback mode the API begins anew after each commit,
  // until it has had enough.
  EXPECT_GE(free_steps, wal() ? 10 : options.restarts + 1);
  ASSERT_TRUE(writer.AwaitConfirmed(writer.confirmed() + 5));
  const uint64_t confirmed = writer.Stop();
  EXPECT_EQ(ReadCommits(InVolume("a.db")).count, confirmed);
}

TEST_P(SqliteSnapshotMode, LongStepsWithoutCommitsNeedNoLongLock) {
  SqliteWriterOptions still = Options();
  still.pause_after = 3;
  SqliteWriter writer(InVolume("a.db"), still);
  ASSERT_TRUE(writer.AwaitStill());
  SnapshotOptions options;
  options.step_bytes = 64 << 10;
  options.single_lock_bytes = 0;
  bool ever_locked = false;
  options.after_step = [&](bool locked) { ever_locked = ever_locked || locked; };
  EXPECT_EQ(CommitsOf(Take("a.db", options)).count, 3u);
  EXPECT_EQ(ever_locked, wal());
}

TEST_P(SqliteSnapshotMode, IdleApplicationNoticesNothing) {
  SqliteWriterOptions still = Options();
  still.pause_after = 7;
  SqliteWriter writer(InVolume("a.db"), still);
  ASSERT_TRUE(writer.AwaitStill());
  EXPECT_EQ(TakeUntouched().count, 7u);
  EXPECT_EQ(writer.Stop(), 7u);
  EXPECT_EQ(ReadCommits(InVolume("a.db")).count, 7u);
}

TEST_P(SqliteSnapshotMode, ClosedDatabaseIsTakenWithoutATrace) {
  uint64_t confirmed = 0;
  {
    SqliteWriter writer(InVolume("a.db"), Options());
    ASSERT_TRUE(writer.AwaitConfirmed(5));
    confirmed = writer.Stop();
  }
  EXPECT_FALSE(Exists(InVolume("a.db-wal")));
  EXPECT_EQ(TakeUntouched().count, confirmed);
}

TEST_P(SqliteSnapshotMode, WhatAKilledWriterLeftIsTakenWithoutATrace) {
  SqliteWriter writer(InVolume("a.db"), Options());
  ASSERT_TRUE(writer.AwaitConfirmed(20));
  writer.Kill();
  const uint64_t confirmed = writer.confirmed();
  const SqliteCommits commits = TakeUntouched();
  EXPECT_GE(commits.count, confirmed);
  EXPECT_LE(commits.count, confirmed + 1);
}

TEST_P(SqliteSnapshotMode, HalfACommitOfAKilledWriterIsNotInTheCopy) {
  SqliteWriterOptions unfinished = Options();
  unfinished.unfinished_after = 4;
  SqliteWriter writer(InVolume("a.db"), unfinished);
  ASSERT_TRUE(writer.AwaitStill());
  writer.Kill();
  ASSERT_TRUE(Exists(InVolume(wal() ? "a.db-wal" : "a.db-journal")));
  EXPECT_EQ(TakeUntouched().count, 4u);
  EXPECT_EQ(spool_.memory_bytes_used(), 0u);
  // The application's own recovery is still to come, and works.
  EXPECT_EQ(ReadCommits(InVolume("a.db")).count, 4u);
}

TEST_P(SqliteSnapshotMode, WriterThatIsKilledBetweenStepsIsRolledBackInTheCopy) {
  {
    SqliteWriter first(InVolume("a.db"), Options());
    first.Stop();
  }
  const uint64_t before = ReadCommits(InVolume("a.db")).count;
  bool killed = false;
  SnapshotOptions options;
  options.step_bytes = 64 << 10;
  options.single_lock_bytes = 0;
  options.after_step = [&](bool) {
    if (std::exchange(killed, true)) return;
    SqliteWriterOptions unfinished = Options();
    unfinished.unfinished_after = 1;
    SqliteWriter second(InVolume("a.db"), unfinished);
    EXPECT_TRUE(second.AwaitStill());
    second.Kill();
  };
  EXPECT_EQ(CommitsOf(Take("a.db", options)).count, before + 1);
  EXPECT_EQ(ReadCommits(InVolume("a.db")).count, before + 1);
}

TEST_P(SqliteSnapshotMode, HalfACommitOfALiveWriterIsNotInTheCopy) {
  SqliteWriterOptions unfinished = Options();
  unfinished.unfinished_after = 4;
  SqliteWriter writer(InVolume("a.db"), unfinished);
  ASSERT_TRUE(writer.AwaitStill());
  SnapshotOptions options;
  options.patience = absl::Milliseconds(20);
  const auto snapshot = Take("a.db", options);
  if (wal()) {
    EXPECT_EQ(CommitsOf(snapshot).count, 4u);
  } else {
    // It has written to the file, and so holds it until it is done.
    EXPECT_EQ(snapshot.status().code(), absl::StatusCode::kUnavailable) << snapshot.status();
  }
}

TEST_P(SqliteSnapshotMode, ExclusiveLockingModeIsGivenUp) {
  SqliteWriterOptions exclusive = Options();
  exclusive.exclusive = true;
  exclusive.pause_after = 2;
  SqliteWriter writer(InVolume("a.db"), exclusive);
  ASSERT_TRUE(writer.AwaitStill());
  SnapshotOptions options;
  options.patience = absl::Milliseconds(20);
  const Tree before = SnapshotTree(volume_);
  const auto snapshot = Take("a.db", options);
  EXPECT_EQ(snapshot.status().code(), absl::StatusCode::kUnavailable) << snapshot.status();
  EXPECT_EQ(DiffTrees(before, SnapshotTree(volume_)), "");
}

TEST_P(SqliteSnapshotMode, ManySnapshotsAtATimeOfOneBusyDatabase) {
  SqliteWriter writer(InVolume("a.db"), Options());
  std::vector<absl::StatusOr<std::unique_ptr<SpoolFile>>> snapshots;
  SnapshotOptions options;
  options.step_bytes = 256 << 10;
  options.single_lock_bytes = 0;
  // One within the other, as two threads would.
  options.after_step = [&](bool locked) {
    if (snapshots.size() < 3 && (wal() || !locked)) snapshots.push_back(Take("a.db"));
  };
  snapshots.push_back(Take("a.db", options));
  EXPECT_GE(snapshots.size(), 3u);
  for (const auto& snapshot : snapshots) CommitsOf(snapshot);
  const uint64_t confirmed = writer.Stop();
  EXPECT_EQ(ReadCommits(InVolume("a.db")).count, confirmed);
}

TEST_P(SqliteSnapshotMode, ThreadsTakeSnapshotsSideBySide) {
  SqliteWriter writer(InVolume("a.db"), Options());
  std::vector<absl::StatusOr<std::unique_ptr<SpoolFile>>> snapshots(4);
  std::vector<std::thread> threads;
  for (auto& snapshot : snapshots) {
    threads.emplace_back([&] { snapshot = Take("a.db"); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& snapshot : snapshots) CommitsOf(snapshot);
  const uint64_t confirmed = writer.Stop();
  EXPECT_EQ(ReadCommits(InVolume("a.db")).count, confirmed);
}

INSTANTIATE_TEST_SUITE_P(All, SqliteSnapshotMode,
                         ::testing::Values("delete", "truncate", "persist", "wal"),
                         [](const auto& info) { return std::string(info.param); });

using SqliteSnapshotWal = SqliteFixture;

TEST_F(SqliteSnapshotWal, WithoutShmIsReadFromTheWal) {
  SqliteWriter writer(InVolume("a.db"));
  ASSERT_TRUE(writer.AwaitConfirmed(20));
  writer.Kill();
  std::filesystem::remove(InVolume("a.db-shm"));
  const Tree before = SnapshotTree(volume_);
  EXPECT_GE(CommitsOf(Take("a.db")).count, writer.confirmed());
  EXPECT_EQ(DiffTrees(before, SnapshotTree(volume_)), "");
}

TEST_F(SqliteSnapshotWal, ApplicationThatStartsMeanwhileMakesItBeginAnew) {
  uint64_t confirmed = 0;
  {
    SqliteWriter writer(InVolume("a.db"));
    ASSERT_TRUE(writer.AwaitConfirmed(5));
    confirmed = writer.Stop();
  }
  ASSERT_FALSE(Exists(InVolume("a.db-shm")));
  std::unique_ptr<SqliteWriter> writer;
  SnapshotOptions options;
  options.step_bytes = 64 << 10;
  options.after_step = [&](bool) {
    if (writer == nullptr) writer = std::make_unique<SqliteWriter>(InVolume("a.db"));
    writer->AwaitConfirmed(writer->confirmed() + 100);
  };
  const auto snapshot = Take("a.db", options);
  ASSERT_NE(writer, nullptr);
  EXPECT_GT(CommitsOf(snapshot).count, confirmed);
  const uint64_t all = writer->Stop();
  EXPECT_EQ(ReadCommits(InVolume("a.db")).count, all);
}

TEST_F(SqliteSnapshotWal, ApplicationThatStartsOverAKilledOnesFilesIsNotHarmed) {
  {
    SqliteWriter writer(InVolume("a.db"));
    ASSERT_TRUE(writer.AwaitConfirmed(5));
    writer.Kill();
  }
  std::unique_ptr<SqliteWriter> writer;
  SnapshotOptions options;
  options.step_bytes = 64 << 10;
  options.after_step = [&](bool) {
    if (writer == nullptr) writer = std::make_unique<SqliteWriter>(InVolume("a.db"));
    writer->AwaitConfirmed(writer->confirmed() + 100);
  };
  CommitsOf(Take("a.db", options));
  ASSERT_NE(writer, nullptr);
  const uint64_t all = writer->Stop();
  EXPECT_EQ(ReadCommits(InVolume("a.db")).count, all);
}

TEST_F(SqliteSnapshotWal, CheckpointsAndLogRestartsDoNotTearIt) {
  SqliteWriter writer(InVolume("a.db"));
  SnapshotOptions options;
  options.step_bytes = 128 << 10;
  // Some thousand frames, over several automatic checkpoints (each 1,000 pages).
  options.after_step = [&](bool) { writer.AwaitConfirmed(writer.confirmed() + 300); };
  const auto snapshot = Take("a.db", options);
  CommitsOf(snapshot);
  const uint64_t confirmed = writer.Stop();
  EXPECT_EQ(ReadCommits(InVolume("a.db")).count, confirmed);
}

TEST_F(SqliteSnapshotWal, LastCloseOfTheApplicationMeanwhileIsNotHarmed) {
  auto writer = std::make_unique<SqliteWriter>(InVolume("a.db"));
  ASSERT_TRUE(writer->AwaitConfirmed(50));
  SnapshotOptions options;
  options.step_bytes = 64 << 10;
  uint64_t confirmed = 0;
  options.after_step = [&](bool) {
    if (confirmed == 0) confirmed = writer->Stop();
  };
  CommitsOf(Take("a.db", options));
  EXPECT_EQ(ReadCommits(InVolume("a.db")).count, confirmed);
  // Our lock kept it from removing them, as any reader's would; the next close did.
  EXPECT_FALSE(Exists(InVolume("a.db-wal")));
}

TEST_F(SqliteSnapshotWal, SnapshotOfAnUnreadSpoolStaysWhatItWas) {
  SqliteWriter writer(InVolume("a.db"));
  ASSERT_TRUE(writer.AwaitConfirmed(5));
  const auto snapshot = Take("a.db");
  const uint64_t after = writer.confirmed() + 1;
  ASSERT_TRUE(writer.AwaitConfirmed(after + 200));
  EXPECT_LE(CommitsOf(snapshot).count, after);
}

}  // namespace
}  // namespace volstream
