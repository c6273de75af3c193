// Credentials by what a profile says.
#include "stages/profile_credentials.h"

#include <string>

#include <gtest/gtest.h>

#include "stages/error_kind.h"
#include "tests/support/credential_fixture.h"

namespace volstream {
namespace {

class ProfileTest : public CredentialFixture {
 protected:
  absl::StatusOr<std::optional<Credentials>> Fetch(const std::string& profile) {
    const absl::StatusOr<AwsConfig> config = AwsConfig::Load(context_.environment);
    if (!config.ok()) return config.status();
    return FetchProfileCredentials(context_, *config, profile);
  }
  // The key id of the profile's credentials, or the error.
  std::string KeyOf(const std::string& profile) {
    const absl::StatusOr<std::optional<Credentials>> found = Fetch(profile);
    if (!found.ok()) return found.status().ToString();
    return found->has_value() ? (*found)->access_key_id : "none";
  }
  std::string CallerOf(const ServedRequest& request) {
    const std::string authorization = AwsStandIn::Header(request, "authorization");
    const size_t begin = authorization.find('=') + 1;
    return authorization.substr(begin, authorization.find('/') - begin);
  }
  std::string ProcessThat(const std::string& script) {
    WriteFile(home_ / "process", "#!/bin/sh\n" + script, 0755);
    return "[profile p]\ncredential_process = \"" + (home_ / "process") + "\" --for 'a b'\n";
  }
};

TEST_F(ProfileTest, GivesItsKeys) {
  WriteKeys(std::string("[x]\naws_access_key_id = X\naws_session_token = tok\n") +
            "aws_secret_access_key = " + kSecret + "\n");
  const absl::StatusOr<std::optional<Credentials>> found = Fetch("x");
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_TRUE(found->has_value());
  EXPECT_EQ((*found)->access_key_id, "X");
  EXPECT_EQ((*found)->secret_access_key, kSecret);
  EXPECT_EQ((*found)->session_token, "tok");
  EXPECT_EQ((*found)->expires, absl::InfiniteFuture());
  EXPECT_EQ((*found)->source, "profile x (" + home_.path() + "/.aws/credentials)");
}

TEST_F(ProfileTest, SaysWhenHalfAPairIsThere) {
  WriteKeys("[x]\naws_access_key_id = X\n");
  ExpectSays(Fetch("x").status(), "half a key pair in profile x");
  WriteKeys(std::string("[x]\naws_access_key_id = a b\naws_secret_access_key = ") + kSecret);
  ExpectSays(Fetch("x").status(), "a blank or a control character");
}

TEST_F(ProfileTest, MayHoldNone) {
  WriteConfig("[profile x]\nregion = eu\n");
  EXPECT_EQ(KeyOf("x"), "none");
  EXPECT_EQ(KeyOf("y"), "none");
}

TEST_F(ProfileTest, RunsAProcess) {
  WriteConfig(
      ProcessThat("[ \"$2\" = 'a b' ] || exit 9\n"
                  "echo '{\"Version\": 1, \"AccessKeyId\": \"P\", \"SecretAccessKey\":'\n"
                  "echo '\"s\", \"SessionToken\": \"'$(seq -s. 2000)'\",'\n"
                  "echo '\"Expiration\": \"2030-01-01T00:00:00Z\"}'\n"));
  const absl::StatusOr<std::optional<Credentials>> found = Fetch("p");
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ((*found)->access_key_id, "P");
  EXPECT_EQ((*found)->session_token.size(), 8892u);
  EXPECT_EQ((*found)->expires, absl::FromUnixSeconds(1'893'456'000));
}

TEST_F(ProfileTest, NamesAProcessThatFailsWithoutItsOutput) {
  WriteConfig(ProcessThat(std::string("echo ") + kSecret + "; exit 3\n"));
  ExpectSays(Fetch("p").status(), "the credential_process of profile p");
  ExpectSays(Fetch("p").status(), "exit code 3");
  WriteConfig(ProcessThat(std::string("echo ") + kSecret + "\n"));
  ExpectSays(Fetch("p").status(), "no JSON object");
  WriteConfig(ProcessThat(std::string("echo '{\"AccessKeyId\": \"") + kSecret + "\"}'\n"));
  ExpectSays(Fetch("p").status(), "lacks \"Version\": 1");
}

TEST_F(ProfileTest, TakesAProcessThatFailsOnRenewalForAway) {
  WriteConfig(ProcessThat("exit 3\n"));
  EXPECT_TRUE(absl::IsUnauthenticated(Fetch("p").status()));
  context_.renewing = true;
  EXPECT_TRUE(absl::IsUnavailable(Fetch("p").status()));
}

TEST_F(ProfileTest, StopsAProcess) {
  WriteConfig(ProcessThat("exec sleep 1000\n"));
  StopSignal stop;
  stop.Stop();
  context_.stop = &stop;
  ExpectSays(Fetch("p").status(), "interrupted");
}

TEST_F(ProfileTest, AssumesARoleWithItsSourcesKeys) {
  WriteKeys(std::string("[base]\naws_access_key_id = BASE\naws_secret_access_key = ") + kSecret);
  WriteConfig(
      "[profile x]\nrole_arn = arn:r\nsource_profile = base\nexternal_id = e\n"
      "role_session_name = n\nduration_seconds = 900\n");
  const absl::StatusOr<std::optional<Credentials>> found = Fetch("x");
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ((*found)->access_key_id, "ISSUEDKEY1");
  EXPECT_EQ((*found)->source, "role arn:r by profile x (" + home_.path() + "/.aws/config)");
  const ServedRequest sent = aws_.Requests().at(0);
  EXPECT_EQ(CallerOf(sent), "BASE");
  EXPECT_EQ(AwsStandIn::FormValue(sent, "ExternalId"), "e");
  EXPECT_EQ(AwsStandIn::FormValue(sent, "RoleSessionName"), "n");
  EXPECT_EQ(AwsStandIn::FormValue(sent, "DurationSeconds"), "900");
}

TEST_F(ProfileTest, FollowsAChainOfRoles) {
  WriteKeys(std::string("[base]\naws_access_key_id = BASE\naws_secret_access_key = ") + kSecret);
  WriteConfig(
      "[profile a]\nrole_arn = arn:a\nsource_profile = b\n"
      "[profile b]\nrole_arn = arn:b\nsource_profile = base\n");
  EXPECT_EQ(KeyOf("a"), "ISSUEDKEY2");
  EXPECT_EQ(CallerOf(aws_.Requests().at(0)), "BASE");
  EXPECT_EQ(CallerOf(aws_.Requests().at(1)), "ISSUEDKEY1");
  EXPECT_EQ(AwsStandIn::Header(aws_.Requests().at(1), "x-amz-security-token"), "issued-token-1");
}

TEST_F(ProfileTest, MayBeItsOwnSourceWithKeysOfItsOwn) {
  WriteConfig(std::string("[profile x]\nrole_arn = arn:r\nsource_profile = x\n") +
              "aws_access_key_id = OWN\naws_secret_access_key = " + kSecret + "\n");
  EXPECT_EQ(KeyOf("x"), "ISSUEDKEY1");
  EXPECT_EQ(CallerOf(aws_.Requests().at(0)), "OWN");
}

TEST_F(ProfileTest, FindsALoopOfSources) {
  WriteConfig(
      "[profile a]\nrole_arn = arn:a\nsource_profile = b\n"
      "[profile b]\nrole_arn = arn:b\nsource_profile = c\n"
      "[profile c]\nrole_arn = arn:c\nsource_profile = b\n"
      "[profile d]\nrole_arn = arn:d\nsource_profile = d\n");
  ExpectSays(Fetch("a").status(), "leads back to itself");
  ExpectSays(Fetch("d").status(), "leads back to itself");
  EXPECT_TRUE(aws_.Requests().empty());
}

TEST_F(ProfileTest, SaysWhatARoleLacks) {
  WriteConfig(
      "[profile none]\nrole_arn = arn:a\n[profile away]\nrole_arn = arn:a\nsource_profile = z\n"
      "[profile odd]\nrole_arn = arn:a\ncredential_source = Elsewhere\n"
      "[profile mfa]\nrole_arn = arn:a\nsource_profile = z\nmfa_serial = m\n"
      "[profile sso]\nsso_session = s\n");
  ExpectSays(Fetch("none").status(), "needs either source_profile or credential_source");
  ExpectSays(Fetch("away").status(), "no profile \"z\"");
  ExpectSays(Fetch("odd").status(), "credential_source is Environment");
  ExpectSays(Fetch("mfa").status(), "mfa_serial");
  ExpectSays(Fetch("sso").status(), "aws configure export-credentials --profile sso");
}

TEST_F(ProfileTest, TakesTheSourceFromServices) {
  variables_["AWS_ACCESS_KEY_ID"] = "ENV";
  variables_["AWS_SECRET_ACCESS_KEY"] = kSecret;
  variables_["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = AwsStandIn::kContainerPath;
  variables_["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = AwsStandIn::kContainerToken;
  WriteConfig(
      "[profile e]\nrole_arn = arn:a\ncredential_source = Environment\n"
      "[profile c]\nrole_arn = arn:a\ncredential_source = EcsContainer\n"
      "[profile i]\nrole_arn = arn:a\ncredential_source = Ec2InstanceMetadata\n");
  EXPECT_EQ(KeyOf("e"), "ISSUEDKEY1");
  EXPECT_EQ(CallerOf(aws_.Requests().back()), "ENV");
  EXPECT_EQ(KeyOf("c"), "ISSUEDKEY3");
  EXPECT_EQ(CallerOf(aws_.Requests().back()), "ISSUEDKEY2");
  EXPECT_EQ(KeyOf("i"), "ISSUEDKEY5");
  EXPECT_EQ(CallerOf(aws_.Requests().back()), "ISSUEDKEY4");
}

TEST_F(ProfileTest, ExchangesAWebIdentityToken) {
  WriteFile(home_ / "token", "header.body.signature");
  WriteConfig("[profile w]\nrole_arn = arn:w\nweb_identity_token_file = " + (home_ / "token"));
  EXPECT_EQ(KeyOf("w"), "ISSUEDKEY1");
  EXPECT_EQ(AwsStandIn::FormValue(aws_.Requests().at(0), "RoleArn"), "arn:w");
}

TEST_F(ProfileTest, FindsStsByTheServicesSection) {
  variables_.erase("AWS_ENDPOINT_URL_STS");
  WriteFile(home_ / "token", "header.body.signature");
  WriteConfig("[profile w]\nrole_arn = arn:w\nservices = local\nweb_identity_token_file = " +
              (home_ / "token") + "\n[services local]\nsts =\n  endpoint_url = " + aws_.Url());
  EXPECT_EQ(KeyOf("w"), "ISSUEDKEY1");
}

}  // namespace
}  // namespace volstream
