// What the S3 client does when the credentials change under it.
#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/mutex.h"
#include "stages/error_kind.h"
#include "stages/s3_client.h"
#include "tests/support/s3_fixture.h"

namespace volstream {
namespace {

// A client whose issuer numbers its keys, each good for an hour of the test's clock.
class S3CredentialsTest : public S3Fixture {
 protected:
  S3CredentialsTest() {
    transport_.PutObject("bucket/k", "x");
    CredentialCacheOptions cache_options;
    cache_options.pause = absl::ZeroDuration();
    cache_options.clock = [this] { return Now(); };
    cache_ =
        *CredentialCache::Create([this](const CredentialFetch&) { return Issue(); }, cache_options);
    S3Options options = Options();
    options.access_key_id.clear();
    options.secret_access_key.clear();
    options.credentials = cache_;
    S3ClientHooks hooks;
    hooks.seed = 1;
    hooks.clock = [this] { return Now(); };
    hooks.steady_clock = [this] {
      return std::chrono::steady_clock::time_point(absl::ToChronoNanoseconds(Now() - kStart));
    };
    client_ = *S3Client::Create("bucket", options, &transport_, hooks);
  }
  // The cache's thread looks at what is below.
  ~S3CredentialsTest() override {
    client_.reset();
    cache_.reset();
  }

  absl::Time Now() {
    MutexLock lock(&mu_);
    return time_;
  }
  absl::StatusOr<Credentials> Issue() {
    MutexLock lock(&mu_);
    mu_.Await([this] { return gate_open_; });
    if (!failure_.ok()) return failure_;
    if (!same_again_) ++issued_;
    Credentials credentials;
    credentials.access_key_id = absl::StrCat("KEY", issued_);
    credentials.secret_access_key = kSecret;
    credentials.session_token = absl::StrCat("token", issued_);
    credentials.expires = time_ + absl::Hours(1);
    credentials.source = "the test's issuer";
    return credentials;
  }
  template <typename Value>
  void Set(Value* field, Value value) {
    MutexLock lock(&mu_);
    *field = std::move(value);
  }
  int Issued() {
    MutexLock lock(&mu_);
    return issued_;
  }
  absl::Status Get() {
    S3Request request = GetObjectRequest("k", kMiB);
    request.what = "s3://bucket/k";
    return client_->Call(std::move(request)).status();
  }
  // Whose keys signed the request.
  std::string SignerOf(size_t request) {
    const FakeTransport::Sent sent = transport_.Requests().at(request);
    const std::string authorization = sent.Header("Authorization");
    const size_t begin = authorization.find('=') + 1;
    return absl::StrCat(authorization.substr(begin, authorization.find('/') - begin), " with ",
                        sent.Header("x-amz-security-token"));
  }
  void Refuse(int times, const std::string& code = "ExpiredToken") {
    transport_.Add(
        {.match = "GET /k", .times = times, .response = S3ErrorResponse(400, code, "too old")});
  }

  static constexpr absl::Time kStart = absl::UnixEpoch();
  Mutex mu_;
  absl::Time time_ = kStart + absl::Hours(1000);
  absl::Status failure_;
  bool same_again_ = false;
  bool gate_open_ = true;
  int issued_ = 0;
  std::shared_ptr<CredentialCache> cache_;
};

TEST_F(S3CredentialsTest, AreUsedWithTheirToken) {
  ASSERT_TRUE(Get().ok());
  EXPECT_EQ(SignerOf(0), "KEY1 with token1");
}

TEST_F(S3CredentialsTest, ThatAreRefusedForTheirAgeAreReplacedAtOnce) {
  for (const char* const code : {"ExpiredToken", "RequestExpired", "TokenRefreshRequired"}) {
    const size_t sent = transport_.Requests().size();
    Refuse(1, code);
    ASSERT_TRUE(Get().ok()) << code;
    EXPECT_NE(SignerOf(sent), SignerOf(sent + 1));
    EXPECT_EQ(transport_.Requests().at(sent + 1).delay, absl::ZeroDuration());
  }
  EXPECT_EQ(Issued(), 4);
}

TEST_F(S3CredentialsTest, ThatHaveExpiredAreReplacedBeforeTheRequest) {
  Set(&time_, Now() + absl::Hours(2));
  ASSERT_TRUE(Get().ok());
  ASSERT_EQ(transport_.Requests().size(), 1u);
  EXPECT_EQ(SignerOf(0), "KEY2 with token2");
}

TEST_F(S3CredentialsTest, AreNotReplacedForEver) {
  Refuse(100);
  const absl::Status status = Get();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(transport_.Requests().size(), 2u);
  EXPECT_EQ(Issued(), 2);
}

TEST_F(S3CredentialsTest, ThatNobodyRenewsLeaveTheServersWords) {
  Set(&same_again_, true);
  Refuse(100);
  const absl::Status status = Get();
  EXPECT_EQ(KindOf(status), ErrorKind::kS3);
  EXPECT_TRUE(absl::StrContains(status.message(), "HTTP 400 ExpiredToken: too old")) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "(credentials: the test's issuer)")) << status;
  EXPECT_FALSE(absl::StrContains(status.message(), kSecret)) << status;
  EXPECT_EQ(transport_.Requests().size(), 1u);
}

