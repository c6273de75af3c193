// Backup, list, restore and retention against a real S3 server (Ceph RGW, tests/support/rgw.h).
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/bytes.h"
#include "stages/digest.h"
#include "tests/support/archive.h"
#include "tests/support/cli.h"
#include "tests/support/rgw.h"
#include "tests/support/sockets.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

class BackupS3 : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = new TempDir();
    TreeOptions options;
    options.incompressible_bytes = 17 * kMiB;
    MakeTree(*shared_ / "volume", options);
    ASSERT_EQ(mkdir((*shared_ / "small").c_str(), 0755), 0);
    WriteFile(*shared_ / "small/file", "contents");
  }
  static void TearDownTestSuite() { delete shared_; }

  static std::string Source() { return *shared_ / "volume"; }
  static std::string Small() { return *shared_ / "small"; }
  std::string Url(const std::string& prefix = "") const { return "s3://" + bucket_ + "/" + prefix; }

  // Backs up and expects success; the key of the one archive under `prefix`.
  std::string BackUpTo(const std::string& prefix, const std::string& source,
                       const std::vector<std::string>& extra = {}) {
    Command command = rgw_.Volstream({"backup", source, "--to", Url(prefix)});
    for (const std::string& arg : extra) command.Arg(arg);
    const CommandResult result = command.Run();
    EXPECT_EQ(result.exit_code, 0) << result;
    const std::vector<std::string> archives = ArchiveKeys(prefix);
    EXPECT_EQ(archives.size(), 1u) << result;
    return archives.empty() ? "" : archives.back();
  }

  std::vector<std::string> ArchiveKeys(const std::string& prefix) const {
    std::vector<std::string> keys;
    for (const std::string& key : rgw_.Keys(bucket_, prefix)) {
      if (key.ends_with(kArchiveEnding)) keys.push_back(key);
    }
    return keys;
  }

  nlohmann::json Receipt(const std::string& archive_key) const {
    return nlohmann::json::parse(rgw_.Get(bucket_, archive_key + ".receipt.json"), nullptr, false);
  }

  // `count` proven backups of past days under `prefix`: their keys.
  std::vector<std::string> MakeOlder(const std::string& prefix, int count) {
    TempDir directory;
    const std::string archive = BackUp(Small(), directory.path());
    std::vector<std::string> keys;
    for (int day = 1; day <= count; ++day) {
      char stamp[32];
      std::snprintf(stamp, sizeof(stamp), "202001%02d_120000", day);
      const std::string name = CopyAsBackupOf(archive, stamp);
      const std::string receipt = name + ".receipt.json";
      rgw_.Put(bucket_, prefix + name, ReadFile(directory / name));
      rgw_.Put(bucket_, prefix + receipt, ReadFile(directory / receipt));
      keys.push_back(prefix + name);
    }
    return keys;
  }

  // Fails with exit code 4 and one line; neither key nor secret is in it, nothing is in the bucket.
  void ExpectRefusal(const CommandResult& result, const std::vector<std::string>& words) {
    ExpectOneError(result, kExitS3, words);
    EXPECT_EQ((result.out + result.err).find(rgw_.secret_key()), std::string::npos) << result;
    EXPECT_EQ(rgw_.Keys(bucket_), std::vector<std::string>{});
    EXPECT_EQ(rgw_.OpenUploads(bucket_), std::vector<std::string>{});
  }

  static inline TempDir* shared_ = nullptr;
  const Rgw& rgw_ = Rgw::Shared();
  const std::string bucket_ = rgw_.NewBucket();
  TempDir directory_;
  const std::string target_ = directory_ / "target";
};

TEST_F(BackupS3, UploadsInPartsWithTheEtagOfTheReceipt) {
  const std::string key = BackUpTo("p/", Source(), {"--part-size", "5MiB"});
  const nlohmann::json receipt = Receipt(key);
  EXPECT_GE(receipt.value("part_count", 0), 4) << receipt;
  const RgwObject object = rgw_.Head(bucket_, key);
  EXPECT_EQ(object.etag, receipt.value("etag", ""));
  EXPECT_TRUE(object.etag.ends_with("-" + std::to_string(receipt.value("part_count", 0))))
      << object.etag;
  EXPECT_EQ(object.bytes, receipt.value("bytes", 0u));
}

