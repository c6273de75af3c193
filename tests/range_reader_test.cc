// RangeReader: the bytes of extents in order, from as many reads at a time as are allowed, and no
// others; what becomes of failures and of a reader that stops early.
#include "stages/range_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/notification.h"
#include "tests/support/fake_storage.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

using Reads = std::vector<std::pair<uint64_t, size_t>>;

class RangeReaderTest : public ::testing::Test {
 protected:
  RangeReaderTest() {
    storage_.Set("a", contents_);
    storage_.on_read_at = [this](uint64_t offset, size_t bytes) {
      MutexLock lock(&mu_);
      reads_.emplace_back(offset, bytes);
      return fault_ && offset + bytes > fail_from_ ? absl::UnavailableError("the disk is gone")
                                                   : absl::OkStatus();
    };
    file_ = *ArchiveFile::Open(&storage_, "a");
  }

  // All that the reader gives, asked for in pieces of `piece_bytes`.
  std::string ReadAll(RangeReader* reader, size_t piece_bytes) {
    std::string all;
    while (true) {
      std::string piece(piece_bytes, '\0');
      const absl::StatusOr<size_t> bytes = reader->Read(Span(&piece));
      EXPECT_TRUE(bytes.ok()) << bytes.status();
      all.append(piece, 0, bytes.value_or(0));
      if (bytes.value_or(0) < piece_bytes) return all;
    }
  }
  static MutableByteSpan Span(std::string* text) {
    return MutableByteSpan(reinterpret_cast<uint8_t*>(text->data()), text->size());
  }
  Reads reads() {
    MutexLock lock(&mu_);
    Reads sorted = reads_;
    std::sort(sorted.begin(), sorted.end());
    return sorted;
  }

  const std::string contents_ = RandomBytes(1, 1'000'000);
  FakeStorage storage_;
  std::unique_ptr<ArchiveFile> file_;
  Mutex mu_;
  Reads reads_ ABSL_GUARDED_BY(mu_);
  bool fault_ = false;
  uint64_t fail_from_ = 0;
};

