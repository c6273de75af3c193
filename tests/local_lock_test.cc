#include "stages/local_lock.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "stages/error_kind.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

class LocalLockTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<StorageLock>> Take(const std::string& stem = "v") {
    return TakeLocalLock(directory_.path(), stem);
  }

  TempDir directory_;
  const std::string path_ = directory_ / ".v.volstream-lock";
};

TEST_F(LocalLockTest, KeepsASecondOneOutAndSaysWhoHasIt) {
  const absl::StatusOr<std::unique_ptr<StorageLock>> lock = Take();
  ASSERT_TRUE(lock.ok()) << lock.status();
  EXPECT_TRUE((*lock)->notes().empty());
  const absl::Status second = Take().status();
  EXPECT_EQ(KindOf(second), ErrorKind::kBusy) << second;
  EXPECT_TRUE(absl::StrContains(second.message(), std::to_string(getpid()))) << second;
  EXPECT_TRUE(Take("other").ok());
}

TEST_F(LocalLockTest, IsFreeAndLeavesNothingOnceReleased) {
  const absl::StatusOr<std::unique_ptr<StorageLock>> lock = Take();
  ASSERT_TRUE(lock.ok()) << lock.status();
  EXPECT_TRUE((*lock)->Release().ok());
  EXPECT_FALSE(Exists(path_));
  EXPECT_TRUE(Take().ok());
}

TEST_F(LocalLockTest, WhatADeadRunLeftIsFree) {
  WriteFile(path_, LockOwner::OfThisProcess(absl::Now(), absl::Hours(1)).ToJson());
  EXPECT_TRUE(Take().ok());
}

TEST_F(LocalLockTest, RefreshSeesThatItIsGone) {
  const absl::StatusOr<std::unique_ptr<StorageLock>> lock = Take();
  ASSERT_TRUE(lock.ok()) << lock.status();
  EXPECT_TRUE((*lock)->Refresh().ok());
  ASSERT_EQ(unlink(path_.c_str()), 0);
  EXPECT_TRUE(absl::IsAborted((*lock)->Refresh()));
  // Another one may have it now, and keeps it.
  const absl::StatusOr<std::unique_ptr<StorageLock>> next = Take();
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_TRUE(absl::IsAborted((*lock)->Refresh()));
  EXPECT_TRUE((*lock)->Release().ok());
  EXPECT_TRUE((*next)->Refresh().ok());
}

TEST_F(LocalLockTest, FollowsNoSymlink) {
  WriteFile(directory_ / "precious", "mine");
  ASSERT_EQ(symlink((directory_ / "precious").c_str(), path_.c_str()), 0);
  EXPECT_FALSE(Take().ok());
  EXPECT_EQ(ReadFile(directory_ / "precious"), "mine");
}

TEST_F(LocalLockTest, FindsThoseThatAreHeldAndThoseThatAreNot) {
  const absl::StatusOr<std::unique_ptr<StorageLock>> lock = Take();
  ASSERT_TRUE(lock.ok()) << lock.status();
  WriteFile(directory_ / ".w.volstream-lock", "");
  const std::vector<std::string> names = {".v.volstream-lock", ".w.volstream-lock",
                                          "x.volstream-lock", ".volstream-lock", ".y"};
  const std::vector<LockInfo> all = FindLocalLocks(directory_.path(), names, "");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].stem, "v");
  EXPECT_TRUE(all[0].held);
  EXPECT_EQ(all[0].owner.pid, getpid());
  EXPECT_EQ(all[1].stem, "w");
  EXPECT_FALSE(all[1].held);
  EXPECT_EQ(FindLocalLocks(directory_.path(), names, "w").size(), 1u);
}

TEST_F(LocalLockTest, OnlyAFreeOneCanBeBroken) {
  {
    const absl::StatusOr<std::unique_ptr<StorageLock>> lock = Take();
    ASSERT_TRUE(lock.ok()) << lock.status();
    EXPECT_EQ(KindOf(BreakLocalLock(directory_.path(), "v")), ErrorKind::kBusy);
  }
  // Its holder went without a release.
  EXPECT_TRUE(BreakLocalLock(directory_.path(), "v").ok());
  EXPECT_FALSE(Exists(path_));
  EXPECT_TRUE(BreakLocalLock(directory_.path(), "v").ok());
}

}  // namespace
}  // namespace volstream