// Nine parts of one size come first, as 10,000 shall reach 5 TiB.
TEST_F(BackupS3, GrowsThePartsOfAStreamOfUnknownLength) {
  WriteFile(directory_ / "dump", RandomBytes(5, 182 * kMiB));
  const CommandResult result = rgw_.Volstream({"backup", "-", "--to", Url(), "--name", "dump",
                                               "--level", "1", "--memory", "2304MiB"})
                                   .StdinFrom(directory_ / "dump")
                                   .Run();
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_NE(result.err.find("fit 10000 parts of 16 to "), std::string::npos) << result;
  const std::vector<std::string> keys = rgw_.Keys(bucket_);
  ASSERT_EQ(keys.size(), 2u) << result;
  const nlohmann::json receipt = Receipt(keys[0]);
  ASSERT_EQ(receipt.value("part_count", 0u), 12u) << receipt;
  const std::string bytes = rgw_.Get(bucket_, keys[0]);
  EXPECT_EQ(Md5Hex(bytes), receipt.value("md5", "?"));
  Md5Stream md5s;
  size_t offset = 0;
  for (uint64_t i = 0; i < 12; ++i) {
    const std::string part =
        bytes.substr(offset, std::min(receipt.at("part_bytes").get<uint64_t>() +
                                          receipt.at("part_step_bytes").get<uint64_t>() *
                                              (i / receipt.at("parts_per_step").get<uint64_t>()),
                                      receipt.at("max_part_bytes").get<uint64_t>()));
    md5s.Update(Md5Of(AsBytes(part)));
    offset += part.size();
  }
  EXPECT_EQ(offset, bytes.size());
  const std::string etag = ToHex(md5s.Finish()) + "-12";
  EXPECT_EQ(rgw_.Head(bucket_, keys[0]).etag, etag);
  EXPECT_EQ(receipt.value("etag", ""), etag);
}

TEST_F(BackupS3, UploadsASmallArchiveByOnePut) {
  const std::string key = BackUpTo("p/", Small());
  const nlohmann::json receipt = Receipt(key);
  const RgwObject object = rgw_.Head(bucket_, key);
  EXPECT_EQ(object.etag, receipt.value("md5", "?"));
  EXPECT_EQ(object.etag, receipt.value("etag", ""));
  EXPECT_EQ(object.bytes, receipt.value("bytes", 0u));
}

TEST_F(BackupS3, StoresTheVeryBytesThatTheReceiptSays) {
  const std::string key = BackUpTo("p/", Source(), {"--part-size", "5MiB"});
  const std::string bytes = rgw_.Get(bucket_, key);
  EXPECT_EQ(Md5Hex(bytes), Receipt(key).value("md5", ""));
  EXPECT_EQ(bytes.size(), Receipt(key).value("bytes", 0u));
  WriteFile(directory_ / "archive.tar.gz", bytes);
  ASSERT_EQ(mkdir(target_.c_str(), 0700), 0);
  const CommandResult tar =
      Command({"tar", "-xzpf", directory_ / "archive.tar.gz", "--numeric-owner", "-C", target_})
          .Run();
  EXPECT_EQ(tar.exit_code, 0) << tar;
  EXPECT_EQ(DiffTrees(SnapshotTree(Source()), SnapshotTree(target_)), "");
}

TEST_F(BackupS3, LeavesTheArchiveAndItsReceiptAndNothingElse) {
  const std::string key = BackUpTo("p/", Source(), {"--part-size", "5MiB"});
  EXPECT_EQ(rgw_.Keys(bucket_), (std::vector<std::string>{key, key + ".receipt.json"}));
  EXPECT_EQ(rgw_.OpenUploads(bucket_), std::vector<std::string>{});
}