TEST_F(RangeReaderTest, GivesTheWholeFileForEveryNumberOfConnectionsAndPieceSize) {
  for (const int connections : {1, 2, 8}) {
    for (const size_t piece : {1'000u, 65'536u, 999'999u, 1'000'000u, 2'000'000u}) {
      RangeReader reader(file_.get(), {{0, contents_.size()}}, {connections, 1'000, 50'000});
      EXPECT_TRUE(ReadAll(&reader, piece) == contents_) << connections << " " << piece;
    }
  }
}

TEST_F(RangeReaderTest, GivesExtentsInTheirOrderAndReadsNothingElse) {
  const std::vector<ReadExtent> extents = {{900'000, 100'000}, {5, 1}, {100, 0}, {300'000, 70'000}};
  RangeReader reader(file_.get(), extents, {3, 4'096, 32'768});
  std::string wanted;
  for (const ReadExtent& extent : extents) wanted += contents_.substr(extent.offset, extent.bytes);
  EXPECT_TRUE(ReadAll(&reader, 7'777) == wanted);
  EXPECT_EQ(file_->bytes_read(), wanted.size());
  for (const auto& [offset, bytes] : reads()) {
    EXPECT_TRUE(std::any_of(extents.begin(), extents.end(), [&](const ReadExtent& extent) {
      return offset >= extent.offset && offset + bytes <= extent.end();
    })) << offset;
  }
}

TEST_F(RangeReaderTest, ReadsExtentsThatTouchAsOne) {
  RangeReader reader(file_.get(), {{10, 100}, {110, 100}, {210, 100}}, {1, 4'096, 4'096});
  EXPECT_TRUE(ReadAll(&reader, 1'000) == contents_.substr(10, 300));
  EXPECT_EQ(reads(), (Reads{{10, 300}}));
}

TEST_F(RangeReaderTest, DoublesItsRangesUpToTheLargest) {
  RangeReader reader(file_.get(), {{0, 100'000}}, {1, 10'000, 35'000});
  ReadAll(&reader, 100'000);
  EXPECT_EQ(reads(), (Reads{{0, 10'000}, {10'000, 20'000}, {30'000, 35'000}, {65'000, 35'000}}));
}

TEST_F(RangeReaderTest, FetchesNoFurtherAheadThanItsBuffers) {
  Notification third;
  std::atomic<int> count = 0;
  storage_.on_read_at = [&](uint64_t, size_t) {
    if (++count == 3) third.Notify();
    return absl::OkStatus();
  };
  RangeReader reader(file_.get(), {{0, contents_.size()}}, {2, 1'000, 1'000});
  third.WaitForNotification();
  std::string piece(999, '\0');
  EXPECT_EQ(*reader.Read(Span(&piece)), 999u);
  EXPECT_EQ(count, 3);  // two connections and one buffer more; the first is not read to its end
  EXPECT_TRUE(ReadAll(&reader, 10'000) == contents_.substr(999));
  EXPECT_EQ(count, 1'000);
  EXPECT_EQ(reader.peak_buffer_bytes(), 3'000u);
  EXPECT_EQ(reader.max_buffer_bytes(), 3'000u);
}

TEST_F(RangeReaderTest, ReadsAtOneTimeAsManyRangesAsConnections) {
  Notification all;
  std::atomic<int> waiting = 0;
  storage_.on_read_at = [&](uint64_t, size_t) {
    if (++waiting == 5) all.Notify();
    all.WaitForNotification();
    return absl::OkStatus();
  };
  RangeReader reader(file_.get(), {{0, 5'000}}, {5, 1'000, 1'000});
  EXPECT_TRUE(ReadAll(&reader, 5'000) == contents_.substr(0, 5'000));
}

TEST_F(RangeReaderTest, GivesWhatLiesBeforeAFailureAndThenItsError) {
  fault_ = true;
  fail_from_ = 100'000;
  RangeReader reader(file_.get(), {{0, contents_.size()}}, {4, 10'000, 10'000});
  std::string piece(100'000, '\0');
  EXPECT_EQ(*reader.Read(Span(&piece)), 100'000u);
  EXPECT_TRUE(piece == contents_.substr(0, 100'000));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(reader.Read(Span(&piece)).status(), absl::UnavailableError("the disk is gone"));
  }
}

TEST_F(RangeReaderTest, SaysThatTheFileIsCutOffWhereItIsShorterThanItsExtents) {
  RangeReader reader(file_.get(), {{999'000, 2'000}}, {});
  std::string piece(2'000, '\0');
  const absl::Status status = reader.Read(Span(&piece)).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
}

TEST_F(RangeReaderTest, CancelEndsAReadThatWaits) {
  Notification begun, go_on;
  storage_.on_read_at = [&](uint64_t, size_t) {
    begun.Notify();
    go_on.WaitForNotification();
    return absl::OkStatus();
  };
  RangeReader reader(file_.get(), {{0, 1'000}}, {1, 1'000, 1'000});
  std::thread canceller([&] {
    begun.WaitForNotification();
    reader.Cancel();
  });
  std::string piece(1'000, '\0');
  EXPECT_TRUE(absl::IsCancelled(reader.Read(Span(&piece)).status()));
  EXPECT_TRUE(absl::IsCancelled(reader.Read(Span(&piece)).status()));
  canceller.join();
  go_on.Notify();
}

TEST_F(RangeReaderTest, EndsWithoutHavingBeenRead) {
  { RangeReader reader(file_.get(), {{0, contents_.size()}}, {4, 1'000, 1'000}); }
  EXPECT_LE(file_->reads(), 5u);
}

TEST_F(RangeReaderTest, GivesNothingForNoExtents) {
  RangeReader reader(file_.get(), {{7, 0}}, {});
  std::string piece(10, '\0');
  EXPECT_EQ(*reader.Read(Span(&piece)), 0u);
  EXPECT_EQ(file_->reads(), 0u);
}

}  // namespace
}  // namespace volstream
