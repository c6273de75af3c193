// Many small backups and restores through a proxy that makes faults (tests/support/fault_proxy.h),
// in front of a real S3 server. Whatever happens, a result is either a success with the right
// bytes, or a failure that leaves nothing.
//
// VOLSTREAM_FAULT_SEED=N in the environment gives other faults; the seed is printed.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/bytes.h"
#include "engine/mutex.h"
#include "stages/backup.h"
#include "stages/restore.h"
#include "stages/s3_storage.h"
#include "tests/support/archive.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/fault_schedule.h"
#include "tests/support/rgw.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

constexpr uint64_t kDefaultSeed = 20240611;
constexpr int kRuns = 110;
constexpr int kThreads = 12;
constexpr int kWantedFaults = 500;

uint64_t Seed() {
  const char* const text = std::getenv("VOLSTREAM_FAULT_SEED");
  return text == nullptr ? kDefaultSeed : std::strtoull(text, nullptr, 10);
}

// The backups that run, for the schedule to cancel.
class Running {
 public:
  void Add(const std::string& run, Backup* backup) {
    MutexLock lock(&mu_);
    backups_[run] = backup;
  }
  void Remove(const std::string& run) {
    MutexLock lock(&mu_);
    backups_.erase(run);
  }
  void Cancel(const std::string& run) {
    MutexLock lock(&mu_);
    if (const auto found = backups_.find(run); found != backups_.end()) found->second->Cancel();
  }

 private:
  Mutex mu_;
  std::map<std::string, Backup*> backups_ ABSL_GUARDED_BY(mu_);
};

class S3FaultSchedule : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(mkdir((directory_ / "large").c_str(), 0755), 0);
    ASSERT_EQ(mkdir((directory_ / "small").c_str(), 0755), 0);
    WriteFile(directory_ / "large/file", RandomBytes(1, 6 * kMiB));
    WriteFile(directory_ / "small/file", RandomBytes(2, 100 * kKiB));
  }

  S3Options Options() const {
    S3Options options;
    options.endpoint_url = proxy_.endpoint();
    options.access_key_id = rgw_.access_key();
    options.secret_access_key = rgw_.secret_key();
    options.connections = 3;
    options.attempts = 4;
    options.retry_for = absl::ZeroDuration();
    options.stall_timeout = absl::Seconds(1);
    return options;
  }

  std::unique_ptr<Storage> Open(const std::string& run) const {
    absl::StatusOr<std::unique_ptr<Storage>> storage =
        OpenS3Storage({bucket_, run + "/"}, Options());
    EXPECT_TRUE(storage.ok()) << storage.status();
    return *std::move(storage);
  }

  // Two of three are multipart uploads.
  std::string SourceOf(int run) const { return directory_ / (run % 3 == 2 ? "small" : "large"); }

  void RunOne(int number) {
    const std::string run = FaultSchedule::RunName(number);
    const std::unique_ptr<Storage> storage = Open(run);
    BackupOptions options;
    options.source = SourceOf(number);
    options.name = run;
    options.level = 1;
    options.workers = 1;
    options.memory_bytes = 64 * kMiB;
    options.part_bytes = 5 * kMiB;
    Backup backup(options, {storage.get()});
    running_.Add(run, &backup);
    const BackupReport report = backup.Run();
    running_.Remove(run);
    const std::string prefix = "s3://" + bucket_ + "/";
    const std::string archive = report.destinations[0].archive;
    const std::string key = archive.empty() ? "" : archive.substr(prefix.size());
    if (report.status.ok()) {
      ++successes_;
      CheckArchive(number, key, report);
      RestoreOne(number, report.receipt.archive);
      MutexLock lock(&mu_);
      expected_.push_back(key);
      expected_.push_back(key + ".receipt.json");
      return;
    }
    ++failures_;
    EXPECT_FALSE(report.status.message().empty());
    if (report.status.message().find("is whole, but stays unproven") != std::string::npos) {
      CheckArchive(number, key, report);
      MutexLock lock(&mu_);
      expected_.push_back(key);
      // A receipt whose answer alone was lost is there, and is true.
      allowed_.push_back(key + ".receipt.json");
    } else {
      MutexLock lock(&mu_);
      causes_[run] = std::string(report.status.message());
    }
  }

  // What lies there by curl's word, unpacked by tar.
  void CheckArchive(int number, const std::string& key, const BackupReport& report) {
    SCOPED_TRACE(key);
    const std::string bytes = rgw_.Get(bucket_, key);
    EXPECT_EQ(Md5Hex(bytes), report.receipt.md5);
    EXPECT_EQ(rgw_.Head(bucket_, key).etag, report.destinations[0].etag);
    TempDir directory;
    WriteFile(directory / "archive", bytes);
    const CommandResult tar = Command({"tar", "-xzOf", directory / "archive"}).Run();
    EXPECT_EQ(tar.exit_code, 0) << tar.err;
    EXPECT_TRUE(tar.out == ReadFile(SourceOf(number) + "/file")) << "other bytes";
  }

  void RestoreOne(int number, const std::string& name) {
    TempDir directory;
    const std::unique_ptr<Storage> storage = Open(FaultSchedule::RunName(number));
    RestoreOptions options;
    options.target = directory / "target";
    const absl::StatusOr<RestoreReport> restored = RestoreArchive(storage.get(), name, options);
    if (!restored.ok()) {
      ++failed_restores_;
      return;
    }
    ++restores_;
    EXPECT_TRUE(ReadFile(options.target + "/file") == ReadFile(SourceOf(number) + "/file"))
        << "restored other bytes in run " << number;
  }

  const Rgw& rgw_ = Rgw::Shared();
  const std::string bucket_ = rgw_.NewBucket();
  TempDir directory_;
  Running running_;
  FaultSchedule schedule_{Seed(), [this](const std::string& run) { running_.Cancel(run); }};
  FaultProxy proxy_{rgw_.endpoint(),
                    [this](const ProxiedRequest& request) { return schedule_.Next(request); }};
  std::atomic<int> successes_ = 0;
  std::atomic<int> failures_ = 0;
  std::atomic<int> restores_ = 0;
  std::atomic<int> failed_restores_ = 0;
  Mutex mu_;
  std::vector<std::string> expected_ ABSL_GUARDED_BY(mu_);          // keys that must be there
  std::vector<std::string> allowed_ ABSL_GUARDED_BY(mu_);           // keys that may be there
  std::map<std::string, std::string> causes_ ABSL_GUARDED_BY(mu_);  // of failures, by run
};

