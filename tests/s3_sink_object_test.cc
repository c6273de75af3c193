// S3Sink: how the object is stored and proven beyond its bytes: checksums, encryption, conditional
// writes, versions.
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "stages/crc.h"
#include "stages/error_kind.h"
#include "stages/s3_sink.h"
#include "tests/support/s3_fixture.h"

namespace volstream {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr char kPath[] = "bucket/p/x.tar.gz";

class S3SinkObjectTest : public S3Fixture {
 protected:
  // Uploads three parts, or one PUT, and gives what Finish gave.
  absl::StatusOr<std::string> Upload() {
    sink_ = std::make_unique<S3Sink>(client_.get(), "p/x.tar.gz", object_, provider_);
    if (absl::Status status = sink_->Begin({single_ ? kPartBytes : 0, kPartBytes}); !status.ok()) {
      return status;
    }
    absl::Status put;
    for (uint64_t i = 0; i < (single_ ? 1u : 3u); ++i) {
      sink_->Put(MakePart(i, absl::StrCat("part", i, ";"), &summary_),
                 [&put](absl::Status status) { put.Update(status); });
    }
    if (!put.ok()) {
      put.Update(sink_->Abort());
      return put;
    }
    return sink_->Finish(summary_);
  }

  // Answers HEAD with one header more.
  void HeadSays(const std::string& name, const std::string& value, int times = 9) {
    transport_.Add(
        {.match = "HEAD x.tar.gz", .times = times, .edit = [name, value](HttpResponse& response) {
           response.headers.push_back({name, value});
         }});
  }
  // Answers the request that makes the object with one header more.
  void CreateSays(const std::string& name, const std::string& value) {
    transport_.Add({.match = single_ ? "PUT x.tar.gz" : "POST uploads",
                    .edit = [name, value](HttpResponse& response) {
                      response.headers.push_back({name, value});
                    }});
  }

  S3ObjectOptions object_;
  S3Provider provider_;
  bool single_ = false;
  StreamSummary summary_;
  std::unique_ptr<S3Sink> sink_;
};

TEST_F(S3SinkObjectTest, SendsNoChecksumWhereTheProviderIsNotKnownToTakeOne) {
  ASSERT_TRUE(Upload().ok());
  for (const FakeTransport::Sent& sent : transport_.Requests()) {
    for (const HttpHeader& header : sent.headers) {
      EXPECT_FALSE(absl::StrContains(header.name, "checksum")) << sent.line;
      EXPECT_NE(header.name, "If-None-Match") << sent.line;
    }
  }
  EXPECT_THAT(sink_->Facts(), Contains(Pair("proof", "size, ETag")));
}

TEST_F(S3SinkObjectTest, PutsTheWholeChecksumTogetherFromTheParts) {
  provider_.checksums = true;
  const S3ChecksumOf crc(S3Checksum::kCrc64Nvme, provider_);
  const std::string whole = crc.Text(Crc64Nvme(AsBytes("part0;part1;part2;")));
  HeadSays("x-amz-checksum-crc64nvme", whole);
  const absl::StatusOr<std::string> etag = Upload();
  ASSERT_TRUE(etag.ok()) << etag.status();
  const FakeTransport::Sent create = transport_.Requests("?uploads").at(0);
  EXPECT_EQ(create.Header("x-amz-checksum-algorithm"), "CRC64NVME");
  EXPECT_EQ(create.Header("x-amz-checksum-type"), "FULL_OBJECT");
  const std::string second = crc.Text(Crc64Nvme(AsBytes("part1;")));
  const FakeTransport::Sent part = transport_.Requests("partNumber=2").at(0);
  EXPECT_EQ(part.Header("x-amz-checksum-crc64nvme"), second);
  EXPECT_EQ(part.Header("Content-MD5"), ToBase64(Md5Of(AsBytes("part1;"))));
  const FakeTransport::Sent complete =
      transport_.Requests("POST /bucket/p/x.tar.gz?uploadId").at(0);
  EXPECT_EQ(complete.Header("x-amz-checksum-crc64nvme"), whole);
  EXPECT_THAT(complete.body,
              HasSubstr(absl::StrCat("<ChecksumCRC64NVME>", second, "</ChecksumCRC64NVME>")));
  EXPECT_EQ(transport_.Requests("HEAD").at(0).Header("x-amz-checksum-mode"), "ENABLED");
  EXPECT_THAT(sink_->Facts(), Contains(Pair("proof", "size, ETag, CRC64NVME")));
  EXPECT_THAT(sink_->Facts(), Contains(Pair("checksum", "CRC64NVME " + whole)));
}

TEST_F(S3SinkObjectTest, DeletesAnObjectWithAnotherChecksum) {
  object_.checksum = S3Checksum::kCrc32c;
  HeadSays("x-amz-checksum-crc32c", "AAAAAA==");
  const absl::Status status = Upload().status();
  EXPECT_EQ(KindOf(status), ErrorKind::kIntegrity);
  EXPECT_THAT(std::string(status.message()), HasSubstr("CRC32C AAAAAA==, not "));
  EXPECT_EQ(transport_.Objects().count(kPath), 0u);
}

TEST_F(S3SinkObjectTest, KeepsAnObjectWhoseFirstAnswerAloneWasDamaged) {
  object_.checksum = S3Checksum::kCrc32c;
  HeadSays("x-amz-checksum-crc32c", "AAAAAA==", /*times=*/1);
  ASSERT_TRUE(Upload().ok());
  EXPECT_EQ(transport_.Objects().at(kPath), "part0;part1;part2;");
}

TEST_F(S3SinkObjectTest, SaysThatTheServerKeptNoChecksum) {
  object_.checksum = S3Checksum::kCrc32c;
  single_ = true;
  ASSERT_TRUE(Upload().ok());
  EXPECT_FALSE(transport_.Requests("PUT").at(0).Header("x-amz-checksum-crc32c").empty());
  EXPECT_THAT(sink_->Facts(), Contains(Pair("proof", "size, ETag")));
  EXPECT_THAT(sink_->Facts(), Contains(Pair("checksum", HasSubstr("the server keeps none"))));
}

TEST_F(S3SinkObjectTest, TellsHowAnObjectIsProvenWhoseEtagIsNoMd5) {
  object_.encryption = S3Encryption::kKms;
  object_.kms_key_id = "a-key";
  CreateSays("x-amz-server-side-encryption", "aws:kms");
  HeadSays("x-amz-server-side-encryption", "aws:kms");
  HeadSays("x-amz-version-id", "v1");
  ASSERT_TRUE(Upload().ok());
  const FakeTransport::Sent create = transport_.Requests("?uploads").at(0);
  EXPECT_EQ(create.Header("x-amz-server-side-encryption-aws-kms-key-id"), "a-key");
  EXPECT_THAT(sink_->Facts(), Contains(Pair("encryption", "SSE-KMS")));
  EXPECT_THAT(
      sink_->Facts(),
      Contains(Pair("proof", "size, Content-MD5 of each part; the ETag is no MD5 under SSE-KMS")));
}

TEST_F(S3SinkObjectTest, SendsNothingToAServerThatIgnoresTheEncryptionAskedFor) {
  object_.encryption = S3Encryption::kS3;
  const absl::Status status = Upload().status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("does not confirm the encryption"));
  EXPECT_TRUE(transport_.Requests("partNumber").empty());
  EXPECT_EQ(transport_.UploadCount(), 0u);
}

