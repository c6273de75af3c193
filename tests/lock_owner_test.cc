#include "stages/lock_owner.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

namespace volstream {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'750'000'000);

TEST(LockOwner, ComesBackFromItsJson) {
  LockOwner owner = LockOwner::OfThisProcess(kNow, absl::Minutes(10));
  owner.released = true;
  owner.writes = 7;
  const absl::StatusOr<LockOwner> back = LockOwner::FromJson(owner.ToJson());
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->id, owner.id);
  EXPECT_EQ(back->host, owner.host);
  EXPECT_EQ(back->pid, getpid());
  EXPECT_EQ(back->process, owner.process);
  EXPECT_EQ(back->started, kNow);
  EXPECT_EQ(back->lease, absl::Minutes(10));
  EXPECT_TRUE(back->released);
  EXPECT_EQ(back->writes, 7);
}

TEST(LockOwner, IsNobodyElse) {
  EXPECT_NE(LockOwner::OfThisProcess(kNow, absl::Minutes(1)).id,
            LockOwner::OfThisProcess(kNow, absl::Minutes(1)).id);
}

TEST(LockOwner, RefusesWhatIsNoLock) {
  for (const char* const text :
       {"", "{", "[]", "{}", "{\"volstream_lock\": 1}", "{\"volstream_lock\": 1, \"id\": 7}",
        "{\"volstream_lock\": 1, \"id\": \"a\", \"started\": \"yesterday\"}"}) {
    EXPECT_EQ(LockOwner::FromJson(text).status().code(), absl::StatusCode::kDataLoss) << text;
  }
}

TEST(LockOwner, SaysWhoAndSinceWhen) {
  LockOwner owner;
  owner.pid = 4711;
  owner.host = "web1\n";
  owner.started = kNow;
  EXPECT_EQ(owner.ToString(), "process 4711 on web1\\n, since 2025-06-15 15:06:40 UTC");
}

TEST(LockOwner, OfThisProcessRuns) {
  EXPECT_EQ(StateOf(LockOwner::OfThisProcess(kNow, absl::Minutes(1))), ProcessState::kRuns);
}

TEST(LockOwner, AProcessOfThatNumberWithAnotherStartIsAnother) {
  LockOwner owner = LockOwner::OfThisProcess(kNow, absl::Minutes(1));
  owner.process += "1";
  EXPECT_EQ(StateOf(owner), ProcessState::kEnded);
}

TEST(LockOwner, NothingIsKnownOfAnotherMachine) {
  LockOwner owner = LockOwner::OfThisProcess(kNow, absl::Minutes(1));
  owner.process[0] = owner.process[0] == 'a' ? 'b' : 'a';
  EXPECT_EQ(StateOf(owner), ProcessState::kUnknown);
  owner.process.clear();
  EXPECT_EQ(StateOf(owner), ProcessState::kUnknown);
}

}  // namespace
}  // namespace volstream
