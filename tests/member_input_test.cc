// MemberInput: the tar of archives, whole or in pieces, through the real pipeline; its memory, and
// its end when the consumer or the storage stops early. Damage is in member_input_damage_test.
#include "stages/member_input.h"

#include <gtest/gtest.h>
#include <xxhash.h>

#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "engine/notification.h"
#include "stages/digest.h"
#include "stages/error_kind.h"
#include "stages/member_framing.h"
#include "tests/support/fake_storage.h"
#include "tests/support/member_archive.h"
#include "tests/support/tar_reader.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

class MemberInputTest : public ::testing::TestWithParam<ArchiveFormat> {
 protected:
  void Store(const std::string& bytes) {
    storage_.Set("a.tar.gz", bytes);
    file_ = *ArchiveFile::Open(&storage_, "a.tar.gz");
  }
  std::unique_ptr<MemberInput> Open(MemberInputOptions options = {}) {
    options.format = GetParam();
    absl::StatusOr<std::unique_ptr<MemberInput>> input =
        MemberInput::Open(file_.get(), std::move(options));
    EXPECT_TRUE(input.ok()) << input.status();
    return *std::move(input);
  }
  static std::string ReadAll(TarInput* input) {
    std::string all;
    while (true) {
      const absl::StatusOr<SharedBytes> next = input->Next();
      EXPECT_TRUE(next.ok()) << next.status();
      if (!next.ok() || next->bytes.empty()) return all;
      all.append(reinterpret_cast<const char*>(next->bytes.data()), next->bytes.size());
    }
  }
  static MemberInputOptions Small(uint64_t memory_bytes = 7 * kMiB) {
    MemberInputOptions options;
    options.memory_bytes = memory_bytes;
    options.max_member_tar_bytes = kMiB;
    return options;
  }

  FakeStorage storage_;
  std::unique_ptr<ArchiveFile> file_;
};

INSTANTIATE_TEST_SUITE_P(Formats, MemberInputTest,
                         ::testing::Values(ArchiveFormat::kGzip, ArchiveFormat::kZstd),
                         kFormatTestName);

TEST_P(MemberInputTest, GivesTheTarOfATree) {
  const TempDir dir;
  MakeTree(dir / "tree", {.seed = 3, .incompressible_bytes = 12 * kMiB});
  const MemberArchive archive = ArchiveOfTree(dir / "tree", GetParam());
  ASSERT_GT(archive.bytes.size(), 10 * kMiB);
  Store(archive.bytes + IndexMemberOf("VI", "page", GetParam()) +
        IndexMemberOf("VF", "footer", GetParam()));
  const std::unique_ptr<MemberInput> input = Open();
  const std::string tar = ReadAll(input.get());
  EXPECT_TRUE(tar == archive.tar);
  EXPECT_TRUE((*input->Next()).bytes.empty());
}

