// LocalSink: one file that appears whole or not at all.
#include "stages/local_sink.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>
#include <latch>

#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/notification.h"
#include "stages/error_kind.h"
#include "stages/local_storage.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

constexpr size_t kPartBytes = 4096;
constexpr size_t kPartCount = 16;

class LocalSinkTest : public ::testing::Test {
 protected:
  // Part `index` of the stream, all of one letter; the last one may be short.
  std::shared_ptr<const Part> MakePart(uint64_t index, size_t bytes = kPartBytes) {
    auto part = std::make_shared<Part>();
    part->index = index;
    part->offset = index * kPartBytes;
    part->bytes = bytes;
    part->lease = *pool_.TakePart();
    std::memset(part->lease.data(), 'a' + static_cast<int>(index), bytes);
    return part;
  }

  static std::string Letters(uint64_t index, size_t bytes = kPartBytes) {
    return std::string(bytes, static_cast<char>('a' + index));
  }

  // Puts and waits for the part to be done.
  absl::Status Put(std::shared_ptr<const Part> part) {
    absl::Status result;
    Notification done;
    sink_->Put(std::move(part), [&](absl::Status status) {
      result = std::move(status);
      done.Notify();
    });
    done.WaitForNotification();
    return result;
  }

  absl::Status Finish(uint64_t bytes) {
    StreamSummary summary;
    summary.bytes = bytes;
    return sink_->Finish(summary).status();
  }

  std::vector<std::string> Names() { return NamesIn(directory_.path()); }

  const StreamShape shape_{0, kPartBytes};
  TempDir directory_;
  // Outlives the sink.
  BufferPool pool_{PoolShape{16, 16, 1, EqualParts(kPartBytes), kPartCount* kPartBytes}};
  std::unique_ptr<LocalSink> sink_ = std::make_unique<LocalSink>(directory_.path(), "a.tar.gz");
};

TEST_F(LocalSinkTest, DescribesItselfByItsPath) {
  EXPECT_EQ(sink_->Describe(), directory_ / "a.tar.gz");
}

TEST_F(LocalSinkTest, WritesPartsInOrder) {
  ASSERT_TRUE(sink_->Begin(shape_).ok());
  EXPECT_TRUE(Put(MakePart(0)).ok());
  EXPECT_TRUE(Put(MakePart(1, 10)).ok());
  ASSERT_TRUE(Finish(kPartBytes + 10).ok());
  EXPECT_EQ(ReadFile(directory_ / "a.tar.gz"), Letters(0) + Letters(1, 10));
}

TEST_F(LocalSinkTest, WritesPartsInAnyOrder) {
  ASSERT_TRUE(sink_->Begin(shape_).ok());
  for (const uint64_t index : {3, 0, 2, 1}) EXPECT_TRUE(Put(MakePart(index)).ok());
  ASSERT_TRUE(Finish(4 * kPartBytes).ok());
  EXPECT_EQ(ReadFile(directory_ / "a.tar.gz"), Letters(0) + Letters(1) + Letters(2) + Letters(3));
}

TEST_F(LocalSinkTest, WritesPartsFromManyThreads) {
  ASSERT_TRUE(sink_->Begin(shape_).ok());
  std::latch done(kPartCount);
  std::vector<std::thread> threads;
  for (uint64_t index = 0; index < kPartCount; ++index) {
    threads.emplace_back([&, part = MakePart(index)]() mutable {
      sink_->Put(std::move(part), [&done](absl::Status status) {
        EXPECT_TRUE(status.ok()) << status;
        done.count_down();
      });
    });
  }
  for (std::thread& thread : threads) thread.join();
  done.wait();
  ASSERT_TRUE(Finish(kPartCount * kPartBytes).ok());
  std::string wanted;
  for (uint64_t index = 0; index < kPartCount; ++index) wanted += Letters(index);
  EXPECT_TRUE(ReadFile(directory_ / "a.tar.gz") == wanted);
}

TEST_F(LocalSinkTest, DropsThePartBeforeItSaysDone) {
  ASSERT_TRUE(sink_->Begin(shape_).ok());
  std::shared_ptr<const Part> part = MakePart(0);
  const std::weak_ptr<const Part> watch = part;
  Notification done;
  bool dropped = false;
  sink_->Put(std::move(part), [&](absl::Status) {
    dropped = watch.expired();
    done.Notify();
  });
  done.WaitForNotification();
  EXPECT_TRUE(dropped);
  EXPECT_TRUE(sink_->Abort().ok());
}

TEST_F(LocalSinkTest, ShowsOnlyADotFileUntilFinish) {
  ASSERT_TRUE(sink_->Begin(shape_).ok());
  ASSERT_TRUE(Put(MakePart(0)).ok());
  EXPECT_EQ(Names(), std::vector<std::string>{".a.tar.gz.partial"});
  ASSERT_TRUE(Finish(kPartBytes).ok());
  EXPECT_EQ(Names(), std::vector<std::string>{"a.tar.gz"});
}

TEST_F(LocalSinkTest, HidesTheFileFromOtherUsers) {
  ASSERT_TRUE(sink_->Begin(shape_).ok());
  ASSERT_TRUE(Finish(0).ok());
  EXPECT_EQ(SnapshotTree(directory_.path())["a.tar.gz"].mode, 0600u);
}

TEST_F(LocalSinkTest, FinishesAnEmptyStream) {
  ASSERT_TRUE(sink_->Begin(shape_).ok());
  ASSERT_TRUE(Finish(0).ok());
  EXPECT_EQ(ReadFile(directory_ / "a.tar.gz"), "");
  EXPECT_TRUE(Exists(directory_ / "a.tar.gz"));
}

