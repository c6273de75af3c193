#include "stages/s3_sink.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "stages/error_kind.h"
#include "tests/support/s3_fixture.h"

namespace volstream {
namespace {

constexpr char kPath[] = "bucket/p/x.tar.gz";

class S3SinkTest : public S3Fixture {
 protected:
  void SetUp() override { sink_ = std::make_unique<S3Sink>(client_.get(), "p/x.tar.gz"); }

  void BeginUpload() { ASSERT_TRUE(sink_->Begin({0, kPartBytes}).ok()); }
  void BeginSingle() { ASSERT_TRUE(sink_->Begin({kPartBytes, kPartBytes}).ok()); }

  // The outcome of one Put; kUnknown if it is still outstanding.
  absl::Status Put(uint64_t index, std::string_view text) {
    outcomes_.push_back(std::make_unique<absl::Status>(absl::UnknownError("outstanding")));
    absl::Status* const outcome = outcomes_.back().get();
    sink_->Put(MakePart(index, text, &summary_), [this, outcome](absl::Status status) {
      *outcome = std::move(status);
      parts_in_use_when_done_ = pool_.usage().parts_in_use;
    });
    return *outcome;
  }

  void PutThree() {
    for (uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(Put(i, absl::StrCat("part", i, ";")).ok());
  }

  void ExpectNothingLeft() {
    EXPECT_EQ(transport_.UploadCount(), 0u);
    EXPECT_EQ(transport_.Objects().count(kPath), 0u);
  }

  StreamSummary summary_;
  std::vector<std::unique_ptr<absl::Status>> outcomes_;
  size_t parts_in_use_when_done_ = 0;
  std::unique_ptr<S3Sink> sink_;
};

TEST_F(S3SinkTest, UploadsPartsInAnyOrder) {
  BeginUpload();
  // The summary wants them in order, the sink does not.
  StreamSummary ordered;
  std::vector<std::shared_ptr<const Part>> parts;
  for (uint64_t i = 0; i < 3; ++i) {
    parts.push_back(MakePart(i, absl::StrCat("part", i, ";"), &ordered));
  }
  std::reverse(parts.begin(), parts.end());
  for (auto& part : parts) sink_->Put(std::move(part), [](absl::Status s) { EXPECT_TRUE(s.ok()); });
  const absl::StatusOr<std::string> etag = sink_->Finish(ordered);
  ASSERT_TRUE(etag.ok()) << etag.status();
  EXPECT_EQ(*etag, MultipartEtag(ordered.parts));
  EXPECT_TRUE(absl::EndsWith(*etag, "-3"));
  EXPECT_EQ(transport_.Objects().at(kPath), "part0;part1;part2;");
  EXPECT_EQ(transport_.UploadCount(), 0u);
}

TEST_F(S3SinkTest, SendsOnePutWhenTheStreamFitsOnePart) {
  BeginSingle();
  ASSERT_TRUE(Put(0, "small").ok());
  EXPECT_EQ(*sink_->Finish(summary_), ToHex(Md5Of(AsBytes("small"))));
  EXPECT_EQ(transport_.Objects().at(kPath), "small");
  EXPECT_TRUE(transport_.Requests("uploads").empty());
}

TEST_F(S3SinkTest, DropsThePartBeforeDone) {
  BeginUpload();
  ASSERT_TRUE(Put(0, "x").ok());
  EXPECT_EQ(parts_in_use_when_done_, 0u);
}

TEST_F(S3SinkTest, SendsThePartsOwnDigests) {
  BeginUpload();
  ASSERT_TRUE(Put(0, "x").ok());
  const FakeTransport::Sent sent = transport_.Requests("partNumber=1").at(0);
  EXPECT_EQ(sent.Header("Content-MD5"), ToBase64(Md5Of(AsBytes("x"))));
  EXPECT_EQ(sent.Header("x-amz-content-sha256"), ToHex(Sha256Of(AsBytes("x"))));
}

TEST_F(S3SinkTest, WantsSha256OnHttpAlone) {
  EXPECT_TRUE(sink_->WantsSha256());
  S3Options options = Options();
  options.endpoint_url = "https://fake";
  const std::unique_ptr<S3Client> client = NewClient(options);
  EXPECT_FALSE(S3Sink(client.get(), "k").WantsSha256());
}

TEST_F(S3SinkTest, RefusesPlansBeyondS3sLimits) {
  EXPECT_EQ(sink_->Begin({0, kPartBytes - 1}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(sink_->Begin({10'001 * uint64_t{kPartBytes}, kPartBytes}).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(transport_.Requests().empty());
}

TEST_F(S3SinkTest, RefusesPart10001BeforeSending) {
  BeginUpload();
  EXPECT_TRUE(Put(9'999, "last").ok());
  const absl::Status status = Put(10'000, "x");
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(KindOf(status), ErrorKind::kS3);
  EXPECT_TRUE(transport_.Requests("partNumber=10001").empty());
}

TEST_F(S3SinkTest, RetriesAPartThatFailsInPassing) {
  transport_.Add({.match = "PUT partNumber=2", .response = S3ErrorResponse(503, "SlowDown")});
  transport_.Add({.match = "PUT partNumber=2", .transport = absl::UnavailableError("reset")});
  BeginUpload();
  PutThree();
  EXPECT_TRUE(sink_->Finish(summary_).ok());
  EXPECT_EQ(transport_.Requests("partNumber=2").size(), 3u);
}

TEST_F(S3SinkTest, NamesThePartThatFails) {
  transport_.Add(
      {.match = "PUT partNumber=17", .times = 9, .response = S3ErrorResponse(503, "SlowDown")});
  BeginUpload();
  const absl::Status status = Put(16, "x");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(absl::StartsWith(
      status.message(), "part 17 of s3://bucket/p/x.tar.gz: HTTP 503 SlowDown after 5 tries"))
      << status;
  EXPECT_TRUE(sink_->Abort().ok());
  ExpectNothingLeft();
}

TEST_F(S3SinkTest, SendsAPartAgainWhenTheEtagDiffers) {
  const auto wrong = [](HttpResponse& response) {
    response.headers = {{"ETag", "\"00000000000000000000000000000000\""}};
  };
  transport_.Add({.match = "PUT partNumber=1", .times = 2, .edit = wrong});
  BeginUpload();
  EXPECT_TRUE(Put(0, "x").ok());
  transport_.Add({.match = "PUT partNumber=2", .times = 99, .edit = wrong});
  const absl::Status status = Put(1, "y");
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(KindOf(status), ErrorKind::kIntegrity);
  EXPECT_EQ(transport_.Requests("partNumber=2").size(), 3u);
}

TEST_F(S3SinkTest, TakesAPartWithoutAnEtag) {
  transport_.Add({.match = "PUT partNumber=1",
                  .edit = [](HttpResponse& response) { response.headers.clear(); }});
  BeginUpload();
  PutThree();
  EXPECT_TRUE(sink_->Finish(summary_).ok());
}

TEST_F(S3SinkTest, TrustsHeadWhenCompleteNamesNoEtag) {
  transport_.Add({.match = "POST uploadId", .edit = [](HttpResponse& response) {
                    response.body = "<CompleteMultipartUploadResult/>";
                  }});
  BeginUpload();
  PutThree();
  EXPECT_EQ(*sink_->Finish(summary_), MultipartEtag(summary_.parts));
}

TEST_F(S3SinkTest, RetriesAnInternalErrorInsideA200) {
  transport_.Add({.match = "POST uploadId", .response = S3ErrorResponse(200, "InternalError")});
  BeginUpload();
  PutThree();
  EXPECT_TRUE(sink_->Finish(summary_).ok());
}

TEST_F(S3SinkTest, CleansUpAfterAFinalErrorInsideA200) {
  transport_.Add({.match = "POST uploadId", .response = S3ErrorResponse(200, "EntityTooSmall")});
  BeginUpload();
  PutThree();
  const absl::Status status = sink_->Finish(summary_).status();
  EXPECT_EQ(S3CodeOf(status), "EntityTooSmall") << status;
  EXPECT_EQ(KindOf(status), ErrorKind::kS3);
  ExpectNothingLeft();
}

TEST_F(S3SinkTest, LearnsFromHeadThatALostCompleteWasDone) {
  transport_.Add({.match = "POST uploadId",
                  .take_effect = true,
                  .transport = absl::UnavailableError("connection lost")});
  BeginUpload();
  PutThree();
  // The retry finds NoSuchUpload.
  EXPECT_EQ(*sink_->Finish(summary_), MultipartEtag(summary_.parts));
  EXPECT_EQ(transport_.Objects().at(kPath), "part0;part1;part2;");
}

TEST_F(S3SinkTest, CleansUpWhenCompleteNeverArrives) {
  transport_.Add({.match = "POST uploadId",
                  .times = 99,
                  .transport = absl::UnavailableError("connection lost")});
  BeginUpload();
  PutThree();
  const absl::Status status = sink_->Finish(summary_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  ExpectNothingLeft();
}

TEST_F(S3SinkTest, FindsACompleteThatEndsWhileTheAbortComes) {
  transport_.Add({.match = "POST uploadId",
                  .times = 5,
                  .take_effect = true,
                  .transport = absl::UnavailableError("connection lost")});
  HttpResponse missing;
  missing.status = 404;
  transport_.Add({.match = "HEAD x.tar.gz", .response = missing});
  BeginUpload();
  PutThree();
  EXPECT_EQ(*sink_->Finish(summary_), MultipartEtag(summary_.parts));
}

TEST_F(S3SinkTest, LeavesAnOlderObjectOfTheSameNameAlone) {
  transport_.PutObject(kPath, "older");
  transport_.Add({.match = "POST uploadId",
                  .times = 99,
                  .transport = absl::UnavailableError("connection lost")});
  BeginUpload();
  PutThree();
  EXPECT_FALSE(sink_->Finish(summary_).ok());
  EXPECT_EQ(transport_.UploadCount(), 0u);
  EXPECT_EQ(transport_.Objects().at(kPath), "older");
}

TEST_F(S3SinkTest, DeletesAnObjectWithAnotherEtag) {
  transport_.Add({.match = "HEAD x.tar.gz", .times = 2, .edit = [](HttpResponse& response) {
                    response.headers[0].value = "\"00000000000000000000000000000000-3\"";
                  }});
  BeginUpload();
  PutThree();
  const absl::Status status = sink_->Finish(summary_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(KindOf(status), ErrorKind::kIntegrity);
  EXPECT_TRUE(absl::StrContains(status.message(), "bytes differ")) << status;
  ExpectNothingLeft();
}

TEST_F(S3SinkTest, DeletesAnObjectOfAnotherSize) {
  transport_.Add({.match = "HEAD x.tar.gz", .times = 2, .edit = [](HttpResponse& response) {
                    response.headers[1].value = "1";
                  }});
  BeginSingle();
  ASSERT_TRUE(Put(0, "small").ok());
  EXPECT_EQ(KindOf(sink_->Finish(summary_).status()), ErrorKind::kIntegrity);
  ExpectNothingLeft();
}

TEST_F(S3SinkTest, ComparesTheSizeAloneUnderSseKms) {
  const auto kms = [](HttpResponse& response) {
    response.headers[0].value = "\"11111111111111111111111111111111\"";
    response.headers.push_back({"x-amz-server-side-encryption", "aws:kms"});
  };
  transport_.Add({.match = "PUT x.tar.gz", .edit = kms});
  transport_.Add({.match = "HEAD x.tar.gz", .edit = kms});
  BeginSingle();
  ASSERT_TRUE(Put(0, "small").ok());
  const absl::StatusOr<std::string> etag = sink_->Finish(summary_);
  ASSERT_TRUE(etag.ok()) << etag.status();
  EXPECT_NE(*etag, sink_->PredictedEtag(summary_));
}

TEST_F(S3SinkTest, TakesCompletesEtagWhenItMayNotRead) {
  HttpResponse forbidden;
  forbidden.status = 403;
  transport_.Add({.match = "HEAD x.tar.gz", .response = forbidden});
  BeginUpload();
  PutThree();
  EXPECT_EQ(*sink_->Finish(summary_), MultipartEtag(summary_.parts));
}

TEST_F(S3SinkTest, CancelEndsAHangingPutAndAbortStillWorks) {
  transport_.Add({.match = "PUT partNumber=2", .hang = true});
  BeginUpload();
  ASSERT_TRUE(Put(0, "x").ok());
  EXPECT_EQ(Put(1, "y").code(), absl::StatusCode::kUnknown);
  sink_->Cancel();
  EXPECT_EQ(outcomes_.back()->code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(Put(2, "z").code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(pool_.usage().parts_in_use, 0u);
  EXPECT_TRUE(sink_->Abort().ok());
  ExpectNothingLeft();
}

TEST_F(S3SinkTest, CancelLeavesOtherSinksAlone) {
  S3Sink other(client_.get(), "other");
  ASSERT_TRUE(other.Begin({0, kPartBytes}).ok());
  sink_->Cancel();
  StreamSummary summary;
  absl::Status status = absl::UnknownError("");
  other.Put(MakePart(0, "x", &summary), [&](absl::Status s) { status = std::move(s); });
  EXPECT_TRUE(status.ok());
  EXPECT_TRUE(other.Finish(summary).ok());
}

TEST_F(S3SinkTest, AFinishAfterCancelLeavesNothing) {
  BeginUpload();
  PutThree();
  sink_->Cancel();
  const absl::Status status = sink_->Finish(summary_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(KindOf(status), ErrorKind::kInterrupted);
  ExpectNothingLeft();
}

TEST_F(S3SinkTest, AbortIsRepeatedWhileTheUploadIsListed) {
  // A part in flight lands after the first abort: the store keeps the upload.
  HttpResponse aborted;
  aborted.status = 204;
  transport_.Add({.match = "DELETE uploadId", .response = aborted});
  BeginUpload();
  ASSERT_TRUE(Put(0, "x").ok());
  EXPECT_TRUE(sink_->Abort().ok());
  EXPECT_EQ(transport_.UploadCount(), 0u);
}

TEST_F(S3SinkTest, AbortOnADeadNetworkSaysWhatStays) {
  BeginUpload();
  transport_.Add({.match = "* /", .times = 99, .transport = absl::UnavailableError("no route")});
  const absl::Status status = sink_->Abort();
  EXPECT_EQ(KindOf(status), ErrorKind::kS3);
  EXPECT_TRUE(absl::StrContains(status.message(), "unfinished upload may stay")) << status;
  EXPECT_EQ(transport_.Requests("uploadId").size(), 3u);
}

TEST_F(S3SinkTest, AbortOfASinglePutRemovesTheObject) {
  BeginSingle();
  ASSERT_TRUE(Put(0, "small").ok());
  EXPECT_TRUE(sink_->Abort().ok());
  ExpectNothingLeft();
}

TEST_F(S3SinkTest, AbortOfAnUnusedSinglePutSendsNothing) {
  BeginSingle();
  EXPECT_TRUE(sink_->Abort().ok());
  EXPECT_TRUE(transport_.Requests().empty());
}

TEST_F(S3SinkTest, RefusesToFinishWithAMissingPart) {
  BeginUpload();
  ASSERT_TRUE(Put(0, "x").ok());
  MakePart(1, "never put", &summary_);
  EXPECT_EQ(sink_->Finish(summary_).status().code(), absl::StatusCode::kInternal);
  ExpectNothingLeft();
}

TEST_F(S3SinkTest, FailsToBeginWithAdvice) {
  transport_.Add({.match = "POST uploads", .response = S3ErrorResponse(404, "NoSuchBucket")});
  const absl::Status status = sink_->Begin({0, kPartBytes});
  EXPECT_TRUE(absl::StrContains(status.message(), "create the bucket")) << status;
  EXPECT_EQ(KindOf(status), ErrorKind::kS3);
}

}  // namespace
}  // namespace volstream