TEST_P(MemberInputTest, GivesTheSameForEveryNumberOfWorkersAndLittleMemory) {
  const MemberArchive archive = RandomArchive(1, 200, 200'000, GetParam());
  Store(archive.bytes);
  for (const int workers : {1, 2, 5}) {
    for (const int connections : {1, 8}) {
      for (const uint64_t memory : {6 * kMiB, 64 * kMiB}) {
        MemberInputOptions options = Small(memory);
        options.workers = workers;
        options.connections = connections;
        EXPECT_TRUE(ReadAll(Open(options).get()) == archive.tar) << workers << " " << connections;
      }
    }
  }
}

TEST_P(MemberInputTest, ReadsTheArchiveOnce) {
  const MemberArchive archive = RandomArchive(2, 50, 200'000, GetParam());
  Store(archive.bytes);
  ReadAll(Open().get());
  EXPECT_EQ(file_->bytes_read(), archive.bytes.size());
}

TEST_P(MemberInputTest, RunsGiveTheirPiecesAndFetchNothingElse) {
  const MemberArchive archive = RandomArchive(3, 100, 50'000, GetParam());
  Store(archive.bytes);
  MemberInputOptions options;
  std::string wanted;
  uint64_t bytes = 0;
  for (const auto& [first, count] :
       std::vector<std::pair<size_t, size_t>>{{90, 10}, {3, 1}, {20, 30}}) {
    MemberRun run{archive.members[first].archive_offset, 0};
    for (size_t i = first; i < first + count; ++i) {
      run.archive_bytes += archive.members[i].archive_bytes;
      wanted += archive.tar.substr(archive.members[i].tar_offset, archive.members[i].tar_bytes);
    }
    bytes += run.archive_bytes;
    options.runs.push_back(run);
  }
  EXPECT_TRUE(ReadAll(Open(options).get()) == wanted);
  EXPECT_EQ(file_->bytes_read(), bytes);
}

TEST_P(MemberInputTest, ReadsAnArchiveOfNothing) {
  Store(IndexMemberOf("VF", "footer", GetParam()));
  EXPECT_EQ(ReadAll(Open().get()), "");
  Store(MemberOf("", GetParam()));
  EXPECT_EQ(ReadAll(Open().get()), "");
}

TEST_P(MemberInputTest, ReadsLargerMembersWhereItIsTold) {
  const MemberArchive archive =
      ArchiveOf({RandomBytes(1, 3 * kMiB), std::string(3 * kMiB, 'x')}, GetParam());
  Store(archive.bytes);
  MemberInputOptions options;
  options.max_member_bytes = archive.members[0].archive_bytes;
  options.max_member_tar_bytes = 3 * kMiB;
  EXPECT_TRUE(ReadAll(Open(options).get()) == archive.tar);
}

TEST_P(MemberInputTest, RefusesAnIndexThatAsksForTooMuch) {
  Store(MemberOf("data", GetParam()));
  MemberInputOptions options;
  options.max_member_tar_bytes = kMaxMemberTarBytes + 1;
  EXPECT_TRUE(absl::IsDataLoss(MemberInput::Open(file_.get(), options).status()));
}

TEST_P(MemberInputTest, KeepsTheDigestsThatAreWanted) {
  const std::string bytes =
      RandomArchive(4, 20, 50'000, GetParam()).bytes + IndexMemberOf("VF", "footer", GetParam());
  Store(bytes);
  MemberInputOptions options;
  options.want_xxh3 = true;
  std::unique_ptr<MemberInput> input = Open(options);
  ReadAll(input.get());
  EXPECT_EQ(input->archive_xxh3(),
            absl::StrFormat("%016x", XXH3_64bits(bytes.data(), bytes.size())));
  EXPECT_EQ(input->archive_md5(), "");
  options.want_md5 = true;
  input = Open(options);
  ReadAll(input.get());
  EXPECT_EQ(input->archive_md5(), ToHex(Md5Of(AsBytes(bytes))));
}

TEST_P(MemberInputTest, NamesTheMemoryThatItNeeds) {
  Store(MemberOf("data", GetParam()));
  const absl::Status status = MemberInput::Open(file_.get(), Small(5 * kMiB)).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_NE(status.message().find("at least 6 MiB"), absl::string_view::npos) << status;
  EXPECT_EQ(ReadAll(Open(Small(6 * kMiB)).get()), "data");
}

TEST_P(MemberInputTest, ReadsAnyMemberThatTheMemoryIsEnoughForWithoutAnIndex) {
  const bool gzip = GetParam() == ArchiveFormat::kGzip;
  const MemberArchive archive =
      ArchiveOf({RandomBytes(1, gzip ? kMiB : 4 * kMiB), std::string(10, 'x')}, GetParam());
  Store(archive.bytes);
  MemberInputOptions options;
  for (const uint64_t memory : {24 * kMiB, 100 * kMiB}) {
    options.memory_bytes = memory;
    EXPECT_TRUE(ReadAll(Open(options).get()) == archive.tar) << memory;
  }
  if (gzip) return;
  options.memory_bytes = 8 * kMiB;
  EXPECT_TRUE(absl::IsDataLoss(Open(options)->Next().status()));
}

TEST_P(MemberInputTest, BuffersStayWithinTheMemory) {
  Store(RandomArchive(5, 100, kMiB, GetParam()).bytes);
  for (const uint64_t memory : {6 * kMiB, 16 * kMiB, 256 * kMiB}) {
    const std::unique_ptr<MemberInput> input = Open(Small(memory));
    ReadAll(input.get());
    EXPECT_LE(input->usage().bound_bytes, memory);
    EXPECT_LE(input->usage().read_ahead_bytes, memory / 4);
    EXPECT_GT(input->usage().read_ahead_bytes, 0u);
  }
}

// What was read in the end is all of it, though half of the memory's parts are always pinned.
TEST_P(MemberInputTest, GoesOnWhileTheConsumerKeepsSomeParts) {
  const MemberArchive archive = RandomArchive(6, 100, kMiB, GetParam());
  Store(archive.bytes);
  const std::unique_ptr<MemberInput> input = Open(Small(16 * kMiB));
  std::deque<SharedBytes> kept;
  std::string tar;
  while (true) {
    absl::StatusOr<SharedBytes> next = input->Next();
    ASSERT_TRUE(next.ok()) << next.status();
    if (next->bytes.empty()) break;
    kept.push_back(*std::move(next));
    if (kept.size() < 3) continue;
    tar.append(reinterpret_cast<const char*>(kept[0].bytes.data()), kept[0].bytes.size());
    kept.pop_front();
  }
  for (const SharedBytes& rest : kept) {
    tar.append(reinterpret_cast<const char*>(rest.bytes.data()), rest.bytes.size());
  }
  EXPECT_TRUE(tar == archive.tar);
}

TEST_P(MemberInputTest, BytesOutliveTheInput) {
  const MemberArchive archive = RandomArchive(7, 30, kMiB, GetParam());
  Store(archive.bytes);
  SharedBytes first;
  {
    const std::unique_ptr<MemberInput> input = Open(Small());
    first = *input->Next();
  }
  ASSERT_FALSE(first.bytes.empty());
  EXPECT_EQ(std::string(first.bytes.begin(), first.bytes.end()),
            archive.tar.substr(0, first.bytes.size()));
}

TEST_P(MemberInputTest, EndsWhereItsConsumerStopsEarly) {
  const MemberArchive archive = RandomArchive(8, 100, kMiB, GetParam());
  Store(archive.bytes);
  for (const int pieces : {0, 1, 3}) {
    const std::unique_ptr<MemberInput> input = Open(Small(16 * kMiB));
    for (int i = 0; i < pieces; ++i) EXPECT_TRUE(input->Next().ok());
  }
}

TEST_P(MemberInputTest, CancelEndsANextThatWaits) {
  Store(RandomArchive(9, 10, kMiB, GetParam()).bytes);
  Notification reading, go_on;
  std::atomic<bool> first = true;
  storage_.on_read_at = [&](uint64_t, size_t) {
    if (first.exchange(false)) reading.Notify();
    go_on.WaitForNotification();
    return absl::OkStatus();
  };
  const std::unique_ptr<MemberInput> input = Open();
  std::thread canceller([&] {
    reading.WaitForNotification();
    input->Cancel();
  });
  for (int i = 0; i < 2; ++i) {
    const absl::Status status = input->Next().status();
    EXPECT_TRUE(absl::IsCancelled(status)) << status;
    EXPECT_EQ(KindOf(status), ErrorKind::kInterrupted);
  }
  canceller.join();
  go_on.Notify();
}

TEST_P(MemberInputTest, EndsWithTheStoragesErrorWhereThatFailsInTheMiddle) {
  const MemberArchive archive = RandomArchive(10, 60, kMiB, GetParam());
  Store(archive.bytes);
  const absl::Status gone =
      MakeError(ErrorKind::kS3, absl::StatusCode::kUnavailable, "the bucket is gone");
  storage_.on_read_at = [&](uint64_t offset, size_t bytes) {
    return offset + bytes > archive.bytes.size() / 2 ? gone : absl::OkStatus();
  };
  const std::unique_ptr<MemberInput> input = Open(Small());
  absl::Status status;
  while (status.ok()) {
    const absl::StatusOr<SharedBytes> next = input->Next();
    status = next.status();
    ASSERT_FALSE(next.ok() && next->bytes.empty());
  }
  EXPECT_EQ(status, gone);
  EXPECT_EQ(input->Next().status(), gone);
}

TEST_P(MemberInputTest, KnowsTheFormatOfWhatBeginsWithAMemberThatSaysHowLongItIs) {
  Store(MemberOf("data", GetParam()));
  EXPECT_EQ(*MemberInput::FormatOf(file_.get()), GetParam());
  for (const std::string& other :
       {std::string(), std::string("\x1f\x8b"), std::string(600, 'x'), IndexMemberOf("BC", "ab")}) {
    Store(other);
    EXPECT_EQ(*MemberInput::FormatOf(file_.get()), std::nullopt);
  }
  storage_.faults.read_at = absl::UnavailableError("no answer");
  Store(MemberOf("data", GetParam()));
  EXPECT_EQ(MemberInput::FormatOf(file_.get()).status(), storage_.faults.read_at);
}

}  // namespace
}  // namespace volstream
