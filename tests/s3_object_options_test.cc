// How objects are stored, through the CLI against the real server: encryption, Object Lock, tags,
// classes, addressing, conditional writes; and what doctor says of buckets.
#include <sys/stat.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "engine/bytes.h"
#include "tests/support/rgw.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr char kKey[] = "0123456789abcdef0123456789abcdef";

class S3ObjectOptionsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    source_ = dir_ / "volume";
    ASSERT_EQ(mkdir(source_.c_str(), 0755), 0);
    WriteFile(source_ + "/file", RandomBytes(5, 12 * kMiB));
    WriteFile(dir_ / "key", kKey);
  }

  Command Volstream(std::vector<std::string> args, bool tls = false) const {
    Command command = rgw_.Volstream(std::move(args));
    if (tls) {
      command.Env("AWS_ENDPOINT_URL", rgw_.tls_endpoint()).Env("AWS_CA_BUNDLE", rgw_.ca_file());
    }
    return command;
  }

  CommandResult Backup(const std::string& bucket, std::vector<std::string> extra, bool tls = false,
                       const std::string& source = "") const {
    std::vector<std::string> args = {"backup",      source.empty() ? source_ : source,
                                     "--to",        absl::StrCat("s3://", bucket, "/p/"),
                                     "--part-size", "5MiB"};
    args.insert(args.end(), extra.begin(), extra.end());
    return Volstream(std::move(args), tls).Run();
  }

  // The key of the only archive there.
  std::string ArchiveIn(const std::string& bucket) const {
    for (const std::string& key : rgw_.Keys(bucket)) {
      if (key.ends_with(".tar.gz")) return key;
    }
    return "";
  }

  nlohmann::json ReceiptOf(const std::string& bucket) const {
    return nlohmann::json::parse(rgw_.Get(bucket, ArchiveIn(bucket) + ".receipt.json"));
  }

  void ExpectRestores(const std::string& bucket, std::vector<std::string> extra, bool tls) const {
    const TempDir target;
    std::vector<std::string> args = {"restore", absl::StrCat("s3://", bucket, "/p/latest"),
                                     target / "out"};
    args.insert(args.end(), extra.begin(), extra.end());
    const CommandResult result = Volstream(std::move(args), tls).Run();
    EXPECT_EQ(result.exit_code, 0) << result;
    EXPECT_TRUE(ReadFile(source_ + "/file") == ReadFile(target / "out/file"));
  }

  // The states of doctor's findings, by check.
  std::map<std::string, std::string> Doctor(const std::string& bucket,
                                            std::vector<std::string> extra = {}) const {
    std::vector<std::string> args = {"doctor",       "--to", absl::StrCat("s3://", bucket, "/p/"),
                                     "--probe-size", "8MiB", "--json"};
    args.insert(args.end(), extra.begin(), extra.end());
    const CommandResult result = Volstream(std::move(args)).Run();
    EXPECT_EQ(result.exit_code, 0) << result;
    std::map<std::string, std::string> states;
    for (const auto& item : nlohmann::json::parse(result.out)) {
      states[item["check"]] = item["state"];
    }
    return states;
  }

  const Rgw& rgw_ = Rgw::Shared();
  TempDir dir_;
  std::string source_;
};

TEST_F(S3ObjectOptionsTest, ACustomerKeyEncryptsTheArchiveAndItsReceipt) {
  const std::string bucket = rgw_.NewBucket();
  const std::vector<std::string> key = {"--sse-c-key-file", dir_ / "key"};
  const CommandResult result = Backup(bucket, key, /*tls=*/true);
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_THAT(result.err, Not(HasSubstr(kKey)));
  ExpectRestores(bucket, key, /*tls=*/true);
  // Without the key nobody reads it.
  const TempDir target;
  const CommandResult without =
      Volstream({"restore", absl::StrCat("s3://", bucket, "/", ArchiveIn(bucket)), target / "out"},
                true)
          .Run();
  EXPECT_EQ(without.exit_code, 4) << without;
}

TEST_F(S3ObjectOptionsTest, ACustomerKeyIsNotSentInTheOpen) {
  const std::string bucket = rgw_.NewBucket();
  const CommandResult result = Backup(bucket, {"--sse-c-key-file", dir_ / "key"});
  EXPECT_EQ(result.exit_code, 4) << result;
  EXPECT_THAT(result.err, HasSubstr("https://"));
  EXPECT_THAT(rgw_.Keys(bucket), IsEmpty());
}

