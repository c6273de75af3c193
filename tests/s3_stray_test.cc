// What S3Sink does about uploads that nobody told it of: the answer to a begin was lost, or a page
// came in place of S3's word. The transport is a fake, as only that loses just this answer.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "stages/error_kind.h"
#include "stages/s3_sink.h"
#include "tests/support/s3_fixture.h"

namespace volstream {
namespace {

constexpr char kKey[] = "p/x.tar.gz";

class S3Stray : public S3Fixture {
 protected:
  absl::Status Begin() { return sink_.Begin({0, kPartBytes}); }
  absl::Status PutOne() {
    absl::Status outcome = absl::UnknownError("outstanding");
    sink_.Put(MakePart(0, "part", &summary_),
              [&outcome](absl::Status status) { outcome = std::move(status); });
    return outcome;
  }
  // The server begins an upload, and its answer is lost.
  void LoseBegins(int times) {
    transport_.Add({.match = "POST uploads",
                    .times = times,
                    .take_effect = true,
                    .transport = absl::UnavailableError("connection lost")});
  }

  StreamSummary summary_;
  S3Sink sink_{client_.get(), kKey};
};

TEST_F(S3Stray, IsAbortedBeforeTheUploadIsCompleted) {
  LoseBegins(2);
  ASSERT_TRUE(Begin().ok());
  EXPECT_EQ(transport_.UploadCount(), 3u);
  ASSERT_TRUE(PutOne().ok());
  EXPECT_TRUE(sink_.Finish(summary_).ok());
  EXPECT_EQ(transport_.UploadCount(), 0u);
  EXPECT_EQ(transport_.Requests("uploads=").size(), 4u);  // three begins, one list
  EXPECT_EQ(transport_.Objects().count(absl::StrCat("bucket/", kKey)), 1u);
}

TEST_F(S3Stray, IsAbortedWithTheUpload) {
  LoseBegins(1);
  ASSERT_TRUE(Begin().ok());
  EXPECT_TRUE(sink_.Abort().ok());
  EXPECT_EQ(transport_.UploadCount(), 0u);
}

TEST_F(S3Stray, IsAbortedWhereEveryBeginFails) {
  LoseBegins(1000);
  const absl::Status status = Begin();
  EXPECT_EQ(KindOf(status), ErrorKind::kS3) << status;
  EXPECT_EQ(transport_.UploadCount(), 0u);
}

TEST_F(S3Stray, IsSaidToStayWhereItCannotBeLookedFor) {
  LoseBegins(1000);
  transport_.Add({.match = "GET uploads", .times = 1000, .transport = absl::UnavailableError("x")});
  const absl::Status status = Begin();
  EXPECT_TRUE(absl::StartsWith(status.message(), "begin of the upload of s3://bucket/p/x.tar.gz"))
      << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "; and then: an unfinished upload")) << status;
}

TEST_F(S3Stray, OfAnotherKeyIsLeftAlone) {
  S3Sink longer(client_.get(), absl::StrCat(kKey, ".other"));
  ASSERT_TRUE(longer.Begin({0, kPartBytes}).ok());
  LoseBegins(1);
  ASSERT_TRUE(Begin().ok());
  EXPECT_TRUE(sink_.Abort().ok());
  EXPECT_EQ(transport_.UploadCount(), 1u);
  EXPECT_TRUE(longer.Abort().ok());
}

TEST_F(S3Stray, IsNotLookedForWhereTheBeginWasClear) {
  ASSERT_TRUE(Begin().ok());
  ASSERT_TRUE(PutOne().ok());
  EXPECT_TRUE(sink_.Finish(summary_).ok());
  // The begin alone.
  EXPECT_EQ(transport_.Requests("uploads=").size(), 1u);
}

// The page of a network that wants a login, in place of every answer to Complete.
TEST_F(S3Stray, UploadWhoseCompleteNeverCameIsAborted) {
  HttpResponse page;
  page.status = 200;
  page.headers = {{"Content-Type", "text/html; charset=utf-8"}};
  page.body = "<html>Please log in</html>";
  ASSERT_TRUE(Begin().ok());
  ASSERT_TRUE(PutOne().ok());
  transport_.Add({.match = "POST uploadId", .times = 1000, .response = page});
  const absl::Status status = sink_.Finish(summary_).status();
  EXPECT_TRUE(absl::StrContains(status.message(), "HTML page")) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "AWS_ENDPOINT_URL")) << status;
  EXPECT_EQ(transport_.UploadCount(), 0u);
  EXPECT_TRUE(transport_.Objects().empty());
}

// A name that does not resolve for a minute. A stand-in: the transport says so twelve times, five
// seconds apart by the client's clock.
TEST_F(S3Stray, PartSurvivesAMinuteWithoutDns) {
  S3Options options = Options();
  options.retry_for = absl::Minutes(5);
  S3ClientHooks hooks;
  hooks.seed = 1;
  auto uptime = std::make_shared<absl::Duration>(absl::Hours(1));
  hooks.steady_clock = [uptime] {
    *uptime += absl::Seconds(5);
    return std::chrono::steady_clock::time_point(absl::ToChronoNanoseconds(*uptime));
  };
  const auto client = *S3Client::Create("bucket", options, &transport_, hooks);
  S3Sink sink(client.get(), kKey);
  ASSERT_TRUE(sink.Begin({0, kPartBytes}).ok());
  transport_.Add({.match = "PUT partNumber=1",
                  .times = 12,
                  .transport = absl::UnavailableError("could not resolve host (s3.example)")});
  absl::Status outcome = absl::UnknownError("outstanding");
  sink.Put(MakePart(0, "part", &summary_), [&outcome](absl::Status status) { outcome = status; });
  EXPECT_TRUE(outcome.ok()) << outcome;
  const absl::StatusOr<std::string> etag = sink.Finish(summary_);
  ASSERT_TRUE(etag.ok()) << etag.status();
  EXPECT_EQ(*etag, MultipartEtag(summary_.parts));
  EXPECT_EQ(transport_.Objects().at(absl::StrCat("bucket/", kKey)), "part");
}

}  // namespace
}  // namespace volstream
