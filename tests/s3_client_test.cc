#include "stages/s3_client.h"

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "stages/error_kind.h"
#include "tests/support/s3_fixture.h"

namespace volstream {
namespace {

class S3ClientTest : public S3Fixture {
 protected:
  absl::Status GetStatus(const std::string& key = "k") {
    S3Request request = GetObjectRequest(key, kMiB);
    request.what = "s3://bucket/" + key;
    return client_->Call(std::move(request)).status();
  }
};

TEST_F(S3ClientTest, SignsAndAddressesByPath) {
  transport_.PutObject("bucket/a b/c", "data");
  const absl::StatusOr<HttpResponse> response = client_->Call(GetObjectRequest("a b/c", kMiB));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->body, "data");
  const FakeTransport::Sent sent = transport_.Requests().at(0);
  EXPECT_EQ(sent.line, "GET /bucket/a%20b/c");
  EXPECT_EQ(sent.Header("x-amz-date"), "20250615T150640Z");
  EXPECT_TRUE(absl::StartsWith(sent.Header("Authorization"),
                               "AWS4-HMAC-SHA256 Credential=key-id/20250615/us-east-1/s3/"));
  EXPECT_EQ(sent.Header("x-amz-content-sha256"), ToHex(Sha256Of({})));
}

TEST_F(S3ClientTest, SignsThePayloadOnHttpToOtherMachinesOnly) {
  const Md5Digest md5 = Md5Of(AsBytes("body"));
  ASSERT_TRUE(client_->Call(PutObjectRequest("k", AsBytes("body"), md5)).ok());
  EXPECT_EQ(transport_.Requests().at(0).Header("x-amz-content-sha256"),
            ToHex(Sha256Of(AsBytes("body"))));
  size_t count = 1;
  for (const char* const endpoint : {"https://fake", "http://127.0.0.1:8000", "http://localhost",
                                     "http://[::1]:1", "https://127.0.0.1"}) {
    S3Options options = Options();
    options.endpoint_url = endpoint;
    ASSERT_TRUE(NewClient(options)->Call(PutObjectRequest("k", AsBytes("body"), md5)).ok());
    const FakeTransport::Sent sent = transport_.Requests().at(count++);
    EXPECT_EQ(sent.Header("x-amz-content-sha256"), "UNSIGNED-PAYLOAD") << endpoint;
    EXPECT_TRUE(absl::StrContains(sent.Header("Authorization"), "SignedHeaders=content-md5;"));
  }
}

TEST_F(S3ClientTest, SendsAndSignsTheSessionToken) {
  S3Options options = Options();
  options.session_token = "token";
  ASSERT_TRUE(absl::IsNotFound(NewClient(options)->Call(HeadObjectRequest("k")).status()));
  const FakeTransport::Sent sent = transport_.Requests().at(0);
  EXPECT_EQ(sent.Header("x-amz-security-token"), "token");
  EXPECT_TRUE(absl::StrContains(sent.Header("Authorization"), ";x-amz-security-token,"));
}

TEST_F(S3ClientTest, RetriesWithTheBodyAndANewSignature) {
  transport_.Add({.match = "PUT /k", .times = 2, .response = S3ErrorResponse(503, "SlowDown")});
  S3Request request = PutObjectRequest("k", AsBytes("body"), Md5Of(AsBytes("body")));
  ASSERT_TRUE(client_->Call(std::move(request)).ok());
  const std::vector<FakeTransport::Sent> sent = transport_.Requests();
  ASSERT_EQ(sent.size(), 3u);
  for (const FakeTransport::Sent& one : sent) EXPECT_EQ(one.body, "body");
  EXPECT_EQ(sent[0].delay, absl::ZeroDuration());
  EXPECT_GT(sent[1].delay, absl::ZeroDuration());
  EXPECT_LE(sent[2].delay, absl::Milliseconds(400));
  EXPECT_EQ(client_->retries(), 2u);
  EXPECT_EQ(transport_.Objects().at("bucket/k"), "body");
}

TEST_F(S3ClientTest, DatesEachTryAnew) {
  transport_.Add({.match = "GET /k", .edit = [this](HttpResponse& response) {
                    response = S3ErrorResponse(500, "InternalError");
                    now_ += absl::Minutes(10);
                  }});
  transport_.PutObject("bucket/k", "x");
  ASSERT_TRUE(GetStatus().ok());
  EXPECT_EQ(transport_.Requests().at(0).Header("x-amz-date"), "20250615T150640Z");
  EXPECT_EQ(transport_.Requests().at(1).Header("x-amz-date"), "20250615T151640Z");
}

TEST_F(S3ClientTest, RetriesTransportErrors) {
  transport_.PutObject("bucket/k", "x");
  transport_.Add({.match = "GET /k", .times = 4, .transport = absl::UnavailableError("reset")});
  EXPECT_TRUE(GetStatus().ok());
}

TEST_F(S3ClientTest, GivesUpAfterTheLastTry) {
  transport_.Add({.match = "GET /k",
                  .times = 100,
                  .response = S3ErrorResponse(503, "SlowDown", "Please reduce your rate.")});
  const absl::Status status = GetStatus();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(KindOf(status), ErrorKind::kS3);
  EXPECT_EQ(status.message(),
            "s3://bucket/k: HTTP 503 SlowDown after 5 tries: Please reduce your rate; the "
            "provider limits the request rate: use fewer --connections");
  EXPECT_EQ(transport_.Requests().size(), 5u);
}

// A client whose requests each take `each` by the steady clock.
class S3OutageTest : public S3ClientTest {
 protected:
  std::unique_ptr<S3Client> PatientClient(absl::Duration retry_for, absl::Duration each) {
    S3Options options = Options();
    options.retry_for = retry_for;
    options.on_event = [this](Severity, std::string_view text) { events_.emplace_back(text); };
    S3ClientHooks hooks;
    hooks.seed = 1;
    hooks.steady_clock = [this, each] {
      uptime_ += each;
      return std::chrono::steady_clock::time_point(absl::ToChronoNanoseconds(uptime_));
    };
    return *S3Client::Create("bucket", options, &transport_, hooks);
  }
  static S3Request Patient() {
    S3Request request = GetObjectRequest("k", kMiB);
    request.what = "s3://bucket/k";
    request.patient = true;
    return request;
  }

