// Keys from profiles, containers and EC2, through the command line; the services are stand-ins
// (tests/support/aws_stand_in.h), S3 is the fake one.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "engine/bytes.h"
#include "tests/support/aws_stand_in.h"
#include "tests/support/cli.h"
#include "tests/support/fake_s3.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

constexpr char kSecret[] = "profileSecretThatMustNeverBePrinted";

class CredentialsCli : public ::testing::Test {
 protected:
  CredentialsCli() {
    mkdir((home_ / ".aws").c_str(), 0700);
    mkdir((home_ / "volume").c_str(), 0755);
    WriteFile(home_ / "volume/file", RandomBytes(3, 6 * kMiB));
    WriteFile(home_ / ".aws/credentials",
              std::string("[base]\naws_access_key_id = BASEKEY\naws_secret_access_key = ") +
                  kSecret + "\n");
    WriteFile(home_ / ".aws/config",
              "[profile base]\nregion = eu-west-1\nservices = fake\n"
              "[profile role]\nrole_arn = arn:aws:iam::123456789012:role/backup\n"
              "source_profile = base\nservices = fake\n"
              "[services fake]\ns3 =\n  endpoint_url = " +
                  s3_.endpoint() + "\nsts =\n  endpoint_url = " + aws_.Url() + "\n");
  }

  // Without a key or an endpoint in the environment.
  Command Run(std::vector<std::string> args) {
    Command command = Volstream(std::move(args));
    command.Env("HOME", home_.path());
    return command;
  }
  Command Backup(std::vector<std::string> extra = {}) {
    std::vector<std::string> args = {"backup",         home_ / "volume", "--to",
                                     "s3://bucket/p/", "--part-size",    "5MiB"};
    args.insert(args.end(), extra.begin(), extra.end());
    return Run(std::move(args));
  }
  static void ExpectNoSecretIn(const std::string& text) {
    for (const char* const secret : {kSecret, "issued-secret", "issued-token"}) {
      EXPECT_EQ(text.find(secret), std::string::npos) << text;
    }
  }
  void ExpectSuccess(const CommandResult& result) {
    EXPECT_EQ(result.exit_code, 0) << result;
    ExpectNoSecretIn(result.out + result.err);
    EXPECT_EQ(s3_.Keys().size(), 2u) << result;
  }

  TempDir home_;
  AwsStandIn aws_;
  FakeS3 s3_;
};

TEST_F(CredentialsCli, AProfileGivesKeysAndEndpoint) {
  ExpectSuccess(Backup({"--profile", "base"}).Run());
}

TEST_F(CredentialsCli, TheEnvironmentNamesTheProfile) {
  ExpectSuccess(Backup().Env("AWS_PROFILE", "base").Run());
}

TEST_F(CredentialsCli, ARoleIsAssumed) {
  ExpectSuccess(Backup({"--profile", "role"}).Run());
  ASSERT_GE(aws_.Requests().size(), 1u);
  EXPECT_EQ(AwsStandIn::FormValue(aws_.Requests()[0], "RoleArn"),
            "arn:aws:iam::123456789012:role/backup");
}

TEST_F(CredentialsCli, KeysThatExpireDuringTheRunAreRenewed) {
  Fault expired;
  expired.operation = S3Operation::kUploadPart;
  expired.part_number = 1;
  expired.times = 1;
  expired.status = 400;
  expired.code = "ExpiredToken";
  s3_.AddFault(expired);
  ExpectSuccess(Backup({"--profile", "role"}).Run());
  EXPECT_EQ(aws_.issued(), 2);
}

TEST_F(CredentialsCli, KeysWithLittleLeftAreGoodUntilTheirEnd) {
  aws_.SetExpiration(absl::Now() + absl::Minutes(2));
  ExpectSuccess(Backup({"--profile", "role"}).Run());
}