TEST_F(S3ObjectOptionsTest, AKmsKeyEncryptsAndTheReceiptSaysWhatProvesIt) {
  const std::string bucket = rgw_.NewBucket();
  const CommandResult result =
      Backup(bucket, {"--sse", "aws:kms", "--sse-kms-key-id", "vstest-key"}, /*tls=*/true);
  ASSERT_EQ(result.exit_code, 0) << result;
  const nlohmann::json receipt = ReceiptOf(bucket);
  EXPECT_EQ(receipt["object"]["encryption"], "SSE-KMS");
  EXPECT_THAT(receipt["object"]["proof"].get<std::string>(), HasSubstr("Content-MD5 of each part"));
  ExpectRestores(bucket, {}, /*tls=*/true);
}

TEST_F(S3ObjectOptionsTest, AnUnknownKmsKeyFailsTheRunAndLeavesNothing) {
  const std::string bucket = rgw_.NewBucket();
  const CommandResult result =
      Backup(bucket, {"--sse", "aws:kms", "--sse-kms-key-id", "no-such-key"}, /*tls=*/true);
  EXPECT_EQ(result.exit_code, 4) << result;
  EXPECT_THAT(rgw_.Keys(bucket), IsEmpty());
  EXPECT_THAT(rgw_.OpenUploads(bucket), IsEmpty());
}

TEST_F(S3ObjectOptionsTest, TagsMetadataAndClassComeWithTheObject) {
  const std::string bucket = rgw_.NewBucket();
  const CommandResult result =
      Backup(bucket, {"--tag", "team=ops & more", "--tag", "kind=backup", "--metadata",
                      "owner=somebody", "--storage-class", "STANDARD", "--user-agent", "nightly"});
  ASSERT_EQ(result.exit_code, 0) << result;
  const std::string headers = rgw_.HeadText(bucket, ArchiveIn(bucket));
  EXPECT_THAT(headers, HasSubstr("x-amz-meta-owner: somebody"));
  EXPECT_THAT(headers, HasSubstr("tagging-count: 2"));
}

TEST_F(S3ObjectOptionsTest, ObjectLockHoldsTheBackup) {
  const std::string bucket = rgw_.NewLockBucket();
  const CommandResult result =
      Backup(bucket, {"--object-lock-mode", "governance", "--object-lock-days", "2"});
  ASSERT_EQ(result.exit_code, 0) << result;
  // The bucket's own default is one day.
  const std::string headers = rgw_.HeadText(bucket, ArchiveIn(bucket));
  constexpr char kUntil[] = "retain-until-date: ";
  ASSERT_THAT(headers, HasSubstr(kUntil));
  absl::Time until;
  const std::string date = headers.substr(headers.find(kUntil) + sizeof(kUntil) - 1, 10);
  ASSERT_TRUE(absl::ParseTime("%Y-%m-%d", date, &until, nullptr)) << date;
  EXPECT_GT(until, absl::Now() + absl::Hours(20));
  EXPECT_NE(ReceiptOf(bucket)["object"]["version_id"], nullptr);
}

TEST_F(S3ObjectOptionsTest, ABucketWithoutObjectLockRefusesToHold) {
  const std::string bucket = rgw_.NewBucket();
  const CommandResult result =
      Backup(bucket, {"--object-lock-mode", "governance", "--object-lock-days", "1"});
  EXPECT_EQ(result.exit_code, 4) << result;
  EXPECT_THAT(rgw_.Keys(bucket), IsEmpty());
}

TEST_F(S3ObjectOptionsTest, BucketsAreReachedByHostName) {
  const std::string bucket = rgw_.NewBucket();
  std::string endpoint = rgw_.endpoint();
  endpoint.replace(endpoint.find("127.0.0.1"), 9, "localhost");
  Command command = rgw_.Volstream(
      {"backup", source_, "--to", absl::StrCat("s3://", bucket, "/p/"), "--addressing", "virtual"});
  const CommandResult result = command.Env("AWS_ENDPOINT_URL", endpoint).Run();
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_NE(ArchiveIn(bucket), "");
}

