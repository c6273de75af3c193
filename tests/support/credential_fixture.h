// CredentialFixture: an environment and a home directory of the test's own, and the services that
// give out credentials (tests/support/aws_stand_in.h).
#ifndef VOLSTREAM_TESTS_SUPPORT_CREDENTIAL_FIXTURE_H_
#define VOLSTREAM_TESTS_SUPPORT_CREDENTIAL_FIXTURE_H_

#include <sys/stat.h>

#include <map>
#include <string>

#include <gtest/gtest.h>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "stages/credential_context.h"
#include "tests/support/aws_stand_in.h"
#include "tests/support/tree.h"

namespace volstream {

class CredentialFixture : public ::testing::Test {
 protected:
  static constexpr char kSecret[] = "a-secret-that-must-not-be-seen";

  CredentialFixture() {
    variables_["HOME"] = home_.path();
    mkdir((home_ / ".aws").c_str(), 0700);
    variables_["AWS_ENDPOINT_URL_STS"] = aws_.Url();
    variables_["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = aws_.Url();
    context_.environment = [this](const std::string& name) {
      const auto found = variables_.find(name);
      return found == variables_.end() ? "" : found->second;
    };
    context_.clock = [] { return absl::FromUnixSeconds(1'750'000'000); };
    context_.container_origin = aws_.Url();
  }

  void WriteConfig(const std::string& text) { WriteFile(home_ / ".aws/config", text); }
  void WriteKeys(const std::string& text) { WriteFile(home_ / ".aws/credentials", text); }

  // The message has the text in it, and no secret that a test gave or was given.
  static void ExpectSays(const absl::Status& status, const std::string& text) {
    EXPECT_FALSE(status.ok());
    EXPECT_TRUE(absl::StrContains(status.message(), text)) << status;
    for (const char* const secret : {kSecret, "issued-secret", "issued-token"}) {
      EXPECT_FALSE(absl::StrContains(status.message(), secret)) << status;
    }
  }

  TempDir home_;
  AwsStandIn aws_;
  std::map<std::string, std::string> variables_;
  CredentialContext context_;
};

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_CREDENTIAL_FIXTURE_H_