  absl::Duration uptime_ = absl::Hours(1);
  std::vector<std::string> events_;
};

TEST_F(S3OutageTest, IsWaitedOutBeyondTheTries) {
  transport_.PutObject("bucket/k", "x");
  transport_.Add({.match = "GET /k", .times = 20, .transport = absl::UnavailableError("reset")});
  const auto client = PatientClient(absl::Minutes(5), absl::Seconds(10));
  EXPECT_TRUE(client->Call(Patient()).ok());
  ASSERT_EQ(events_.size(), 1u);
  EXPECT_EQ(events_[0],
            "s3://bucket/k: reset after 5 tries; check the network and the endpoint (http://fake); "
            "trying on, for 5m in all");
}

TEST_F(S3OutageTest, EndsWithTheTime) {
  transport_.Add({.match = "GET /k", .times = 1000, .transport = absl::UnavailableError("reset")});
  const auto client = PatientClient(absl::Minutes(5), absl::Seconds(10));
  EXPECT_TRUE(absl::IsUnavailable(client->Call(Patient()).status()));
  // The first failure starts the clock; 30 more reach five minutes.
  EXPECT_EQ(transport_.Requests().size(), 31u);
}

TEST_F(S3OutageTest, IsNotWaitedOutByOtherRequests) {
  transport_.Add({.match = "GET /k", .times = 1000, .transport = absl::UnavailableError("reset")});
  const auto client = PatientClient(absl::Minutes(5), absl::Seconds(10));
  S3Request request = Patient();
  request.patient = false;
  EXPECT_TRUE(absl::IsUnavailable(client->Call(std::move(request)).status()));
  EXPECT_EQ(transport_.Requests().size(), 5u);
  EXPECT_TRUE(events_.empty());
}

TEST_F(S3ClientTest, SendsFewerAtATimeWhenAskedToAndGrowsBack) {
  transport_.PutObject("bucket/k", "x");
  transport_.Add({.match = "GET /k", .times = 2, .response = S3ErrorResponse(503, "SlowDown")});
  ASSERT_TRUE(GetStatus().ok());
  EXPECT_EQ(client_->concurrency(), 2);
  for (int i = 0; i < 2 + 3 + 4 + 5 + 6 + 7; ++i) ASSERT_TRUE(GetStatus().ok());
  EXPECT_EQ(client_->concurrency(), 8);
  EXPECT_EQ(transport_.ConcurrencyLimits(), (std::vector<int>{4, 2, 3, 4, 5, 6, 7, 8}));
}

TEST_F(S3ClientTest, DoesNotRetryARefusal) {
  transport_.Add(
      {.match = "GET /k", .times = 100, .response = S3ErrorResponse(403, "AccessDenied")});
  EXPECT_EQ(GetStatus().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(transport_.Requests().size(), 1u);
}

TEST_F(S3ClientTest, HonoursRetryAfter) {
  HttpResponse busy = S3ErrorResponse(503, "ServiceUnavailable");
  busy.headers = {{"Retry-After", "17"}};
  transport_.PutObject("bucket/k", "x");
  transport_.Add({.match = "GET /k", .response = busy});
  ASSERT_TRUE(GetStatus().ok());
  EXPECT_EQ(transport_.Requests().at(1).delay, absl::Seconds(17));
}

TEST_F(S3ClientTest, PutsItsClockRightOnce) {
  HttpResponse skewed = S3ErrorResponse(403, "RequestTimeTooSkewed");
  skewed.headers = {{"Date", "Sun, 15 Jun 2025 17:06:40 GMT"}};
  transport_.PutObject("bucket/k", "x");
  transport_.Add({.match = "GET /k", .response = skewed});
  ASSERT_TRUE(GetStatus().ok());
  EXPECT_EQ(transport_.Requests().at(1).Header("x-amz-date"), "20250615T170640Z");

  transport_.Add({.match = "GET /k", .times = 100, .response = skewed});
  const absl::Status status = GetStatus();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(absl::StrContains(status.message(), "set this machine's clock"));
  EXPECT_EQ(transport_.Requests().size(), 4u);
}

TEST_F(S3ClientTest, FindsAnErrorInsideA200) {
  transport_.Add(
      {.match = "POST uploadId", .times = 2, .response = S3ErrorResponse(200, "InternalError")});
  transport_.Add({.match = "POST uploadId", .response = S3ErrorResponse(200, "InvalidPart")});
  const absl::Status status = client_->Call(CompleteUploadRequest("k", "u", {{"e", ""}})).status();
  EXPECT_EQ(S3CodeOf(status), "InvalidPart");
  EXPECT_EQ(transport_.Requests().size(), 3u);
}

TEST_F(S3ClientTest, TakesA200WithAnErrorForDataElsewhere) {
  transport_.PutObject("bucket/k", "<Error><Code>NotOurs</Code></Error>");
  EXPECT_TRUE(GetStatus().ok());
}

TEST_F(S3ClientTest, SaysWhatToChange) {
  const struct {
    int status;
    const char* code;
    absl::StatusCode expected;
    const char* remedy;
  } cases[] = {
      {404, "NoSuchBucket", absl::StatusCode::kFailedPrecondition, "create the bucket"},
      {404, "NoSuchKey", absl::StatusCode::kNotFound, "there is no such object"},
      {403, "InvalidAccessKeyId", absl::StatusCode::kUnauthenticated, "AWS_ACCESS_KEY_ID"},
      {403, "SignatureDoesNotMatch", absl::StatusCode::kUnauthenticated, "AWS_SECRET_ACCESS_KEY"},
      {400, "ExpiredToken", absl::StatusCode::kUnauthenticated, "AWS_SESSION_TOKEN"},
      {301, "PermanentRedirect", absl::StatusCode::kFailedPrecondition, "AWS_REGION"},
      {400, "EntityTooSmall", absl::StatusCode::kInvalidArgument, "--part-size"},
      {507, "Unknown", absl::StatusCode::kResourceExhausted, "prune"},
      {403, "QuotaExceeded", absl::StatusCode::kResourceExhausted, "prune"},
  };
  for (const auto& one : cases) {
    transport_.Add({.match = "GET /k", .response = S3ErrorResponse(one.status, one.code)});
    const absl::Status status = GetStatus();
    EXPECT_EQ(status.code(), one.expected) << status;
    EXPECT_EQ(KindOf(status), ErrorKind::kS3) << status;
    EXPECT_TRUE(absl::StrContains(status.message(), one.remedy)) << status;
  }
}

TEST_F(S3ClientTest, NamesTheBucketsRegion) {
  HttpResponse redirect = S3ErrorResponse(301, "PermanentRedirect");
  redirect.headers = {{"x-amz-bucket-region", "eu-west-3"}};
  transport_.Add({.match = "GET /k", .response = redirect});
  EXPECT_TRUE(absl::StrContains(GetStatus().message(), "is in eu-west-3: set AWS_REGION"));
}

TEST_F(S3ClientTest, ReportsDamageAsIntegrity) {
  transport_.Add({.match = "PUT /k", .times = 100, .response = S3ErrorResponse(400, "BadDigest")});
  const absl::Status status =
      client_->Call(PutObjectRequest("k", AsBytes("x"), Md5Of(AsBytes("x")))).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(KindOf(status), ErrorKind::kIntegrity);
}

TEST_F(S3ClientTest, MapsHeadByStatusAlone) {
  HttpResponse forbidden;
  forbidden.status = 403;
  transport_.Add({.match = "HEAD /", .response = forbidden});
  EXPECT_EQ(client_->Call(HeadObjectRequest("k")).status().code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(client_->Call(HeadObjectRequest("k")).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(S3ClientTest, SuspectsTheEndpointWhenTheAnswerIsNoS3) {
  HttpResponse page;
  page.status = 404;
  page.body = "<html>not found</html>";
  transport_.Add({.match = "GET /k", .response = page});
  const absl::Status status = GetStatus();
  EXPECT_TRUE(absl::StrContains(status.message(), "check AWS_ENDPOINT_URL")) << status;
}

TEST_F(S3ClientTest, ExplainsConnectionFailures) {
  const auto message = [&](absl::Status transport) {
    transport_.Add({.match = "GET /k", .times = 5, .transport = std::move(transport)});
    return std::string(GetStatus().message());
  };
  EXPECT_EQ(message(absl::UnavailableError("connection refused (x)")),
            "s3://bucket/k: connection refused (x) after 5 tries; nothing listens there: check "
            "AWS_ENDPOINT_URL (http://fake)");
  EXPECT_TRUE(
      absl::StrContains(message(absl::UnavailableError("could not resolve host (x)")), "DNS"));
}

TEST_F(S3ClientTest, KeepsALongServerTextToOneLine) {
  transport_.Add({.match = "GET /k",
                  .response = S3ErrorResponse(400, "Odd", std::string(500, 'x') + "\nsecond")});
  const absl::Status status = GetStatus();
  EXPECT_LT(status.message().size(), 300u);
  EXPECT_FALSE(absl::StrContains(status.message(), "\n"));
}

TEST_F(S3ClientTest, CancelsWhatIsFlagged) {
  transport_.Add({.match = "GET /k", .hang = true});
  const auto flag = std::make_shared<CancelFlag>(false);
  S3Request request = GetObjectRequest("k", kMiB);
  request.cancelled = flag;
  int calls = 0;
  absl::Status status;
  client_->Submit(std::move(request), [&](absl::StatusOr<HttpResponse> result) {
    ++calls;
    status = result.status();
  });
  EXPECT_EQ(calls, 0);
  flag->store(true);
  client_->Sweep();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(absl::IsNotFound(GetStatus("other")));
}

TEST_F(S3ClientTest, ShowsTheSecretNowhere) {
  ASSERT_FALSE(GetStatus().ok());
  for (const FakeTransport::Sent& sent : transport_.Requests()) {
    EXPECT_FALSE(absl::StrContains(sent.line, kSecret));
    for (const HttpHeader& header : sent.headers) {
      EXPECT_FALSE(absl::StrContains(header.value, kSecret));
    }
  }
}

}  // namespace
}  // namespace volstream