TEST_F(S3ObjectOptionsTest, KnownProvidersGetConditionalWritesAndChecksums) {
  const std::string bucket = rgw_.NewBucket();
  const CommandResult result = Backup(bucket, {"--provider", "ceph", "--checksum", "crc64nvme"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_THAT(ReceiptOf(bucket)["object"]["checksum"].get<std::string>(),
              HasSubstr("the server keeps none"));
  ExpectRestores(bucket, {}, /*tls=*/false);
}

TEST_F(S3ObjectOptionsTest, ABandwidthLimitChangesNothingOfTheObject) {
  const std::string bucket = rgw_.NewBucket();
  const CommandResult result = Backup(bucket, {"--limit-upload", "64MiB"});
  ASSERT_EQ(result.exit_code, 0) << result;
  ExpectRestores(bucket, {}, /*tls=*/false);
}

TEST_F(S3ObjectOptionsTest, DoctorFindsNothingInTheWayAndLeavesNothing) {
  const std::string bucket = rgw_.NewBucket();
  const std::map<std::string, std::string> states = Doctor(bucket, {"--provider", "ceph"});
  for (const char* check : {"endpoint", "provider", "credentials", "connection", "clock", "list",
                            "versioning", "object lock", "put", "get", "conditional put",
                            "checksums", "multipart", "throughput", "delete", "abort"}) {
    EXPECT_THAT(states, Contains(::testing::Pair(check, "ok")));
  }
  EXPECT_THAT(rgw_.Keys(bucket), IsEmpty());
  EXPECT_THAT(rgw_.OpenUploads(bucket), IsEmpty());
}

TEST_F(S3ObjectOptionsTest, DoctorLeavesNoVersionInAVersionedBucket) {
  const std::string bucket = rgw_.NewVersionedBucket();
  const std::map<std::string, std::string> states = Doctor(bucket);
  EXPECT_THAT(states, Contains(::testing::Pair("versioning", "note")));
  EXPECT_THAT(states, Contains(::testing::Pair("delete", "ok")));
  EXPECT_EQ(rgw_.CountVersions(bucket), 0u);
  EXPECT_EQ(rgw_.CountMarkers(bucket), 0u);
}

TEST_F(S3ObjectOptionsTest, DoctorMakesNothingThatABucketWouldKeep) {
  const std::string bucket = rgw_.NewLockBucket();
  const std::map<std::string, std::string> states = Doctor(bucket);
  EXPECT_THAT(states, Contains(::testing::Pair("object lock", "note")));
  EXPECT_THAT(states, Contains(::testing::Pair("put", "skipped")));
  EXPECT_THAT(states, Contains(::testing::Pair("abort", "ok")));
  EXPECT_EQ(rgw_.CountVersions(bucket), 0u);
}

TEST_F(S3ObjectOptionsTest, DoctorSaysWhatAKeyMayNotDo) {
  const std::string bucket = rgw_.NewBucket();
  const CommandResult result =
      Volstream({"doctor", "--to", absl::StrCat("s3://", bucket, "/p/"), "--probe-size", "0"})
          .Env("AWS_ACCESS_KEY_ID", rgw_.guest_access_key())
          .Env("AWS_SECRET_ACCESS_KEY", rgw_.guest_secret_key())
          .Run();
  EXPECT_EQ(result.exit_code, 4) << result;
  EXPECT_THAT(result.out, HasSubstr("FAILED   put"));
  EXPECT_THAT(result.out, HasSubstr("s3:PutObject"));
}

TEST_F(S3ObjectOptionsTest, DoctorStopsAtABucketThatIsNotThere) {
  const CommandResult result = Volstream({"doctor", "--to", "s3://no-such-bucket-here/"}).Run();
  EXPECT_EQ(result.exit_code, 4) << result;
  EXPECT_THAT(result.out, HasSubstr("NoSuchBucket"));
  EXPECT_THAT(result.out, Not(HasSubstr("put ")));
}

TEST_F(S3ObjectOptionsTest, DoctorLooksAtDirectoriesToo) {
  const CommandResult result = Volstream({"doctor", "--to", dir_.path()}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_THAT(result.out, HasSubstr("can be written, read and removed"));
  const CommandResult file = Volstream({"doctor", "--to", dir_ / "key"}).Run();
  EXPECT_EQ(file.exit_code, 4) << file;
}

TEST_F(S3ObjectOptionsTest, OptionsThatDoNotGoTogetherAreRefused) {
  const std::string bucket = rgw_.NewBucket();
  const std::pair<std::vector<std::string>, std::string> kBad[] = {
      {{"--sse", "AES256", "--sse-c-key-file", dir_ / "key"}, "give one"},
      {{"--sse-kms-key-id", "k"}, "--sse aws:kms"},
      {{"--sse-c-key-file", dir_ / "none"}, "cannot read the key file"},
      {{"--tag", "novalue"}, "NAME=VALUE"},
      {{"--object-lock-mode", "governance"}, "both a mode and a time"},
      {{"--provider", "azure"}, "no provider is called"},
      {{"--client-cert", "x"}, "certificate needs both"}};
  for (const auto& [flags, says] : kBad) {
    const CommandResult result = Backup(bucket, flags);
    EXPECT_EQ(result.exit_code, 4) << result;
    EXPECT_THAT(result.err, HasSubstr(says));
  }
}

}  // namespace
}  // namespace volstream
