// Retention and locks against a real S3 server (Ceph RGW, tests/support/rgw.h): buckets with
// versions, with Object Lock, long listings, conditional writes.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdio>
#include <string>
#include <vector>

#include "stages/s3_storage.h"
#include "tests/support/archive.h"
#include "tests/support/cli.h"
#include "tests/support/held_run.h"
#include "tests/support/rgw.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

class RetentionS3 : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(mkdir(source_.c_str(), 0755), 0);
    WriteFile(source_ + "/file", "contents");
  }

  static std::string Url(const std::string& bucket) { return "s3://" + bucket + "/p/"; }

  Command Backup(const std::string& bucket, const std::string& keep_last = "20") {
    return rgw_.Volstream({"backup", source_, "--to", Url(bucket), "--keep-last", keep_last});
  }

  // `count` proven backups of days of January 2020.
  void MakeOlder(const std::string& bucket, int count) {
    TempDir directory;
    const std::string archive = BackUp(source_, directory.path());
    for (int day = 1; day <= count; ++day) {
      char stamp[32];
      std::snprintf(stamp, sizeof(stamp), "202001%02d_120000", day);
      const std::string name = CopyAsBackupOf(archive, stamp);
      for (const std::string& file : {name, name + ".receipt.json"}) {
        rgw_.Put(bucket, "p/" + file, ReadFile(directory / file));
      }
    }
  }

  std::unique_ptr<Storage> Open(const std::string& bucket) {
    S3Options options;
    options.endpoint_url = rgw_.endpoint();
    options.access_key_id = rgw_.access_key();
    options.secret_access_key = rgw_.secret_key();
    options.provider = "ceph";
    absl::StatusOr<std::unique_ptr<Storage>> storage =
        OpenS3Storage(*ParseS3Location(Url(bucket)), options);
    EXPECT_TRUE(storage.ok()) << storage.status();
    return *std::move(storage);
  }

  const Rgw& rgw_ = Rgw::Shared();
  TempDir directory_;
  const std::string source_ = directory_ / "volume";
};

TEST_F(RetentionS3, AVersionedBucketIsPrunedAndItsVersionsStay) {
  const std::string bucket = rgw_.NewVersionedBucket();
  MakeOlder(bucket, 3);
  const CommandResult result = Backup(bucket, "2").Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_NE(result.err.find("is versioned"), std::string::npos) << result;
  EXPECT_EQ(rgw_.Keys(bucket, "p/volume_").size(), 4u);
  EXPECT_GE(rgw_.CountVersions(bucket), 8u);
}

TEST_F(RetentionS3, LockedBackupsStayAndAreNamed) {
  const std::string bucket = rgw_.NewLockBucket();
  ASSERT_EQ(Backup(bucket).Run().exit_code, 0);
  const std::vector<std::string> first = rgw_.Keys(bucket, "p/volume_");
  const CommandResult second = Backup(bucket, "1").Run();
  EXPECT_EQ(second.exit_code, 0) << second;
  EXPECT_NE(second.err.find("locked (Object Lock, GOVERNANCE) until "), std::string::npos)
      << second;
  EXPECT_EQ(rgw_.Keys(bucket, "p/volume_").size(), 4u);
  const CommandResult plan =
      rgw_.Volstream({"prune", Url(bucket), "--keep-last", "1", "--dry-run"}).Run();
  EXPECT_NE(plan.out.find("locked (Object Lock"), std::string::npos) << plan;
  EXPECT_EQ(plan.out.find("remove "), std::string::npos) << plan;
  // Nor does the lock of the run stay in the way.
  EXPECT_EQ(rgw_.Keys(bucket, "p/").size(), 4u);
}

TEST_F(RetentionS3, ASecondRunIsRefusedAndTheFirstEndsWell) {
  const std::string bucket = rgw_.NewBucket();
  HeldRun held(Backup(bucket));
  ExpectOneError(Backup(bucket).Run(), kExitBusy,
                 {"process " + std::to_string(held.command().pid()), "volstream unlock"});
  const CommandResult first = held.LetGo();
  EXPECT_EQ(first.exit_code, 0) << first;
  // Ceph honours the conditions, so nobody has to be warned.
  EXPECT_EQ(first.err.find("best effort"), std::string::npos) << first;
  EXPECT_EQ(rgw_.Keys(bucket).size(), 2u);
}

TEST_F(RetentionS3, AVersionedBucketThatIgnoresConditionsIsWarnedOfWhateverTheProvider) {
  const std::string bucket = rgw_.NewVersionedBucket();
  const CommandResult result = Backup(bucket).Arg("--provider").Arg("ceph").Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_NE(result.err.find("best effort"), std::string::npos) << result;
  EXPECT_EQ(rgw_.Keys(bucket).size(), 2u);
}

TEST_F(RetentionS3, TheLockIsRenewedLostAndReleased) {
  const std::string bucket = rgw_.NewBucket();
  const std::unique_ptr<Storage> storage = Open(bucket);
  const absl::StatusOr<std::unique_ptr<StorageLock>> lock = storage->Lock("v");
  ASSERT_TRUE(lock.ok()) << lock.status();
  EXPECT_TRUE((*lock)->notes().empty());
  EXPECT_TRUE((*lock)->Refresh().ok());
  EXPECT_TRUE((*lock)->Refresh().ok());
  EXPECT_FALSE(storage->Lock("v").ok());
  const absl::StatusOr<std::vector<LockInfo>> locks = storage->Locks("");
  ASSERT_TRUE(locks.ok()) << locks.status();
  ASSERT_EQ(locks->size(), 1u);
  EXPECT_TRUE(locks->at(0).held);
  EXPECT_TRUE((*lock)->Release().ok());

  const absl::StatusOr<std::unique_ptr<StorageLock>> second = storage->Lock("v");
  ASSERT_TRUE(second.ok()) << second.status();
  LockOwner other = LockOwner::OfThisProcess(absl::Now(), absl::Hours(1));
  other.process = "";
  rgw_.Put(bucket, "p/v.volstream-lock", other.ToJson());
  EXPECT_TRUE(absl::IsAborted((*second)->Refresh()));
  EXPECT_TRUE((*second)->Release().ok());
  EXPECT_EQ(rgw_.Keys(bucket).size(), 1u);
}

TEST_F(RetentionS3, TakesOverALockWhoseLeaseIsOver) {
  const std::string bucket = rgw_.NewBucket();
  LockOwner other = LockOwner::OfThisProcess(absl::Now(), absl::ZeroDuration());
  other.process = "";
  rgw_.Put(bucket, "p/volume.volstream-lock", other.ToJson());
  const CommandResult result = Backup(bucket).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_NE(result.err.find("took over the lock"), std::string::npos) << result;
  EXPECT_EQ(rgw_.Keys(bucket).size(), 2u);
}

}  // namespace
}  // namespace volstream
