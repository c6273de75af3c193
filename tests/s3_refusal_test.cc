// What a person reads when S3 says no: the real server's answers where it gives them, a fake's
// (tests/support/fake_s3.h) where it does not.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>
#include <vector>

#include "engine/bytes.h"
#include "tests/support/cli.h"
#include "tests/support/fake_s3.h"
#include "tests/support/rgw.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

class S3Refusal : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(mkdir((directory_ / "volume").c_str(), 0755), 0);
    WriteFile(directory_ / "volume/file", RandomBytes(5, 6 * kMiB));
  }

  std::vector<std::string> BackupTo(const std::string& url) const {
    return {"backup", directory_ / "volume", "--to", url,           "--part-size",
            "5MiB",   "--retries",           "2",    "--retry-for", "0"};
  }
  Command Backup() const { return rgw_.Volstream(BackupTo("s3://" + bucket_ + "/p/")); }

  // The fake refuses the begin of an upload so.
  CommandResult Refused(int status, const std::string& code,
                        S3Operation operation = S3Operation::kCreateMultipartUpload) const {
    FakeS3 s3;
    Fault fault;
    fault.operation = operation;
    fault.status = status;
    fault.code = code;
    s3.AddFault(fault);
    CommandResult result = s3.Volstream(BackupTo("s3://bucket/p/")).Run();
    EXPECT_TRUE(s3.Keys().empty()) << result;
    EXPECT_TRUE(s3.OpenUploads().empty()) << result;
    return result;
  }

  const Rgw& rgw_ = Rgw::Shared();
  const std::string bucket_ = rgw_.NewBucket();
  TempDir directory_;
};

TEST_F(S3Refusal, ABucketThatIsNotThere) {
  const CommandResult result = rgw_.Volstream(BackupTo("s3://no-such-bucket/p/")).Run();
  ExpectOneError(result, kExitS3, {"s3://no-such-bucket/", "NoSuchBucket", "create the bucket"});
}

TEST_F(S3Refusal, ABucketOfSomebodyElse) {
  Command command = Backup();
  command.Env("AWS_ACCESS_KEY_ID", rgw_.guest_access_key());
  command.Env("AWS_SECRET_ACCESS_KEY", rgw_.guest_secret_key());
  const CommandResult result = command.Run();
  ExpectOneError(result, kExitS3, {"AccessDenied", "allow this key s3:PutObject", "policy"});
  EXPECT_EQ(result.err.find(rgw_.guest_secret_key()), std::string::npos);
}

TEST_F(S3Refusal, AWrongSecret) {
  const CommandResult result = Backup().Env("AWS_SECRET_ACCESS_KEY", "aWrongOne").Run();
  ExpectOneError(result, kExitS3, {"SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY"});
  EXPECT_EQ(result.err.find("aWrongOne"), std::string::npos);
}

TEST_F(S3Refusal, AnUnknownKey) {
  const CommandResult result = Backup().Env("AWS_ACCESS_KEY_ID", "NOBODYKNOWSIT").Run();
  ExpectOneError(result, kExitS3, {"InvalidAccessKeyId", "AWS_ACCESS_KEY_ID"});
}

TEST_F(S3Refusal, ABucketNameThatCannotBe) {
  const CommandResult result = rgw_.Volstream(BackupTo("s3://No_Such/p/")).Run();
  ExpectOneError(result, kExitS3, {"No_Such", "3 to 63 characters"});
}

TEST_F(S3Refusal, ABucketNameThatTheProviderRefuses) {
  ExpectOneError(Refused(400, "InvalidBucketName"), kExitS3, {"correct the destination"});
}

TEST_F(S3Refusal, ABucketInAnotherRegion) {
  ExpectOneError(Refused(301, "PermanentRedirect"), kExitS3, {"region", "AWS_REGION"});
  ExpectOneError(Refused(400, "AuthorizationHeaderMalformed"), kExitS3, {"region", "AWS_REGION"});
}

TEST_F(S3Refusal, AClockThatIsWrongAlthoughItWasPutRight) {
  ExpectOneError(Refused(403, "RequestTimeTooSkewed"), kExitS3, {"clock", "NTP"});
}

TEST_F(S3Refusal, PartsThatAreTooSmallForTheProvider) {
  ExpectOneError(Refused(400, "EntityTooSmall", S3Operation::kCompleteMultipartUpload), kExitS3,
                 {"minimum", "--part-size"});
}

TEST_F(S3Refusal, TemporaryKeysThatHaveRunOut) {
  ExpectOneError(Refused(400, "ExpiredToken"), kExitS3, {"AWS_SESSION_TOKEN"});
}

TEST_F(S3Refusal, ADestinationThatIsFull) {
  ExpectOneError(Refused(403, "QuotaExceeded", S3Operation::kUploadPart), kExitS3,
                 {"full", "quota"});
}

}  // namespace
}  // namespace volstream