TEST_F(BackupS3, TakesAPrefixWithOrWithoutSlashAndABucketAlone) {
  EXPECT_EQ(BackUpTo("a/b", Small()).substr(0, 4), "a/b/");
  for (const std::string& url : {"s3://" + bucket_, Url()}) {
    const std::string name = url.ends_with('/') ? "slash" : "bare";
    const CommandResult result =
        rgw_.Volstream({"backup", Small(), "--to", url, "--name", name}).Run();
    EXPECT_EQ(result.exit_code, 0) << result;
    EXPECT_EQ(rgw_.Keys(bucket_, name + "_").size(), 2u);
  }
}

TEST_F(BackupS3, WritesToADirectoryAndTwoPrefixesAtOnce) {
  const std::string local = directory_ / "local";
  ASSERT_EQ(mkdir(local.c_str(), 0755), 0);
  const std::string key =
      BackUpTo("one/", Source(), {"--to", Url("two/"), "--to", local, "--part-size", "5MiB"});
  const std::string name = key.substr(std::string("one/").size());
  const std::string md5 = Md5Hex(ReadFile(local + "/" + name));
  EXPECT_EQ(Md5Hex(rgw_.Get(bucket_, "one/" + name)), md5);
  EXPECT_EQ(Md5Hex(rgw_.Get(bucket_, "two/" + name)), md5);
  for (const char* prefix : {"one/", "two/"}) {
    EXPECT_EQ(Receipt(prefix + name).value("md5", ""), md5);
  }
  EXPECT_EQ(ReceiptOf(local + "/" + name).value("md5", ""), md5);
}

TEST_F(BackupS3, RestoresByNameAndByLatest) {
  const std::string key = BackUpTo("p/", Source(), {"--part-size", "5MiB"});
  for (const std::string& archive : {"s3://" + bucket_ + "/" + key, Url("p/latest")}) {
    const std::string target = directory_ / (archive.ends_with("latest") ? "latest" : "name");
    const CommandResult result = rgw_.Volstream({"restore", archive, target}).Run();
    EXPECT_EQ(result.exit_code, 0) << result;
    EXPECT_EQ(DiffTrees(SnapshotTree(Source()), SnapshotTree(target)), "") << archive;
  }
}

TEST_F(BackupS3, RestoreOfADamagedObjectIsAnIntegrityFailure) {
  const std::string key = BackUpTo("p/", Source(), {"--part-size", "5MiB"});
  std::string bytes = rgw_.Get(bucket_, key);
  bytes[bytes.size() / 2] ^= 0x10;
  rgw_.Put(bucket_, key, bytes);
  const CommandResult result =
      rgw_.Volstream({"restore", "s3://" + bucket_ + "/" + key, target_}).Run();
  ExpectOneError(result, kExitIntegrity, {key});
}

TEST_F(BackupS3, RestoreOfAnObjectThatIsNotThereIsNamed) {
  const CommandResult result =
      rgw_.Volstream({"restore", Url("p/volume_20200101_000000.tar.gz"), target_}).Run();
  EXPECT_TRUE(result.exit_code == kExitS3 || result.exit_code == kExitGeneral) << result;
  EXPECT_NE(result.err.find("volume_20200101_000000"), std::string::npos) << result;
}

