// The real S3 server goes away in the middle of a backup and comes back, or does not; and what
// Ctrl-C and --timeout leave when the network is silent. The kills are SIGKILLs of the real
// gateway; the silence is made by tests/support/fault_proxy.h.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/bytes.h"
#include "engine/notification.h"
#include "tests/support/archive.h"
#include "tests/support/cli.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/rgw.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

class S3Outage : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = new TempDir();
    ASSERT_EQ(mkdir((*shared_ / "volume").c_str(), 0755), 0);
    WriteFile(*shared_ / "volume/file", RandomBytes(3, 17 * kMiB));
  }
  static void TearDownTestSuite() { delete shared_; }
  static std::string Source() { return *shared_ / "volume"; }

  // All keys but the lock of a run that could not give it up, which runs out by itself.
  std::vector<std::string> Left() const {
    std::vector<std::string> keys = rgw_.Keys(bucket_);
    std::erase_if(keys, [](const std::string& key) { return key.ends_with(".volstream-lock"); });
    return keys;
  }

  // A backup in four parts, one after the other, through the proxy if there is one.
  Command Backup(const std::vector<std::string>& extra = {}) {
    Command command = rgw_.Volstream({"backup", Source(), "--to", "s3://" + bucket_ + "/p/",
                                      "--part-size", "5MiB", "--connections", "1"});
    if (proxy_ != nullptr) command.Env("AWS_ENDPOINT_URL", proxy_->endpoint());
    for (const std::string& arg : extra) command.Arg(arg);
    return command;
  }

  // Calls `then` at the n-th request of this kind, and lets that request meet with `kind`.
  void At(S3Operation operation, int n, std::function<void()> then,
          std::optional<FaultKind> kind = std::nullopt) {
    auto count = std::make_shared<std::atomic<int>>(0);
    proxy_ = std::make_unique<FaultProxy>(
        rgw_.endpoint(), [=](const ProxiedRequest& request) -> std::optional<FaultKind> {
          if (request.operation != operation || ++*count != n) return std::nullopt;
          then();
          return kind;
        });
  }

  void Silence(S3Operation operation, FaultKind kind) {
    proxy_ = std::make_unique<FaultProxy>(rgw_.endpoint(), [=](const ProxiedRequest& request) {
      return request.operation == operation ? std::optional(kind) : std::nullopt;
    });
  }

  void ExpectProven(const CommandResult& result) {
    EXPECT_EQ(result.exit_code, 0) << result;
    const std::vector<std::string> keys = rgw_.Keys(bucket_);
    ASSERT_EQ(keys.size(), 2u) << result;
    const nlohmann::json receipt = nlohmann::json::parse(rgw_.Get(bucket_, keys[1]));
    EXPECT_EQ(receipt.value("etag", ""), rgw_.Head(bucket_, keys[0]).etag);
    EXPECT_EQ(receipt.value("md5", ""), Md5Hex(rgw_.Get(bucket_, keys[0])));
    EXPECT_EQ(rgw_.OpenUploads(bucket_), std::vector<std::string>{});
  }

  void ExpectNothing(const CommandResult& result) {
    EXPECT_EQ(Left(), std::vector<std::string>{}) << result;
    EXPECT_EQ(rgw_.OpenUploads(bucket_), std::vector<std::string>{}) << result;
  }

  static inline TempDir* shared_ = nullptr;
  const Rgw& rgw_ = Rgw::Shared();
  const std::string bucket_ = rgw_.NewBucket();
  std::unique_ptr<FaultProxy> proxy_;
};

// The gateway's process is gone from one moment to the next, and another takes its place.
TEST_F(S3Outage, AServerThatIsKilledAmongThePartsAndComesBackHasTheRightObject) {
  Notification killed;
  At(S3Operation::kUploadPart, 2, [&] {
    rgw_.StopGateway();
    killed.Notify();
  });
  Command command = Backup();
  command.Start();
  killed.WaitForNotification();
  rgw_.StartGateway();
  ExpectProven(command.Wait());
}

