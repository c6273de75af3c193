// The shared config and credentials files, as people write them.
#include "stages/aws_config.h"

#include <sys/stat.h>

#include <map>
#include <string>

#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "stages/error_kind.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

class AwsConfigTest : public ::testing::Test {
 protected:
  AwsConfigTest() {
    variables_["HOME"] = home_.path();
    mkdir((home_ / ".aws").c_str(), 0700);
  }

  absl::StatusOr<AwsConfig> Load() {
    return AwsConfig::Load([this](const std::string& name) {
      const auto found = variables_.find(name);
      return found == variables_.end() ? "" : found->second;
    });
  }
  AwsConfig Config(const std::string& text) {
    WriteFile(home_ / ".aws/config", text);
    absl::StatusOr<AwsConfig> config = Load();
    EXPECT_TRUE(config.ok()) << config.status();
    return config.ok() ? *config : AwsConfig();
  }

  TempDir home_;
  std::map<std::string, std::string> variables_;
};

TEST_F(AwsConfigTest, IsEmptyWithoutFiles) {
  const absl::StatusOr<AwsConfig> config = Load();
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_FALSE(config->HasProfile("default"));
  EXPECT_EQ(config->Get("default", "region"), "");
}

TEST_F(AwsConfigTest, ReadsProfilesOfBothFiles) {
  WriteFile(home_ / ".aws/credentials",
            "[default]\naws_access_key_id = A\n[work]\naws_access_key_id=B\n");
  const AwsConfig config = Config(
      "[default]\nregion = eu-west-1\naws_access_key_id = beaten\n"
      "[profile work]\nregion=eu-west-2\n[work]\nregion = of no profile\n");
  EXPECT_EQ(config.Get("default", "region"), "eu-west-1");
  EXPECT_EQ(config.Get("default", "aws_access_key_id"), "A");
  EXPECT_EQ(config.Get("work", "region"), "eu-west-2");
  EXPECT_EQ(config.Get("work", "aws_access_key_id"), "B");
  EXPECT_EQ(config.Describe("work", "aws_access_key_id"),
            "profile work (" + home_.path() + "/.aws/credentials)");
  EXPECT_EQ(config.Describe("work", "region"), "profile work (" + home_.path() + "/.aws/config)");
}

TEST_F(AwsConfigTest, TakesOtherPaths) {
  WriteFile(home_ / "c", "[profile x]\nregion = one\n");
  WriteFile(home_ / "s", "[x]\naws_access_key_id = two\n");
  variables_["AWS_CONFIG_FILE"] = home_ / "c";
  variables_["AWS_SHARED_CREDENTIALS_FILE"] = "~/s";
  const absl::StatusOr<AwsConfig> config = Load();
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->Get("x", "region"), "one");
  EXPECT_EQ(config->Get("x", "aws_access_key_id"), "two");
}

TEST_F(AwsConfigTest, LeavesCommentsOutAndSpecialCharactersIn) {
  const AwsConfig config = Config(
      "# a comment\n; another\n[ profile  x ]  # of a section\nregion = eu ; of a value\n"
      "role_arn = arn:aws:iam::123456789012:role/r # of another\naws_secret_access_key = "
      "a/b+c=#;d\n"
      "credential_process = \"/opt/a b\" --x=y:z\n");
  EXPECT_EQ(config.Get("x", "region"), "eu");
  EXPECT_EQ(config.Get("x", "role_arn"), "arn:aws:iam::123456789012:role/r");
  EXPECT_EQ(config.Get("x", "aws_secret_access_key"), "a/b+c=#;d");
  EXPECT_EQ(config.Get("x", "credential_process"), "\"/opt/a b\" --x=y:z");
}

TEST_F(AwsConfigTest, KeepsBlocksApartFromTheProfile) {
  const AwsConfig config = Config(
      "[profile x]\nregion = eu\ns3 =\n  endpoint_url = http://of-a-block\n  region = us\n"
      "output = json\nservices = mine\n"
      "[services mine]\nsts =\n  endpoint_url = http://sts\ns3 =\n\t# comment\n"
      "\tendpoint_url = http://s3:9000/ # comment\n");
  EXPECT_EQ(config.Get("x", "region"), "eu");
  EXPECT_EQ(config.Get("x", "output"), "json");
  EXPECT_EQ(config.GetForService("x", "s3", "endpoint_url"), "http://s3:9000/");
  EXPECT_EQ(config.EndpointFor("x", "s3"), "http://s3:9000/");
  EXPECT_EQ(config.EndpointFor("x", "sts"), "http://sts");
}

TEST_F(AwsConfigTest, FallsBackToTheProfilesEndpointUnlessToldNotTo) {
  const AwsConfig config = Config(
      "[default]\nendpoint_url = http://all\n"
      "[profile off]\nendpoint_url = http://all\nignore_configured_endpoint_urls = true\n");
  EXPECT_EQ(config.EndpointFor("default", "s3"), "http://all");
  EXPECT_EQ(config.EndpointFor("off", "s3"), "");
}

TEST_F(AwsConfigTest, TakesAnIndentedProfile) {
  const AwsConfig config = Config("[default]\n  region = eu\n  output = json\n\n  role_arn = r\n");
  EXPECT_EQ(config.Get("default", "region"), "eu");
  EXPECT_EQ(config.Get("default", "output"), "json");
  EXPECT_EQ(config.Get("default", "role_arn"), "r");
}

TEST_F(AwsConfigTest, CutsNeitherLongNamesNorLongTokens) {
  const std::string name = "AdministratorAccess-123456789012-in-a-company-with-a-long-name-";
  const std::string token(5000, 't');
  const AwsConfig config = Config("[profile " + name + "1]\nregion = one\n[profile " + name +
                                  "2]\naws_session_token = " + token + "\nregion = two\n");
  EXPECT_EQ(config.Get(name + "1", "region"), "one");
  EXPECT_EQ(config.Get(name + "2", "region"), "two");
  EXPECT_EQ(config.Get(name + "2", "aws_session_token"), token);
}

TEST_F(AwsConfigTest, NamesTheBadLineWithoutRepeatingIt) {
  WriteFile(home_ / ".aws/config", "[default]\nregion = x\nhidden-secret\n");
  const absl::Status status = Load().status();
  EXPECT_EQ(status.message(),
            home_.path() + "/.aws/config line 3: neither [section] nor \"name = value\"");
  EXPECT_EQ(KindOf(status), ErrorKind::kS3);
}

TEST_F(AwsConfigTest, SaysThatAFileCannotBeRead) {
  variables_["AWS_CONFIG_FILE"] = home_.path();
  EXPECT_TRUE(absl::StrContains(Load().status().message(), "cannot read " + home_.path()));
}

TEST_F(AwsConfigTest, ListsTheProfilesThatThereAre) {
  const AwsConfig config = Config("[profile b]\nregion = x\n[profile a]\nregion = x\n");
  EXPECT_TRUE(config.CheckProfile("a").ok());
  const absl::Status status = config.CheckProfile("c");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(absl::StrContains(status.message(), "no profile \"c\"")) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "there are: a, b")) << status;
}

}  // namespace
}  // namespace volstream
