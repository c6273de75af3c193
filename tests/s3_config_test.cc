#include "stages/s3_config.h"

#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "stages/error_kind.h"
#include "stages/url.h"

namespace volstream {
namespace {

std::string PrefixOf(const std::string& text) {
  const absl::StatusOr<S3Location> location = ParseS3Location(text);
  return location.ok() ? location->prefix : location.status().ToString();
}

// Sets the variables of the S3 environment for one test, and no others.
class S3Environment : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : kNames) {
      const char* value = std::getenv(name);
      if (value != nullptr) before_[name] = value;
      unsetenv(name);
    }
  }
  void TearDown() override {
    for (const char* name : kNames) unsetenv(name);
    for (const auto& [name, value] : before_) setenv(name.c_str(), value.c_str(), 1);
  }

  static constexpr const char* kNames[] = {
      "AWS_REGION",       "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_S3",
      "AWS_ENDPOINT_URL", "S3_ENDPOINT_URL",    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
      "AWS_CA_BUNDLE"};
  std::map<std::string, std::string> before_;
};

TEST(S3Location, NormalisesSlashes) {
  EXPECT_EQ(PrefixOf("s3://bucket"), "");
  EXPECT_EQ(PrefixOf("s3://bucket/"), "");
  EXPECT_EQ(PrefixOf("s3://bucket/a"), "a/");
  EXPECT_EQ(PrefixOf("s3://bucket//a/b//"), "a/b/");
  EXPECT_EQ(ParseS3Location("s3://bucket/a/b")->Url(), "s3://bucket/a/b/");
}

TEST(S3Location, SaysWhatIsMissing) {
  EXPECT_TRUE(absl::StrContains(PrefixOf("s3://"), "the bucket is missing"));
  EXPECT_TRUE(absl::StrContains(PrefixOf("s3:///x"), "the bucket is missing"));
  EXPECT_TRUE(absl::StrContains(PrefixOf("/backups"), "s3://bucket/prefix/"));
  EXPECT_EQ(KindOf(ParseS3Location("s3://").status()), ErrorKind::kS3);
}

TEST(S3Location, StatesTheRuleForABadBucketName) {
  for (const char* const name : {"ab", "Bucket", "a_b_c", "-abc", "abc.", "a..b"}) {
    const std::string text = PrefixOf(std::string("s3://") + name);
    EXPECT_TRUE(absl::StrContains(text, "3 to 63 characters")) << text;
  }
  EXPECT_TRUE(ValidateBucketName("a.b-3").ok());
}

TEST(S3Location, RefusesControlCharacters) {
  EXPECT_TRUE(absl::StrContains(PrefixOf("s3://bucket/a\nb"), "control character"));
}

TEST_F(S3Environment, GivesDefaultsWhenEmpty) {
  const S3Options options = S3OptionsFromEnvironment();
  EXPECT_EQ(options.region, "");
  EXPECT_EQ(S3RegionOf(options), "us-east-1");
  EXPECT_EQ(options.endpoint_url, "");
  EXPECT_EQ(options.connections, 8);
}

TEST_F(S3Environment, PrefersTheMoreSpecificVariable) {
  setenv("S3_ENDPOINT_URL", "http://c", 1);
  EXPECT_EQ(S3OptionsFromEnvironment().endpoint_url, "http://c");
  setenv("AWS_ENDPOINT_URL", "http://b", 1);
  EXPECT_EQ(S3OptionsFromEnvironment().endpoint_url, "http://b");
  setenv("AWS_ENDPOINT_URL_S3", "http://a", 1);
  EXPECT_EQ(S3OptionsFromEnvironment().endpoint_url, "http://a");
  setenv("AWS_DEFAULT_REGION", "eu-north-1", 1);
  EXPECT_EQ(S3OptionsFromEnvironment().region, "eu-north-1");
  setenv("AWS_REGION", "eu-west-1", 1);
  EXPECT_EQ(S3OptionsFromEnvironment().region, "eu-west-1");
}

TEST_F(S3Environment, LeavesOutEndpointsThatAreToBeIgnored) {
  setenv("AWS_ENDPOINT_URL_S3", "http://a", 1);
  setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true", 1);
  EXPECT_EQ(S3OptionsFromEnvironment().endpoint_url, "");
}

TEST(S3Options, NamesTheVariablesThatAreMissing) {
  S3Options options;
  const absl::Status both = ValidateS3Options(options);
  EXPECT_EQ(both.message(), "no S3 credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
  EXPECT_EQ(KindOf(both), ErrorKind::kS3);
  options.access_key_id = "id";
  EXPECT_EQ(ValidateS3Options(options).message(), "no S3 credentials: set AWS_SECRET_ACCESS_KEY");
}

TEST(S3Options, RefuseAHeaderBreakInAKey) {
  S3Options options;
  options.access_key_id = "id\r\nX-Evil: 1";
  options.secret_access_key = "secret";
  EXPECT_EQ(ValidateS3Options(options).code(), absl::StatusCode::kInvalidArgument);
}

TEST(S3Options, SignForTheProvidersRegionUnlessTold) {
  S3Options options;
  options.endpoint_url = "https://account.r2.cloudflarestorage.com";
  EXPECT_EQ(S3RegionOf(options), "auto");
  options.region = "weur";
  EXPECT_EQ(S3RegionOf(options), "weur");
}

TEST(S3Address, IsAVirtualHostOnAws) {
  S3Options options;
  options.region = "eu-central-1";
  const absl::StatusOr<S3Address> address = S3AddressOf("bucket", options);
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(address->origin, "https://bucket.s3.eu-central-1.amazonaws.com");
  EXPECT_EQ(address->path_prefix, "");
  EXPECT_TRUE(address->https);
}

TEST(S3Address, IsAPathForABucketWithADot) {
  const absl::StatusOr<S3Address> address = S3AddressOf("my.bucket", S3Options());
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(address->origin, "https://s3.us-east-1.amazonaws.com");
  EXPECT_EQ(address->path_prefix, "/my.bucket");
}

TEST(S3Address, IsAPathOnACustomEndpoint) {
  S3Options options;
  options.endpoint_url = "http://LocalHost:9000/base/";
  const absl::StatusOr<S3Address> address = S3AddressOf("bucket", options);
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(address->origin, "http://localhost:9000");
  EXPECT_EQ(address->host_header, "localhost:9000");
  EXPECT_EQ(address->path_prefix, "/base/bucket");
  EXPECT_FALSE(address->https);
}

TEST(S3Address, RefusesABadEndpointWithoutRepeatingIt) {
  S3Options options;
  options.endpoint_url = "https://user:hidden@host";
  const absl::Status status = S3AddressOf("bucket", options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(absl::StrContains(status.message(), "hidden"));
}

TEST(Url, DropsTheDefaultPort) {
  EXPECT_EQ(ParseUrl("https://host:443/x")->HostHeader(), "host");
  EXPECT_EQ(ParseUrl("https://host:80/x")->HostHeader(), "host:80");
  EXPECT_EQ(ParseUrl("http://[::1]:9000")->HostHeader(), "[::1]:9000");
}

TEST(Url, RefusesWhatIsNotPlainHttp) {
  for (const char* const text : {"ftp://host", "host", "", "http://", "http://h?q", "http://h#f"}) {
    EXPECT_FALSE(ParseUrl(text).ok()) << text;
  }
}

}  // namespace
}  // namespace volstream