TEST_F(S3Outage, AServerThatIsKilledInTheMiddleOfAPartGetsItAgain) {
  std::thread restart;
  At(
      S3Operation::kUploadPart, 3,
      [&] {
        rgw_.StopGateway();
        restart = std::thread([this] { rgw_.StartGateway(); });
      },
      FaultKind::kResetInBody);
  const CommandResult result = Backup().Run();
  restart.join();
  ExpectProven(result);
}

TEST_F(S3Outage, AServerThatIsKilledAtCompleteHasTheRightObject) {
  std::thread restart;
  At(S3Operation::kCompleteMultipartUpload, 1, [&] {
    rgw_.StopGateway();
    restart = std::thread([this] { rgw_.StartGateway(); });
  });
  const CommandResult result = Backup().Run();
  restart.join();
  ExpectProven(result);
}

TEST_F(S3Outage, AServerThatIsKilledRightBehindCompleteHasTheRightObject) {
  std::thread restart;
  // The HEAD that checks the object is the first behind the one that asks for a free name.
  At(S3Operation::kHeadObject, 2, [&] {
    rgw_.StopGateway();
    restart = std::thread([this] { rgw_.StartGateway(); });
  });
  const CommandResult result = Backup().Run();
  restart.join();
  ExpectProven(result);
}

TEST_F(S3Outage, AServerThatStaysAwayFailsTheRunInOneLineWithTheCauseFirst) {
  At(S3Operation::kUploadPart, 2, [&] { rgw_.StopGateway(); });
  const CommandResult result = Backup({"--retries", "2", "--retry-for", "1"}).Run();
  rgw_.StartGateway();
  ExpectOneError(result, kExitS3, {"part ", "tries", "; and then: ", "abort of the upload"});
  EXPECT_LT(result.err.find("part "), result.err.find("abort of the upload")) << result;
  EXPECT_EQ(Left(), std::vector<std::string>{});
}

TEST_F(S3Outage, AServerThatIsAwayAtTheStartIsSaidSoSoon) {
  rgw_.StopGateway();
  const CommandResult result = Backup().Run();
  rgw_.StartGateway();
  ExpectOneError(result, kExitS3, {"connection refused", "AWS_ENDPOINT_URL", rgw_.endpoint()});
  EXPECT_LT(result.seconds, 30) << result;
}

TEST_F(S3Outage, CtrlCEndsAnUploadIntoSilence) {
  Silence(S3Operation::kUploadPart, FaultKind::kSwallow);
  Command command = Backup();
  command.Start();
  ASSERT_TRUE(proxy_->WaitFor(FaultKind::kSwallow));
  command.Signal(SIGINT);
  const CommandResult result = command.Wait();
  EXPECT_EQ(result.exit_code, kExitInterrupted) << result;
  EXPECT_LT(result.seconds, 20) << result;
  ExpectNothing(result);
}

TEST_F(S3Outage, CtrlCEndsAnUploadThatNobodyReads) {
  Silence(S3Operation::kUploadPart, FaultKind::kStallInBody);
  Command command = Backup();
  command.Start();
  ASSERT_TRUE(proxy_->WaitFor(FaultKind::kStallInBody));
  command.Signal(SIGINT);
  const CommandResult result = command.Wait();
  EXPECT_EQ(result.exit_code, kExitInterrupted) << result;
  ExpectNothing(result);
}

// The server has made the upload, and nobody was told: it is looked for by its key.
TEST_F(S3Outage, CtrlCWhileTheAnswerToTheBeginIsAwaitedLeavesNoUpload) {
  Silence(S3Operation::kCreateMultipartUpload, FaultKind::kSwallowAnswer);
  Command command = Backup();
  command.Start();
  ASSERT_TRUE(proxy_->WaitFor(FaultKind::kSwallowAnswer));
  command.Signal(SIGINT);
  const CommandResult result = command.Wait();
  EXPECT_EQ(result.exit_code, kExitInterrupted) << result;
  ExpectNothing(result);
}

