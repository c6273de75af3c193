// Roles assumed at a stand-in for STS (tests/support/aws_stand_in.h).
#include "stages/sts_client.h"

#include <string>

#include <gtest/gtest.h>

#include "stages/error_kind.h"
#include "stages/url.h"
#include "tests/support/credential_fixture.h"

namespace volstream {
namespace {

constexpr char kRole[] = "arn:aws:iam::123456789012:role/backup";

class StsClientTest : public CredentialFixture {
 protected:
  StsClientTest() : sts_(context_, aws_.Url(), "eu-west-1") {
    caller_.access_key_id = "CALLER";
    caller_.secret_access_key = kSecret;
    role_.role_arn = kRole;
  }
  std::string TokenFile(const std::string& token) {
    WriteFile(home_ / "token", token);
    return home_ / "token";
  }

  StsClient sts_;
  Credentials caller_;
  RoleRequest role_;
};

TEST_F(StsClientTest, AssumesARole) {
  role_.session_name = "nightly";
  role_.external_id = "an id/1";
  role_.duration_seconds = "900";
  const absl::StatusOr<Credentials> credentials = sts_.AssumeRole(role_, caller_);
  ASSERT_TRUE(credentials.ok()) << credentials.status();
  EXPECT_EQ(credentials->access_key_id, "ISSUEDKEY1");
  EXPECT_EQ(credentials->secret_access_key, "issued-secret-1");
  EXPECT_EQ(credentials->session_token, "issued-token-1");
  EXPECT_EQ(credentials->expires, absl::FromUnixSeconds(4'000'000'000));
  const ServedRequest sent = aws_.Requests().at(0);
  EXPECT_EQ(AwsStandIn::FormValue(sent, "RoleArn"), kRole);
  EXPECT_EQ(AwsStandIn::FormValue(sent, "RoleSessionName"), "nightly");
  EXPECT_EQ(AwsStandIn::FormValue(sent, "ExternalId"), "an id/1");
  EXPECT_EQ(AwsStandIn::FormValue(sent, "DurationSeconds"), "900");
}

TEST_F(StsClientTest, SignsForTheServiceAndRegion) {
  caller_.session_token = "callers-token";
  ASSERT_TRUE(sts_.AssumeRole(role_, caller_).ok());
  const ServedRequest sent = aws_.Requests().at(0);
  const std::vector<HttpHeader> headers = {
      {"Content-Type", AwsStandIn::Header(sent, "content-type")},
      {"Host", ParseUrl(aws_.Url())->HostHeader()},
      {"X-Amz-Date", "20250615T150640Z"},
      {"X-Amz-Security-Token", "callers-token"}};
  const std::string hash = ToHex(Sha256Of(AsBytes(sent.body)));
  SigningInput input;
  input.method = HttpMethod::kPost;
  input.path = "/";
  input.headers = &headers;
  input.payload_hash = hash;
  input.time = context_.clock();
  EXPECT_EQ(AwsStandIn::Header(sent, "authorization"),
            Sigv4Signer("CALLER", kSecret, "eu-west-1", "sts").Authorization(input));
  EXPECT_EQ(AwsStandIn::FormValue(sent, "RoleSessionName"), "volstream-1750000000");
}

TEST_F(StsClientTest, ReadsTheWebIdentityTokenEachTime) {
  ASSERT_TRUE(sts_.AssumeRoleWithWebIdentity(role_, TokenFile("one.jwt\n")).ok());
  ASSERT_TRUE(sts_.AssumeRoleWithWebIdentity(role_, TokenFile("two.jwt")).ok());
  EXPECT_EQ(AwsStandIn::FormValue(aws_.Requests().at(0), "WebIdentityToken"), "one.jwt");
  EXPECT_EQ(AwsStandIn::FormValue(aws_.Requests().at(1), "WebIdentityToken"), "two.jwt");
}

TEST_F(StsClientTest, NamesATokenFileThatIsOfNoUse) {
  ExpectSays(sts_.AssumeRoleWithWebIdentity(role_, home_ / "none").status(), home_ / "none");
  ExpectSays(sts_.AssumeRoleWithWebIdentity(role_, TokenFile(" \n")).status(), "is empty");
}

TEST_F(StsClientTest, SaysWhatTheServiceSaid) {
  aws_.FailNext(403,
                "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User "
                "is not authorized</Message></Error></ErrorResponse>");
  const absl::Status status = sts_.AssumeRole(role_, caller_).status();
  ExpectSays(status, "AssumeRole of " + std::string(kRole) + " at " + aws_.Url() +
                         ": HTTP 403 AccessDenied: User is not authorized; allow it");
  EXPECT_EQ(KindOf(status), ErrorKind::kS3);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated);
}

TEST_F(StsClientTest, DoesNotRepeatWhatASignatureErrorQuotes) {
  aws_.FailNext(403,
                std::string("<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>The "
                            "Canonical String: x-amz-security-token:") +
                    kSecret + "</Message></Error></ErrorResponse>");
  ExpectSays(sts_.AssumeRole(role_, caller_).status(), "SignatureDoesNotMatch; check the keys");
}

TEST_F(StsClientTest, TriesAgainWhatMayPass) {
  aws_.FailNext(503, "busy", 2);
  EXPECT_TRUE(sts_.AssumeRole(role_, caller_).ok());
  aws_.FailNext(503, "busy", 3);
  EXPECT_TRUE(absl::IsUnavailable(sts_.AssumeRole(role_, caller_).status()));
}

TEST_F(StsClientTest, RefusesAnAnswerWithoutCredentials) {
  for (const char* const body : {"", "<html/>", "<AssumeRoleResponse/>"}) {
    aws_.FailNext(200, body);
    ExpectSays(sts_.AssumeRole(role_, caller_).status(), "is the endpoint an STS?");
  }
}

TEST_F(StsClientTest, RefusesAnEndpointThatIsNone) {
  ExpectSays(StsClient(context_, "not a url", "").AssumeRole(role_, caller_).status(),
             "the endpoint of STS");
}

}  // namespace
}  // namespace volstream
