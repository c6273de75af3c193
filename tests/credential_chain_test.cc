// Which source of credentials comes first, and what is said when there is none.
#include "stages/credential_chain.h"

#include <string>

#include <gtest/gtest.h>

#include "stages/error_kind.h"
#include "tests/support/credential_fixture.h"

namespace volstream {
namespace {

class CredentialChainTest : public CredentialFixture {
 protected:
  // Every source is there; tests take them away.
  CredentialChainTest() {
    variables_["AWS_ACCESS_KEY_ID"] = "ENV";
    variables_["AWS_SECRET_ACCESS_KEY"] = kSecret;
    WriteFile(home_ / "token", "header.body.signature");
    variables_["AWS_WEB_IDENTITY_TOKEN_FILE"] = home_ / "token";
    variables_["AWS_ROLE_ARN"] = "arn:web";
    WriteKeys(Profile("default", "DEFAULT") + Profile("work", "WORK"));
    variables_["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = AwsStandIn::kContainerPath;
    variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = AwsStandIn::kContainerToken;
  }
  static std::string Profile(const std::string& name, const std::string& key) {
    return "[" + name + "]\naws_access_key_id = " + key + "\naws_secret_access_key = " + kSecret +
           "\n";
  }
  std::string Source(const std::string& profile = "") {
    const absl::StatusOr<Credentials> found = FindCredentials(context_, profile);
    return found.ok() ? found->source : found.status().ToString();
  }
  void RemoveKeys() {
    variables_.erase("AWS_ACCESS_KEY_ID");
    variables_.erase("AWS_SECRET_ACCESS_KEY");
  }
};

TEST_F(CredentialChainTest, HasTheOrderOfAwsSdks) {
  EXPECT_EQ(Source(), "environment");
  RemoveKeys();
  EXPECT_EQ(Source(), "role arn:web by web identity token");
  variables_.erase("AWS_WEB_IDENTITY_TOKEN_FILE");
  EXPECT_EQ(Source(), "profile default (" + home_.path() + "/.aws/credentials)");
  WriteKeys("");
  EXPECT_EQ(Source(), "container endpoint " + aws_.Url(AwsStandIn::kContainerPath));
  variables_.erase("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  EXPECT_EQ(Source(), "EC2 instance metadata, role instance role");
}

TEST_F(CredentialChainTest, AsksANamedProfileAlone) {
  EXPECT_EQ(Source("work"), "profile work (" + home_.path() + "/.aws/credentials)");
  ExpectSays(FindCredentials(context_, "away").status(), "there are: default, work");
  WriteConfig("[profile empty]\nregion = eu\n");
  const absl::Status status = FindCredentials(context_, "empty").status();
  ExpectSays(status, "no S3 credentials: profile empty has neither keys nor role_arn");
  EXPECT_EQ(KindOf(status), ErrorKind::kS3);
}

TEST_F(CredentialChainTest, TakesTheProfileOfTheEnvironment) {
  variables_["AWS_PROFILE"] = "work";
  EXPECT_EQ(Source(), "environment");
  RemoveKeys();
  variables_.erase("AWS_WEB_IDENTITY_TOKEN_FILE");
  EXPECT_EQ(Source(), "profile work (" + home_.path() + "/.aws/credentials)");
  variables_["AWS_PROFILE"] = "away";
  ExpectSays(FindCredentials(context_, "").status(), "no profile \"away\"");
}

TEST_F(CredentialChainTest, DoesNotPassOverWhatIsSetUpAndFails) {
  variables_.erase("AWS_SECRET_ACCESS_KEY");
  ExpectSays(FindCredentials(context_, "").status(),
             "no S3 credentials: set AWS_SECRET_ACCESS_KEY as well");
  RemoveKeys();
  variables_.erase("AWS_ROLE_ARN");
  ExpectSays(FindCredentials(context_, "").status(), "AWS_ROLE_ARN is not");
  variables_.erase("AWS_WEB_IDENTITY_TOKEN_FILE");
  WriteKeys("");
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = kSecret;
  ExpectSays(FindCredentials(context_, "").status(), "HTTP 401");
}

TEST_F(CredentialChainTest, SaysWhereItLookedInVain) {
  variables_.clear();
  variables_["HOME"] = home_.path();
  variables_["AWS_EC2_METADATA_DISABLED"] = "true";
  WriteKeys("");
  const absl::Status status = FindCredentials(context_, "").status();
  ExpectSays(status,
             "no S3 credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or --profile; "
             "looked at: environment (unset), AWS_WEB_IDENTITY_TOKEN_FILE (unset), profile default "
             "(not in " +
                 home_.path() + "/.aws/config and " + home_.path() +
                 "/.aws/credentials), container endpoint (unset), EC2 metadata (switched off by "
                 "AWS_EC2_METADATA_DISABLED)");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(KindOf(status), ErrorKind::kS3);
}

TEST_F(CredentialChainTest, ReadsFilesAnewEachTime) {
  EXPECT_EQ(FindCredentials(context_, "work")->access_key_id, "WORK");
  WriteKeys(Profile("work", "NEWER"));
  EXPECT_EQ(FindCredentials(context_, "work")->access_key_id, "NEWER");
}

}  // namespace
}  // namespace volstream