TEST_F(BackupS3, ListShowsProvenAndUnprovenOnes) {
  const std::vector<std::string> older = MakeOlder("p/", 2);
  rgw_.Put(bucket_, "p/small_20210101_120000.tar.gz", "no receipt");
  rgw_.Put(bucket_, "p/deeper/small_20210101_120000.tar.gz", "not directly under the prefix");
  const CommandResult result = rgw_.Volstream({"list", Url("p/")}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(result.out.find("deeper"), std::string::npos) << result;
  for (const std::string& key : older) {
    EXPECT_NE(result.out.find(key.substr(2)), std::string::npos) << result;
  }
  for (const std::string& line : LinesOf(result.out)) {
    const bool without_receipt = line.find("small_20210101_120000") != std::string::npos;
    EXPECT_EQ(line.find("unproven") != std::string::npos, without_receipt) << line;
  }
}

TEST_F(BackupS3, KeepsTheLastNUnderItsPrefix) {
  const std::vector<std::string> older = MakeOlder("p/", 4);
  const std::vector<std::string> elsewhere = MakeOlder("p/other/", 2);
  rgw_.Put(bucket_, "p/foreign.tar.gz", "mine");
  const CommandResult result =
      rgw_.Volstream({"backup", Small(), "--to", Url("p/"), "--keep-last", "2"}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  const std::vector<std::string> keys = rgw_.Keys(bucket_, "p/small_");
  ASSERT_EQ(keys.size(), 4u) << result;
  EXPECT_EQ(keys[0], older[3]);
  EXPECT_EQ(keys[1], older[3] + ".receipt.json");
  EXPECT_EQ(rgw_.Keys(bucket_, "p/other/").size(), 2 * elsewhere.size());
  EXPECT_EQ(rgw_.Get(bucket_, "p/foreign.tar.gz"), "mine");
}

TEST_F(BackupS3, KeepsTwentyByDefaultAndAsTheEnvironmentSays) {
  MakeOlder("p/", 21);
  EXPECT_EQ(rgw_.Volstream({"backup", Small(), "--to", Url("p/")}).Run().exit_code, 0);
  EXPECT_EQ(ArchiveKeys("p/").size(), 20u);
  const CommandResult result =
      rgw_.Volstream({"prune", Url("p/")}).Env("BACKUP_RETENTION_S3", "7").Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(ArchiveKeys("p/").size(), 7u);
}

TEST_F(BackupS3, DryRunOfPruneDeletesNothing) {
  const std::vector<std::string> older = MakeOlder("p/", 3);
  const CommandResult result =
      rgw_.Volstream({"prune", Url("p/"), "--keep-last", "1", "--dry-run"}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_NE((result.out + result.err).find(older[0].substr(2)), std::string::npos) << result;
  EXPECT_EQ(ArchiveKeys("p/").size(), 3u);
}

TEST_F(BackupS3, TakesTheEndpointFromTheFlag) {
  const CommandResult result = Volstream({"backup", Small(), "--to", Url("p/"), "--endpoint-url",
                                          rgw_.endpoint(), "--region", "us-east-1"})
                                   .Env("AWS_ACCESS_KEY_ID", rgw_.access_key())
                                   .Env("AWS_SECRET_ACCESS_KEY", rgw_.secret_key())
                                   .Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(ArchiveKeys("p/").size(), 1u);
}

TEST_F(BackupS3, WrongSecretNamesTheVariable) {
  const CommandResult result = rgw_.Volstream({"backup", Small(), "--to", Url("p/")})
                                   .Env("AWS_SECRET_ACCESS_KEY", "wrongSecretThatMustNotBeShown")
                                   .Run();
  ExpectRefusal(result, {"AWS_SECRET_ACCESS_KEY"});
  EXPECT_EQ(result.err.find("wrongSecret"), std::string::npos) << result;
}

TEST_F(BackupS3, UnknownKeyNamesTheVariable) {
  ExpectRefusal(rgw_.Volstream({"backup", Small(), "--to", Url("p/")})
                    .Env("AWS_ACCESS_KEY_ID", "NOSUCHKEY")
                    .Run(),
                {"AWS_ACCESS_KEY_ID"});
}

TEST_F(BackupS3, AProfileIsEnough) {
  const TempDir home;
  WriteFile(home / "credentials", "[ceph]\naws_access_key_id = " + rgw_.access_key() +
                                      "\naws_secret_access_key = " + rgw_.secret_key() + "\n");
  WriteFile(home / "config",
            "[profile ceph]\nservices = ceph\n[services ceph]\ns3 =\n  "
            "endpoint_url = " +
                rgw_.endpoint() + "\n");
  const CommandResult result =
      Volstream({"backup", Small(), "--to", Url("profile/"), "--profile", "ceph"})
          .Env("AWS_CONFIG_FILE", home / "config")
          .Env("AWS_SHARED_CREDENTIALS_FILE", home / "credentials")
          .Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(result.err.find(rgw_.secret_key()), std::string::npos) << result;
}

TEST_F(BackupS3, NoCredentialsNamesTheVariables) {
  const CommandResult result = Volstream({"backup", Small(), "--to", Url("p/")})
                                   .Env("AWS_ENDPOINT_URL", rgw_.endpoint())
                                   .Run();
  ExpectRefusal(result, {"credentials", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"});
}

TEST_F(BackupS3, ABucketThatIsNotThereIsNamed) {
  ExpectRefusal(rgw_.Volstream({"backup", Small(), "--to", "s3://no-such-bucket/p/"}).Run(),
                {"no-such-bucket", "create"});
}

TEST_F(BackupS3, ListOfABucketThatIsNotThereIsAnS3Error) {
  ExpectRefusal(rgw_.Volstream({"list", "s3://no-such-bucket/p/"}).Run(), {"no-such-bucket"});
}

TEST_F(BackupS3, MalformedUrlsSayHowToWriteThem) {
  for (const char* url : {"s3://", "s3:///prefix/", "s3:/bucket/prefix", "s3:bucket", "s3://B/",
                          "s3://a b/", "s3://bucket_with_underscore/", "S3://bucket/"}) {
    SCOPED_TRACE(url);
    const CommandResult result =
        rgw_.Volstream({"backup", Small(), "--to", url}).Cwd(directory_.path()).Run();
    ExpectRefusal(result, {});
    // Above all not taken for the name of a directory.
    EXPECT_EQ(NamesIn(directory_.path()), std::vector<std::string>{});
  }
}

TEST_F(BackupS3, AnEndpointThatRefusesConnectionsIsNamed) {
  const std::string endpoint = "http://127.0.0.1:" + std::to_string(RefusingPort());
  ExpectRefusal(rgw_.Volstream({"backup", Small(), "--to", Url("p/"), "--retries", "2"})
                    .Env("AWS_ENDPOINT_URL", endpoint)
                    .Run(),
                {endpoint.substr(7)});
}

TEST_F(BackupS3, AnEndpointThatIsNoUrlIsNamed) {
  ExpectRefusal(rgw_.Volstream({"backup", Small(), "--to", Url("p/")})
                    .Env("AWS_ENDPOINT_URL", "ftp:/nowhere")
                    .Run(),
                {"AWS_ENDPOINT_URL"});
}

TEST_F(BackupS3, NoSecretInAnyOutputOfAGoodRun) {
  const CommandResult result =
      rgw_.Volstream({"backup", Small(), "--to", Url("p/"), "--stats", "--log-format", "json"})
          .Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ((result.out + result.err).find(rgw_.secret_key()), std::string::npos) << result;
  for (const RgwObject& object : rgw_.List(bucket_)) {
    EXPECT_EQ(rgw_.Get(bucket_, object.key).find(rgw_.secret_key()), std::string::npos);
  }
}

TEST_F(BackupS3, BadCredentialsDoNotHarmTheLocalDestination) {
  const std::string local = directory_ / "local";
  ASSERT_EQ(mkdir(local.c_str(), 0755), 0);
  const CommandResult result = rgw_.Volstream({"backup", Small(), "--to", local, "--to", Url("p/")})
                                   .Env("AWS_SECRET_ACCESS_KEY", "wrong")
                                   .Run();
  // Found before anything is read: either the whole run is refused, or the local half is kept.
  if (result.exit_code == kExitPartial) {
    ASSERT_EQ(ArchivesIn(local).size(), 1u) << result;
    EXPECT_EQ(LeftoversIn(local), std::vector<std::string>{});
  } else {
    EXPECT_EQ(result.exit_code, kExitS3) << result;
    EXPECT_EQ(NamesIn(local), std::vector<std::string>{});
  }
}

}  // namespace
}  // namespace volstream