// The object is there before anybody knows: then it is whole, and kept with its receipt.
TEST_F(S3Outage, CtrlCWhileTheAnswerToCompleteIsAwaitedKeepsTheWholeObject) {
  Silence(S3Operation::kCompleteMultipartUpload, FaultKind::kSwallowAnswer);
  Command command = Backup();
  command.Start();
  ASSERT_TRUE(proxy_->WaitFor(FaultKind::kSwallowAnswer));
  command.Signal(SIGINT);
  const CommandResult result = command.Wait();
  EXPECT_EQ(rgw_.OpenUploads(bucket_), std::vector<std::string>{}) << result;
  const std::vector<std::string> keys = rgw_.Keys(bucket_);
  ASSERT_EQ(keys.size(), 2u) << result;
  EXPECT_EQ(nlohmann::json::parse(rgw_.Get(bucket_, keys[1])).value("md5", ""),
            Md5Hex(rgw_.Get(bucket_, keys[0])));
  ExpectOneError(result, kExitInterrupted, {"the new backup is proven", "interrupted"});
}

TEST_F(S3Outage, ASecondCtrlCLeavesAtOnceAlthoughTheCleanupHangs) {
  proxy_ = std::make_unique<FaultProxy>(
      rgw_.endpoint(), [](const ProxiedRequest& request) -> std::optional<FaultKind> {
        if (request.operation == S3Operation::kUploadPart) return FaultKind::kSwallow;
        if (request.operation == S3Operation::kAbortMultipartUpload) return FaultKind::kStallInBody;
        return std::nullopt;
      });
  Command command = Backup();
  command.Start();
  ASSERT_TRUE(proxy_->WaitFor(FaultKind::kSwallow));
  command.Signal(SIGINT);
  ASSERT_TRUE(proxy_->WaitFor(FaultKind::kStallInBody));
  command.Signal(SIGINT);
  const CommandResult result = command.Wait();
  EXPECT_EQ(result.exit_code, kExitInterrupted) << result;
  EXPECT_EQ(Left(), std::vector<std::string>{});
}

TEST_F(S3Outage, ATimeoutEndsAnUploadIntoSilence) {
  Silence(S3Operation::kUploadPart, FaultKind::kSwallow);
  const CommandResult result = Backup({"--timeout", "2"}).Run();
  ExpectOneError(result, kExitGeneral, {"not finished after 2 s (--timeout)"});
  EXPECT_LT(result.seconds, 20) << result;
  ExpectNothing(result);
}

TEST_F(S3Outage, ATimeoutEndsTheBeginOfAnUpload) {
  Silence(S3Operation::kCreateMultipartUpload, FaultKind::kSwallowAnswer);
  const CommandResult result = Backup({"--timeout", "2"}).Run();
  ExpectOneError(result, kExitGeneral, {"not finished after 2 s (--timeout)"});
  ExpectNothing(result);
}

TEST_F(S3Outage, ATimeoutEndsTheFirstLookAtTheDestination) {
  Silence(S3Operation::kListObjects, FaultKind::kSwallow);
  const CommandResult result = Backup({"--timeout", "1"}).Run();
  ExpectOneError(result, kExitGeneral, {"not finished after 1 s (--timeout)"});
  ExpectNothing(result);
}

TEST_F(S3Outage, ATimeoutThatIsNotReachedChangesNothing) {
  ExpectProven(Backup({"--timeout", "50"}).Run());
}

TEST_F(S3Outage, ATimeoutOfNothingIsRefused) {
  EXPECT_EQ(Backup({"--timeout", "0"}).Run().exit_code, kExitGeneral);
  EXPECT_EQ(Backup({"--timeout", "-1"}).Run().exit_code, kExitGeneral);
}

}  // namespace
}  // namespace volstream
