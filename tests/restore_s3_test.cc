// Restores from the real S3 server (Ceph RGW): how many requests and bytes they take, and a gateway
// that is killed in their middle. tests/support/fault_proxy.h stands in between and counts.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/bytes.h"
#include "engine/mutex.h"
#include "engine/notification.h"
#include "tests/support/cli.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/rgw.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

constexpr uint64_t kVolumeBytes = 100 * kMiB;
constexpr char kOneFile[] = "middle/one";

class RestoreS3 : public ::testing::Test {
 protected:
  // One archive for all tests: of 100 MiB that no compressor shrinks, so that of its bytes and of
  // its members only few belong to a file.
  static void SetUpTestSuite() {
    shared_ = new TempDir();
    const std::string volume = Volume();
    MakeTree(volume, {.incompressible_bytes = kVolumeBytes});
    ASSERT_EQ(mkdir((volume + "/middle").c_str(), 0755), 0);
    WriteFile(volume + "/" + kOneFile, RandomBytes(7, kMiB));
    const Rgw& rgw = Rgw::Shared();
    bucket_ = rgw.NewBucket();
    const CommandResult result =
        rgw.Volstream({"backup", volume, "--to", "s3://" + bucket_ + "/p/"}).Run();
    ASSERT_EQ(result.exit_code, 0) << result;
    const std::vector<RgwObject> objects = rgw.List(bucket_, "p/");
    ASSERT_EQ(objects.size(), 2u) << result;
    archive_ = objects[0];
    ASSERT_GE(archive_.bytes, kVolumeBytes);
  }
  static void TearDownTestSuite() { delete shared_; }

  static std::string Volume() { return *shared_ / "volume"; }
  static std::string Url() { return "s3://" + bucket_ + "/" + archive_.key; }

  // Through the proxy.
  Command Volstream(std::vector<std::string> args) {
    Command command = rgw_.Volstream(std::move(args));
    command.Env("AWS_ENDPOINT_URL", proxy_->endpoint());
    return command;
  }

  struct Count {
    int requests = 0;
    int ranges = 0;
    uint64_t range_bytes = 0;  // that the ranges of the archive asked for
  };

  void Note(const ProxiedRequest& request) {
    MutexLock lock(&mu_);
    ++count_.requests;
    uint64_t first = 0;
    uint64_t last = 0;
    if (request.key != archive_.key ||
        std::sscanf(request.range.c_str(), "bytes=%lu-%lu", &first, &last) != 2) {
      return;
    }
    ++count_.ranges;
    count_.range_bytes += last - first + 1;
  }

  Count Counted() {
    MutexLock lock(&mu_);
    return count_;
  }

  void ExpectWhole(const std::string& target) {
    EXPECT_EQ(DiffTrees(SnapshotTree(Volume()), SnapshotTree(target)), "");
  }

  // The proxy kills the gateway when the n-th range of the archive is asked for.
  void KillAt(int n, std::function<void()> then) {
    proxy_ = std::make_unique<FaultProxy>(
        rgw_.endpoint(),
        [this, n, then](const ProxiedRequest& request) -> std::optional<FaultKind> {
          Note(request);
          if (request.operation == S3Operation::kGetObject && Counted().ranges == n &&
              !killed_.exchange(true)) {
            rgw_.StopGateway();
            then();
          }
          return std::nullopt;
        });
  }

  static inline TempDir* shared_ = nullptr;
  static inline std::string bucket_;
  static inline RgwObject archive_;

  const Rgw& rgw_ = Rgw::Shared();
  TempDir directory_;
  const std::string target_ = directory_ / "target";
  Mutex mu_;
  Count count_ ABSL_GUARDED_BY(mu_);
  std::atomic<bool> killed_{false};
  // Ends before what its plan uses.
  std::unique_ptr<FaultProxy> proxy_ = std::make_unique<FaultProxy>(
      rgw_.endpoint(), [this](const ProxiedRequest& request) -> std::optional<FaultKind> {
        Note(request);
        return std::nullopt;
      });
};

TEST_F(RestoreS3, OfOneFileTakesFewRequestsAndLittleMoreThanItsBytes) {
  const CommandResult result = Volstream({"restore", Url(), target_, kOneFile}).Run();
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(ReadFile(target_ + "/" + kOneFile), ReadFile(Volume() + "/" + kOneFile));
  EXPECT_LT(Counted().requests, 6);
  EXPECT_GT(Counted().range_bytes, kMiB);
  EXPECT_LE(Counted().range_bytes, 4 * kMiB);
}

TEST_F(RestoreS3, CatOfOneFileTakesFewRequestsAndLittleMoreThanItsBytes) {
  const CommandResult result = Volstream({"cat", Url(), kOneFile}).Run();
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, ReadFile(Volume() + "/" + kOneFile));
  EXPECT_LT(Counted().requests, 6);
  EXPECT_GT(Counted().range_bytes, kMiB);
  EXPECT_LE(Counted().range_bytes, 4 * kMiB);
}

TEST_F(RestoreS3, LsReadsNothingButTheIndex) {
  const CommandResult result = Volstream({"ls", Url()}).Run();
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_NE(result.out.find(kOneFile), std::string::npos);
  EXPECT_LT(Counted().requests, 6);
  EXPECT_LE(Counted().range_bytes, 256 * kKiB);
}

TEST_F(RestoreS3, OfAllReadsTheArchiveOnceInLargeRanges) {
  const CommandResult result =
      Volstream({"restore", "s3://" + bucket_ + "/p/latest", target_}).Run();
  ASSERT_EQ(result.exit_code, 0) << result;
  ExpectWhole(target_);
  // The index at its end is read twice: for what the largest member is, and with all the rest.
  EXPECT_GE(Counted().range_bytes, archive_.bytes);
  EXPECT_LE(Counted().range_bytes, archive_.bytes + kMiB);
  EXPECT_LE(Counted().ranges, static_cast<int>(archive_.bytes / (8 * kMiB)) + 8);
}

TEST_F(RestoreS3, LatestPassesOverANewerArchiveWithoutAReceipt) {
  rgw_.Put(bucket_, "p/volume_21000101_000000.tar.gz", "no archive at all");
  const CommandResult result =
      Volstream({"restore", "s3://" + bucket_ + "/p/latest", target_, kOneFile}).Run();
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(ReadFile(target_ + "/" + kOneFile), ReadFile(Volume() + "/" + kOneFile));
}

TEST_F(RestoreS3, WaitsForAGatewayThatIsKilledInItsMiddleAndComesBack) {
  Notification killed;
  KillAt(8, [&] { killed.Notify(); });
  // One try alone: it is the outage that is waited out.
  Command command = Volstream({"restore", Url(), target_, "--retries", "1"});
  command.Start();
  killed.WaitForNotification();
  rgw_.StartGateway();
  const CommandResult result = command.Wait();
  EXPECT_EQ(result.exit_code, 0) << result;
  ExpectWhole(target_);
}

TEST_F(RestoreS3, GivesAGatewayUpThatStaysAwayInOneLine) {
  KillAt(8, [] {});
  const CommandResult result =
      Volstream({"restore", Url(), target_, "--retries", "2", "--retry-for", "1"}).Run();
  rgw_.StartGateway();
  ExpectOneError(result, kExitS3, {archive_.key, "tries"});
}

}  // namespace
}  // namespace volstream