TEST_F(S3SinkObjectTest, RemovesASinglePutThatWasNotEncrypted) {
  object_.encryption = S3Encryption::kS3;
  single_ = true;
  EXPECT_FALSE(Upload().ok());
  EXPECT_EQ(transport_.Objects().count(kPath), 0u);
}

TEST_F(S3SinkObjectTest, SendsTheCustomerKeyWithEveryRequestForTheObject) {
  object_.encryption = S3Encryption::kCustomerKey;
  object_.customer_key = std::string(32, 'k');
  CreateSays("x-amz-server-side-encryption-customer-algorithm", "AES256");
  HeadSays("x-amz-server-side-encryption-customer-algorithm", "AES256");
  ASSERT_TRUE(Upload().ok());
  for (const FakeTransport::Sent& sent : transport_.Requests("x.tar.gz")) {
    EXPECT_FALSE(sent.Header("x-amz-server-side-encryption-customer-key").empty()) << sent.line;
    EXPECT_FALSE(absl::StrContains(sent.line, "kkkk"));
  }
}

TEST_F(S3SinkObjectTest, NeverReplacesOrRemovesAnotherObject) {
  provider_.conditional_puts = true;
  for (const bool single : {false, true}) {
    SCOPED_TRACE(single);
    single_ = single;
    summary_ = StreamSummary();
    transport_.PutObject(kPath, "older");
    transport_.Add({.match = single ? "PUT x.tar.gz" : "POST x.tar.gz?uploadId",
                    .response = S3ErrorResponse(412, "PreconditionFailed")});
    const absl::Status status = Upload().status();
    EXPECT_THAT(std::string(status.message()), HasSubstr("other bytes"));
    EXPECT_EQ(transport_.Objects().at(kPath), "older");
    EXPECT_EQ(transport_.UploadCount(), 0u);
  }
}

TEST_F(S3SinkObjectTest, TakesAnObjectThatItsOwnLostCompleteHasMade) {
  provider_.conditional_puts = true;
  const std::string match = "POST x.tar.gz?uploadId";
  transport_.Add({.match = match, .take_effect = true, .transport = absl::UnavailableError("")});
  transport_.Add({.match = match, .response = S3ErrorResponse(412, "PreconditionFailed")});
  const absl::StatusOr<std::string> etag = Upload();
  EXPECT_TRUE(etag.ok()) << etag.status();
  EXPECT_EQ(transport_.Requests("POST /bucket/p/x.tar.gz?uploadId").size(), 2u);
}

TEST_F(S3SinkObjectTest, TakesAnObjectThatItsOwnLostPutHasMade) {
  provider_.conditional_puts = true;
  single_ = true;
  transport_.Add(
      {.match = "PUT x.tar.gz", .take_effect = true, .transport = absl::UnavailableError("")});
  const absl::StatusOr<std::string> etag = Upload();
  EXPECT_TRUE(etag.ok()) << etag.status();
  ASSERT_EQ(transport_.Requests("PUT").size(), 2u);
  EXPECT_EQ(transport_.Requests("PUT")[1].Header("If-None-Match"), "*");
}

TEST_F(S3SinkObjectTest, RemovesTheVersionThatItMadeAndNoOther) {
  transport_.Add({.match = "POST x.tar.gz?uploadId", .edit = [](HttpResponse& response) {
                    response.headers.push_back({"x-amz-version-id", "v7"});
                  }});
  object_.checksum = S3Checksum::kCrc32c;
  HeadSays("x-amz-checksum-crc32c", "AAAAAA==");
  EXPECT_FALSE(Upload().ok());
  EXPECT_THAT(transport_.Requests("DELETE").at(0).line, HasSubstr("versionId=v7"));
}

}  // namespace
}  // namespace volstream