TEST_F(S3FaultSchedule, GivesTheRightBytesOrLeavesNothing) {
  std::printf("VOLSTREAM_FAULT_SEED=%llu\n", static_cast<unsigned long long>(Seed()));
  std::atomic<int> next = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([this, &next] {
      for (int run = next++; run < kRuns; run = next++) RunOne(run);
    });
  }
  for (std::thread& thread : threads) thread.join();

  MutexLock lock(&mu_);
  std::set<std::string> there;
  for (const std::string& key : rgw_.Keys(bucket_)) there.insert(key);
  for (const std::string& key : expected_) {
    EXPECT_EQ(there.erase(key), 1u) << key << " is not there";
  }
  for (const std::string& key : allowed_) there.erase(key);
  for (const std::string& key : there) {
    // A lock that could not be given up runs out by itself.
    if (key.ends_with(".volstream-lock")) continue;
    ADD_FAILURE() << key << " was left behind by a run that failed: " << causes_[key.substr(0, 7)];
  }
  for (const std::string& key : rgw_.OpenUploads(bucket_)) {
    ADD_FAILURE() << "an upload was left open: " << key << ": " << causes_[key.substr(0, 7)];
  }
  std::printf("%d faults; backups: %d good, %d failed; restores: %d good, %d failed\n",
              proxy_.Count(), successes_.load(), failures_.load(), restores_.load(),
              failed_restores_.load());
  int kinds = 0;
  for (int kind = 0; kind < kFaultKinds; ++kind) {
    kinds += proxy_.Count(static_cast<FaultKind>(kind)) > 0 ? 1 : 0;
  }
  EXPECT_GE(kinds, kFaultKinds - 2);
  EXPECT_GE(proxy_.Count(), kWantedFaults);
  // Most passing faults are got over, and some of those for good are not.
  EXPECT_GE(successes_.load(), kRuns / 2);
  EXPECT_GE(failures_.load(), kRuns / 20);
  EXPECT_GE(restores_.load(), successes_.load() / 2);
}

}  // namespace
}  // namespace volstream
