// The container endpoint and EC2's metadata, by a stand-in (tests/support/aws_stand_in.h).
#include "stages/metadata_credentials.h"

#include <string>

#include <gtest/gtest.h>

#include "stages/error_kind.h"
#include "tests/support/credential_fixture.h"
#include "tests/support/guards.h"
#include "tests/support/sockets.h"

namespace volstream {
namespace {

using MetadataTest = CredentialFixture;

TEST_F(MetadataTest, ContainerGivesCredentialsByRelativeUri) {
  EXPECT_FALSE(HasContainerEndpoint(context_));
  variables_["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = AwsStandIn::kContainerPath;
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = AwsStandIn::kContainerToken;
  EXPECT_TRUE(HasContainerEndpoint(context_));
  const absl::StatusOr<Credentials> credentials = FetchContainerCredentials(context_);
  ASSERT_TRUE(credentials.ok()) << credentials.status();
  EXPECT_EQ(credentials->access_key_id, "ISSUEDKEY1");
  EXPECT_EQ(credentials->session_token, "issued-token-1");
  EXPECT_EQ(credentials->expires, absl::FromUnixSeconds(4'000'000'000));
  EXPECT_EQ(credentials->source, "container endpoint " + aws_.Url(AwsStandIn::kContainerPath));
}

TEST_F(MetadataTest, ContainerTokenComesFromItsFileFirst) {
  variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = aws_.Url(AwsStandIn::kContainerPath);
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "not this one";
  WriteFile(home_ / "token", std::string(AwsStandIn::kContainerToken) + "\n");
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = home_ / "token";
  EXPECT_TRUE(FetchContainerCredentials(context_).ok());
}

TEST_F(MetadataTest, ContainerRefusalIsAnErrorWithoutTheToken) {
  variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = aws_.Url(AwsStandIn::kContainerPath);
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = kSecret;
  const absl::Status status = FetchContainerCredentials(context_).status();
  ExpectSays(status, "HTTP 401");
  EXPECT_EQ(KindOf(status), ErrorKind::kS3);
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = std::string(kSecret) + "\r\nX-Evil: 1";
  ExpectSays(FetchContainerCredentials(context_).status(), "control character");
}

TEST_F(MetadataTest, ContainerKeysTravelInTheClearOnThisMachineOnly) {
  for (const char* const url : {"http://192.0.2.1/x", "http://example.com/x",
                                "http://127.0.0.1.example.com/x", "http://[2001:db8::1]/x"}) {
    variables_["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = url;
    ExpectSays(FetchContainerCredentials(context_).status(), "use https");
  }
  EXPECT_TRUE(aws_.Requests().empty());
}

TEST_F(MetadataTest, InstanceGivesCredentialsToWhoHasItsToken) {
  const absl::StatusOr<Credentials> credentials = FetchInstanceCredentials(context_);
  ASSERT_TRUE(credentials.ok()) << credentials.status();
  EXPECT_EQ(credentials->access_key_id, "ISSUEDKEY1");
  EXPECT_EQ(credentials->secret_access_key, "issued-secret-1");
  EXPECT_EQ(credentials->source, "EC2 instance metadata, role instance role");
  EXPECT_EQ(aws_.Requests().size(), 3u);
}

TEST_F(MetadataTest, InstanceIsNotAskedThroughAProxy) {
  const std::string nobody = "http://127.0.0.1:" + std::to_string(RefusingPort());
  const EnvironmentGuard proxy({{"http_proxy", nobody}, {"all_proxy", nobody}});
  EXPECT_TRUE(FetchInstanceCredentials(context_).ok());
}

TEST_F(MetadataTest, InstanceIsNotAskedWhereThatIsSwitchedOff) {
  variables_["AWS_EC2_METADATA_DISABLED"] = "TRUE";
  EXPECT_TRUE(absl::IsNotFound(FetchInstanceCredentials(context_).status()));
  EXPECT_TRUE(aws_.Requests().empty());
}

TEST_F(MetadataTest, InstanceThatIsNoneIsNotFoundAtOnce) {
  variables_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] =
      "http://127.0.0.1:" + std::to_string(RefusingPort());
  const absl::Status status = FetchInstanceCredentials(context_).status();
  EXPECT_TRUE(absl::IsNotFound(status));
  ExpectSays(status, "nobody answers");
  // IMDSv1 alone is not enough.
  variables_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = aws_.Url();
  aws_.FailNext(405, "");
  EXPECT_TRUE(absl::IsNotFound(FetchInstanceCredentials(context_).status()));
}

TEST_F(MetadataTest, InstanceWithoutARoleIsNotFound) {
  aws_.RemoveInstanceRole();
  const absl::Status status = FetchInstanceCredentials(context_).status();
  EXPECT_TRUE(absl::IsNotFound(status));
  ExpectSays(status, "no role");
}

}  // namespace
}  // namespace volstream