TEST_F(CredentialsCli, ASlowClockOfTheIssuerStopsNothing) {
  aws_.SetExpiration(absl::Now() - absl::Hours(1));
  ExpectSuccess(Backup({"--profile", "role"}).Run());
  EXPECT_EQ(aws_.issued(), 1);
}

TEST_F(CredentialsCli, AContainerGivesKeys) {
  ExpectSuccess(Backup({"--endpoint-url", s3_.endpoint()})
                    .Env("AWS_CONTAINER_CREDENTIALS_FULL_URI", aws_.Url(AwsStandIn::kContainerPath))
                    .Env("AWS_CONTAINER_AUTHORIZATION_TOKEN", AwsStandIn::kContainerToken)
                    .Run());
  EXPECT_EQ(aws_.issued(), 1);
}

TEST_F(CredentialsCli, AnInstanceGivesKeys) {
  ExpectSuccess(Backup({"--endpoint-url", s3_.endpoint()})
                    .Env("AWS_EC2_METADATA_DISABLED", "false")
                    .Env("AWS_EC2_METADATA_SERVICE_ENDPOINT", aws_.Url())
                    .Run());
  EXPECT_EQ(aws_.issued(), 1);
}

TEST_F(CredentialsCli, APodsTokenIsExchanged) {
  WriteFile(home_ / "token", "header.body.signature");
  ExpectSuccess(Backup({"--endpoint-url", s3_.endpoint()})
                    .Env("AWS_WEB_IDENTITY_TOKEN_FILE", home_ / "token")
                    .Env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/pod")
                    .Env("AWS_ENDPOINT_URL_STS", aws_.Url())
                    .Run());
  EXPECT_EQ(aws_.issued(), 1);
}

TEST_F(CredentialsCli, AProfileThatIsNotThereIsNamedWithThoseThatAre) {
  const CommandResult result = Backup({"--profile", "bose"}).Run();
  ExpectOneError(result, kExitS3, {"no profile \"bose\"", "there are: base, role", "--profile"});
}

TEST_F(CredentialsCli, ARoleThatIsRefusedIsAnS3Error) {
  aws_.FailNext(403, "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>");
  const CommandResult result = Backup({"--profile", "role"}).Run();
  ExpectOneError(result, kExitS3, {"AssumeRole", "role/backup", "AccessDenied", "trust policy"});
  ExpectNoSecretIn(result.err);
}

TEST_F(CredentialsCli, ARefusalNamesTheSourceOfTheKeys) {
  Fault refusal;
  refusal.operation = S3Operation::kListObjects;
  refusal.status = 403;
  refusal.code = "InvalidAccessKeyId";
  s3_.AddFault(refusal);
  const CommandResult result = Backup({"--profile", "base"}).Run();
  ExpectOneError(result, kExitS3, {"InvalidAccessKeyId", "credentials: profile base"});
  ExpectNoSecretIn(result.err);
}

TEST_F(CredentialsCli, SecretsAreNeitherInArgumentsNorInTheHelp) {
  Fault hang;
  hang.operation = S3Operation::kUploadPart;
  hang.action = FaultAction::kHang;
  hang.times = 1;
  s3_.AddFault(hang);
  Command command = Backup({"--profile", "role"});
  command.Start();
  ASSERT_TRUE(s3_.WaitUntilHanging(1));
  const std::string proc = "/proc/" + std::to_string(command.pid());
  ExpectNoSecretIn(ReadFile(proc + "/cmdline"));
  ExpectNoSecretIn(ReadFile(proc + "/environ"));
  s3_.OpenGate();
  ExpectSuccess(command.Wait());
  const CommandResult help = Run({"backup", "--help"}).Env("AWS_SECRET_ACCESS_KEY", kSecret).Run();
  ExpectNoSecretIn(help.out + help.err);
  EXPECT_NE(help.out.find("--profile"), std::string::npos) << help;
}

}  // namespace
}  // namespace volstream
