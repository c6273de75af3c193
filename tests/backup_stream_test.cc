// The parts of a backup whose stream's length nobody knows: what the receipt says of them, an ETag
// that follows from it, and the end of what they can hold.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "stages/backup.h"
#include "stages/digest.h"
#include "stages/error_kind.h"
#include "stages/s3_sink.h"
#include "stages/s3_storage.h"
#include "tests/support/backup_fixture.h"
#include "tests/support/s3_fixture.h"
#include "tests/support/text_stream.h"

namespace volstream {
namespace {

// In 64 MiB, two workers' slabs and three parts of 8, 17 and 25 MiB, two of the last at a time.
class BackupStreamTest : public BackupTest {
 protected:
  BackupStreamTest() {
    one_.limits = PartLimits{3, false};
    options_.source = "stream";
    options_.stream_is_tar = false;
    options_.on_event = [this](Severity, std::string_view text) {
      MutexLock lock(&mu_);
      absl::StrAppend(&log_, absl::string_view(text.data(), text.size()), "\n");
    };
  }

  // Of bytes that do not shrink.
  BackupReport RunStream(size_t bytes, std::vector<Storage*> storages) {
    TextStream stream(RandomBytes(1, bytes), kMiB);
    options_.stream = &stream;
    return Run(std::move(storages));
  }

  std::string log() const {
    MutexLock lock(&mu_);
    return log_;
  }

 private:
  mutable Mutex mu_;
  std::string log_ ABSL_GUARDED_BY(mu_);
};

TEST_F(BackupStreamTest, TheReceiptSaysHowPartsGrew) {
  const BackupReport report = RunStream(40 * kMiB, {&one_});
  ASSERT_TRUE(report.status.ok()) << report.status;
  const Receipt receipt = ReceiptIn(one_);
  EXPECT_EQ(receipt.part_bytes, 8 * kMiB);
  EXPECT_EQ(receipt.part_step_bytes, 9 * kMiB);
  EXPECT_EQ(receipt.parts_per_step, 1u);
  EXPECT_EQ(receipt.max_part_bytes, 25 * kMiB);
  EXPECT_EQ(receipt.part_count, 3u);
  EXPECT_LE(report.stats.peak_part_buffer_bytes + 12 * kMiB, options_.memory_bytes);
}

TEST_F(BackupStreamTest, TheLogSaysHowLongTheStreamMayGet) {
  ASSERT_TRUE(RunStream(kMiB, {&one_}).status.ok());
  EXPECT_TRUE(absl::StrContains(log(), "3 parts of 8 to 25 MiB; --expected-size")) << log();
}

TEST_F(BackupStreamTest, AStreamThatOutgrowsItsPartsIsNoBackup) {
  const absl::Status status = RunStream(50 * kMiB, {&one_}).status;
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(KindOf(status), ErrorKind::kGeneral);
  for (const char* word : {"outgrown", "3 parts", "25 MiB", "--memory", "--expected-size"}) {
    EXPECT_TRUE(absl::StrContains(status.message(), word)) << status;
  }
  ExpectNothingIn(one_);
}

TEST_F(BackupStreamTest, ADirectoryTakesAnyLength) {
  one_.limits = kNoPartLimits;
  ASSERT_TRUE(RunStream(50 * kMiB, {&one_}).status.ok());
  EXPECT_EQ(ReceiptIn(one_).part_bytes, 8 * kMiB);
  EXPECT_EQ(ReceiptIn(one_).part_step_bytes, 0u);
  EXPECT_FALSE(absl::StrContains(log(), "length of the stream")) << log();
}

TEST_F(BackupStreamTest, TheStrictestOfSeveralDestinationsCounts) {
  one_.limits = kNoPartLimits;
  two_.limits = PartLimits{3, true};
  const absl::Status status = RunStream(26 * kMiB, {&one_, &two_}).status;
  EXPECT_TRUE(absl::StrContains(status.message(), "3 parts of up to 8 MiB")) << status;
}

TEST_F(BackupStreamTest, ADestinationThatFailedDoesNotCount) {
  two_.limits = kNoPartLimits;
  one_.faults.check = absl::PermissionDeniedError("no");
  EXPECT_EQ(KindOf(RunStream(50 * kMiB, {&one_, &two_}).status), ErrorKind::kPartial);
  EXPECT_EQ(ReceiptIn(two_).part_step_bytes, 0u);
}

// Over FakeTransport, as a thousand parts reach 5 TiB only by a step after every part.
class GrownUploadTest : public S3Fixture {};

TEST_F(GrownUploadTest, HasTheEtagThatItsBytesAndItsReceiptGive) {
  S3Options s3_options = Options();
  s3_options.provider = "scaleway";
  const absl::StatusOr<std::unique_ptr<Storage>> storage =
      OpenS3StorageOver(&transport_, *ParseS3Location("s3://bucket/p/"), s3_options);
  ASSERT_TRUE(storage.ok()) << storage.status();
  TextStream stream(RandomBytes(1, 60 * kMiB), kMiB);
  BackupOptions options;
  options.source = "stream";
  options.stream = &stream;
  options.stream_is_tar = false;
  options.level = 1;
  options.workers = 2;
  options.memory_bytes = 2 * kGiB;
  const BackupReport report = Backup(options, {storage->get()}).Run();
  ASSERT_TRUE(report.status.ok()) << report.status;

  const auto& objects = transport_.Objects();
  const std::string key = absl::StrCat("bucket/p/", report.receipt.archive);
  const absl::StatusOr<Receipt> receipt = Receipt::FromJson(objects.at(key + ".receipt.json"));
  ASSERT_TRUE(receipt.ok()) << receipt.status();
  EXPECT_GT(receipt->part_step_bytes, 0u);
  const std::string& bytes = objects.at(key);
  Md5Stream md5s;
  size_t offset = 0;
  for (uint64_t i = 0; i < receipt->part_count; ++i) {
    const uint64_t part_bytes =
        std::min(receipt->part_bytes + receipt->part_step_bytes * (i / receipt->parts_per_step),
                 receipt->max_part_bytes);
    const std::string part = bytes.substr(offset, part_bytes);
    md5s.Update(Md5Of(AsBytes(part)));
    offset += part.size();
  }
  EXPECT_EQ(offset, bytes.size());
  EXPECT_EQ(receipt->part_count, 4u);
  EXPECT_EQ(receipt->etag, absl::StrCat(ToHex(md5s.Finish()), "-", receipt->part_count));
}

TEST_F(GrownUploadTest, KeepsPartsEqualWhereTheProviderWantsThat) {
  S3Options s3_options = Options();
  s3_options.provider = "r2";
  const absl::StatusOr<std::unique_ptr<Storage>> storage =
      OpenS3StorageOver(&transport_, *ParseS3Location("s3://bucket/p/"), s3_options);
  ASSERT_TRUE(storage.ok()) << storage.status();
  EXPECT_TRUE((*storage)->part_limits().equal_parts);
  EXPECT_EQ((*storage)->part_limits().max_parts, 10'000u);
}

// The one PUT is for what surely fits one part.
TEST_F(GrownUploadTest, IsOnePutUpToExactlyTheFirstPart) {
  for (const int more : {-1, 0, 1}) {
    S3Sink sink(client_.get(), absl::StrCat("k", more));
    ASSERT_TRUE(sink.Begin(StreamShape{kPartBytes + more, kPartBytes, 2 * kPartBytes}).ok());
    EXPECT_EQ(transport_.UploadCount(), more > 0 ? 1u : 0u) << more;
  }
}

}  // namespace
}  // namespace volstream
