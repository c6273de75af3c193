// What is taken for credentials in JSON, and what is said of the rest without repeating it.
#include "stages/credential_json.h"

#include <string>

#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "stages/error_kind.h"

namespace volstream {
namespace {

std::string ErrorOf(const std::string& text, CredentialFormat format) {
  return std::string(ParseCredentialJson(text, format).status().message());
}

TEST(CredentialJson, GivesWhatAServiceGives) {
  const absl::StatusOr<Credentials> credentials = ParseCredentialJson(
      R"({"Code": "Success", "AccessKeyId": "A", "SecretAccessKey": "S", "Token": "T",
          "Expiration": "2025-06-15T15:06:40Z", "LastUpdated": "x"})",
      CredentialFormat::kMetadata);
  ASSERT_TRUE(credentials.ok()) << credentials.status();
  EXPECT_EQ(credentials->access_key_id, "A");
  EXPECT_EQ(credentials->secret_access_key, "S");
  EXPECT_EQ(credentials->session_token, "T");
  EXPECT_EQ(credentials->expires, absl::FromUnixSeconds(1'750'000'000));
}

TEST(CredentialJson, NeedNotExpireNorHaveAToken) {
  const absl::StatusOr<Credentials> credentials = ParseCredentialJson(
      R"({"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "S"})", CredentialFormat::kProcess);
  ASSERT_TRUE(credentials.ok()) << credentials.status();
  EXPECT_EQ(credentials->session_token, "");
  EXPECT_EQ(credentials->expires, absl::InfiniteFuture());
}

TEST(CredentialJson, SaysWhatIsMissingWithoutRepeatingTheText) {
  const struct {
    const char* text;
    CredentialFormat format;
    const char* error;
  } cases[] = {
      {"hidden", CredentialFormat::kMetadata, "no JSON object"},
      {"[\"hidden\"]", CredentialFormat::kMetadata, "no JSON object"},
      {R"({"Code": "hidden"})", CredentialFormat::kMetadata, "no credentials to give"},
      {R"({"AccessKeyId": "hidden"})", CredentialFormat::kMetadata, "lacks AccessKeyId or"},
      {R"({"AccessKeyId": 1, "SecretAccessKey": "hidden"})", CredentialFormat::kMetadata, "lacks"},
      {R"({"AccessKeyId": "hidden", "SecretAccessKey": "s"})", CredentialFormat::kProcess,
       "lacks \"Version\": 1"},
      {R"({"Version": 2, "AccessKeyId": "hidden"})", CredentialFormat::kProcess, "\"Version\": 1"},
      {R"({"AccessKeyId": "a", "SecretAccessKey": "s", "Expiration": "hidden"})",
       CredentialFormat::kMetadata, "no RFC 3339 time"},
  };
  for (const auto& one : cases) {
    const std::string error = ErrorOf(one.text, one.format);
    EXPECT_TRUE(absl::StrContains(error, one.error)) << one.text << ": " << error;
    EXPECT_FALSE(absl::StrContains(error, "hidden")) << error;
  }
}

TEST(CredentialJson, ChecksThatAPairIsWholeAndFitsAHeader) {
  Credentials credentials;
  credentials.access_key_id = "A";
  credentials.source = "the test";
  EXPECT_EQ(CheckCredentials(credentials).message(),
            "half a key pair in the test: it has no secret access key");
  credentials.secret_access_key = "may hold anything\n";
  EXPECT_TRUE(CheckCredentials(credentials).ok());
  credentials.session_token = "hidden\r\nX-Evil: 1";
  const absl::Status status = CheckCredentials(credentials);
  EXPECT_EQ(KindOf(status), ErrorKind::kS3);
  EXPECT_FALSE(absl::StrContains(status.message(), "hidden")) << status;
}

}  // namespace
}  // namespace volstream