TEST_F(S3CredentialsTest, ThatHaveExpiredAreSentWhereTheIssuerKeepsToThem) {
  Set(&same_again_, true);
  Set(&time_, Now() + absl::Hours(2));
  EXPECT_TRUE(Get().ok());
  EXPECT_EQ(SignerOf(0), "KEY1 with token1");
}

TEST_F(S3CredentialsTest, WhoseIssuerRefusesEndTheRequest) {
  Set(&time_, Now() + absl::Hours(2));
  Set(&failure_, absl::UnauthenticatedError("the role is gone"));
  const absl::Status status = Get();
  EXPECT_EQ(status.message(), "s3://bucket/k: no new S3 credentials: the role is gone");
  EXPECT_EQ(KindOf(status), ErrorKind::kS3);
  EXPECT_TRUE(transport_.Requests().empty());
}

TEST_F(S3CredentialsTest, WhoseIssuerIsAwayAreWaitedForLikeAnOutage) {
  Set(&time_, Now() + absl::Hours(2));
  Set(&failure_, absl::UnavailableError("no route"));
  const absl::Status status = Get();
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_EQ(client_->retries(), 4u);
  EXPECT_EQ(status.message(), "s3://bucket/k: no new S3 credentials: no route");
  Set(&failure_, absl::OkStatus());
  EXPECT_TRUE(Get().ok());
}

TEST_F(S3CredentialsTest, ThatAreWaitedForHoldUpNoCancelledRequest) {
  Set(&time_, Now() + absl::Hours(2));
  Set(&gate_open_, false);
  const auto submit = [this](std::shared_ptr<const CancelFlag> flag, absl::Status* status) {
    S3Request request = GetObjectRequest("k", kMiB);
    request.what = "s3://bucket/k";
    request.cancelled = std::move(flag);
    client_->Submit(std::move(request), [status](absl::StatusOr<HttpResponse> result) {
      *status = std::move(result).status();
    });
  };
  const auto flag = std::make_shared<CancelFlag>(false);
  absl::Status swept;
  absl::Status late;
  submit(flag, &swept);
  EXPECT_TRUE(swept.ok());
  flag->store(true);
  client_->Sweep();
  EXPECT_TRUE(absl::IsCancelled(swept)) << swept;
  submit(flag, &late);
  EXPECT_TRUE(absl::IsCancelled(late)) << late;
  EXPECT_TRUE(transport_.Requests().empty());
  client_.reset();  // before the answer that nobody waits for
  Set(&gate_open_, true);
}

TEST_F(S3CredentialsTest, OfAHeadWithoutAWordAreReplacedOnceExpired) {
  // The clock passes their end while the request is under way.
  transport_.Add({.match = "HEAD /k", .edit = [this](HttpResponse& response) {
                    response = HttpResponse();
                    response.status = 400;
                    Set(&time_, Now() + absl::Hours(2));
                  }});
  EXPECT_TRUE(client_->Call(HeadObjectRequest("k")).ok());
  EXPECT_EQ(SignerOf(1), "KEY2 with token2");
}

}  // namespace
}  // namespace volstream