TEST_F(LocalSinkTest, GivesNoProof) {
  ASSERT_TRUE(sink_->Begin(shape_).ok());
  EXPECT_EQ(sink_->Finish(StreamSummary()).value_or("?"), "");
}

TEST_F(LocalSinkTest, FinishRefusesAnotherSize) {
  ASSERT_TRUE(sink_->Begin(shape_).ok());
  ASSERT_TRUE(Put(MakePart(0)).ok());
  EXPECT_EQ(KindOf(Finish(kPartBytes + 1)), ErrorKind::kIntegrity);
  EXPECT_TRUE(Names().empty());
}

TEST_F(LocalSinkTest, FinishOverwritesNoExistingFile) {
  ASSERT_TRUE(sink_->Begin(shape_).ok());
  ASSERT_TRUE(Put(MakePart(0)).ok());
  WriteFile(directory_ / "a.tar.gz", "another backup");
  const absl::Status status = Finish(kPartBytes);
  EXPECT_TRUE(absl::IsAlreadyExists(status)) << status;
  EXPECT_EQ(ReadFile(directory_ / "a.tar.gz"), "another backup");
  EXPECT_EQ(Names(), std::vector<std::string>{"a.tar.gz"});
}

TEST_F(LocalSinkTest, AbortLeavesNothing) {
  ASSERT_TRUE(sink_->Begin(shape_).ok());
  ASSERT_TRUE(Put(MakePart(0)).ok());
  EXPECT_TRUE(sink_->Abort().ok());
  EXPECT_TRUE(Names().empty());
}

TEST_F(LocalSinkTest, AbortPassesOverAFileThatIsGone) {
  ASSERT_TRUE(sink_->Begin(shape_).ok());
  std::filesystem::remove(directory_ / ".a.tar.gz.partial");
  EXPECT_TRUE(sink_->Abort().ok());
}

TEST_F(LocalSinkTest, EndsPutsAfterCancel) {
  ASSERT_TRUE(sink_->Begin(shape_).ok());
  sink_->Cancel();
  sink_->Cancel();
  EXPECT_TRUE(absl::IsCancelled(Put(MakePart(0))));
  EXPECT_TRUE(sink_->Abort().ok());
  EXPECT_TRUE(Names().empty());
}

TEST_F(LocalSinkTest, EndsOutstandingPutsOnCancel) {
  ASSERT_TRUE(sink_->Begin(shape_).ok());
  Notification first_is_done;
  Notification go_on;
  std::latch done(2);
  std::vector<absl::Status> statuses(2);
  // The first `done` holds the writer, so that the second part is still waiting when Cancel comes.
  sink_->Put(MakePart(0), [&](absl::Status status) {
    statuses[0] = std::move(status);
    first_is_done.Notify();
    go_on.WaitForNotification();
    done.count_down();
  });
  first_is_done.WaitForNotification();
  sink_->Put(MakePart(1), [&](absl::Status status) {
    statuses[1] = std::move(status);
    done.count_down();
  });
  sink_->Cancel();
  go_on.Notify();
  done.wait();
  EXPECT_TRUE(statuses[0].ok());
  EXPECT_TRUE(absl::IsCancelled(statuses[1])) << statuses[1];
  EXPECT_TRUE(sink_->Abort().ok());
}

TEST_F(LocalSinkTest, BeginRefusesAMissingDirectory) {
  LocalSink sink(directory_ / "none", "a.tar.gz");
  EXPECT_TRUE(absl::IsNotFound(sink.Begin(shape_)));
}

TEST_F(LocalSinkTest, BeginRefusesANameThatAnotherRunIsWriting) {
  ASSERT_TRUE(sink_->Begin(shape_).ok());
  LocalSink other(directory_.path(), "a.tar.gz");
  EXPECT_FALSE(other.Begin(shape_).ok());
  ASSERT_TRUE(Put(MakePart(0)).ok());
  EXPECT_TRUE(Finish(kPartBytes).ok());
  EXPECT_EQ(ReadFile(directory_ / "a.tar.gz"), Letters(0));
}

TEST_F(LocalSinkTest, RemoveStaleSparesItWhileItLives) {
  LocalSink sink(directory_.path(), "v_20200101_000000.tar.gz");
  ASSERT_TRUE(sink.Begin(shape_).ok());
  const absl::StatusOr<std::vector<std::string>> removed =
      OpenLocalStorage(directory_.path())->RemoveStale("v", absl::InfiniteFuture());
  ASSERT_TRUE(removed.ok());
  EXPECT_TRUE(removed->empty());
  EXPECT_EQ(Names(), std::vector<std::string>{".v_20200101_000000.tar.gz.partial"});
  EXPECT_TRUE(sink.Abort().ok());
}

TEST_F(LocalSinkTest, RemoveStaleRemovesItWhenItDied) {
  LocalSink(directory_.path(), "v_20200101_000000.tar.gz").Begin(shape_).IgnoreError();
  // Gone with neither Finish nor Abort: as a run that was killed.
  EXPECT_EQ(Names(), std::vector<std::string>{".v_20200101_000000.tar.gz.partial"});
  const absl::StatusOr<std::vector<std::string>> removed =
      OpenLocalStorage(directory_.path())->RemoveStale("v", absl::InfinitePast());
  ASSERT_TRUE(removed.ok());
  EXPECT_EQ(removed->size(), 1u);
  EXPECT_TRUE(Names().empty());
}

}  // namespace
}  // namespace volstream
