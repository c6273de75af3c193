// When credentials are fetched anew, with a clock that the test moves.
#include "stages/credential_cache.h"

#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/notification.h"
#include "stages/credential_pool.h"
#include "stages/error_kind.h"

namespace volstream {
namespace {

// An issuer that numbers its keys, each good for an hour.
class CredentialCacheTest : public ::testing::Test {
 protected:
  CredentialCacheOptions Options() {
    CredentialCacheOptions options;
    options.pause = pause_;
    options.clock = [this] {
      MutexLock lock(&mu_);
      return now_;
    };
    return options;
  }
  std::shared_ptr<CredentialCache> NewCache() {
    absl::StatusOr<std::shared_ptr<CredentialCache>> cache =
        CredentialCache::Create([this](const CredentialFetch&) { return Fetch(); }, Options());
    EXPECT_TRUE(cache.ok()) << cache.status();
    return *std::move(cache);
  }
  absl::StatusOr<Credentials> Fetch() {
    {
      MutexLock lock(&mu_);  // its end wakes AwaitFetches
      ++fetches_;
    }
    MutexLock lock(&mu_);
    mu_.Await([this] { return gate_open_; });
    if (!failure_.ok()) return failure_;
    if (!same_again_) ++issued_;
    Credentials credentials;
    credentials.access_key_id = absl::StrCat("key", issued_);
    credentials.secret_access_key = "never shown";
    credentials.session_token = "nor this";
    credentials.expires = now_ + life_;
    credentials.source = "the test";
    return credentials;
  }
  void Advance(absl::Duration by) {
    MutexLock lock(&mu_);
    now_ += by;
  }
  template <typename Value>
  void Set(Value* field, Value value) {
    MutexLock lock(&mu_);
    *field = std::move(value);
  }
  int Fetches() {
    MutexLock lock(&mu_);
    return fetches_;
  }
  void AwaitFetches(int count) {
    MutexLock lock(&mu_);
    mu_.Await([this, count] { return fetches_ >= count; });
  }
  static absl::Status Refresh(CredentialCache* cache, const CredentialCache::Shared& refused) {
    absl::Status status;
    Notification done;
    cache->Refresh(refused, [&](absl::Status result) {
      status = std::move(result);
      done.Notify();
    });
    done.WaitForNotification();
    return status;
  }

  Mutex mu_;
  absl::Time now_ = absl::FromUnixSeconds(1'750'000'000);
  absl::Duration life_ = absl::Hours(1);
  absl::Duration pause_ = absl::ZeroDuration();
  absl::Status failure_;
  bool same_again_ = false;
  bool gate_open_ = true;
  int fetches_ = 0;
  int issued_ = 0;
};

TEST_F(CredentialCacheTest, FailsAtOnceWhereTheFirstFetchDoes) {
  failure_ = absl::UnauthenticatedError("no");
  EXPECT_EQ(CredentialCache::Create([this](const CredentialFetch&) { return Fetch(); }, Options())
                .status()
                .message(),
            "no");
}

TEST_F(CredentialCacheTest, FetchesOnceWhileTheyAreGood) {
  const auto cache = NewCache();
  Advance(absl::Minutes(53));  // six minutes before the end are the earliest
  EXPECT_EQ(cache->Current()->access_key_id, "key1");
  EXPECT_EQ(Fetches(), 1);
  EXPECT_FALSE(cache->Expired());
}

TEST_F(CredentialCacheTest, FetchesAheadOfTheEndWithoutMakingAnyoneWait) {
  const auto cache = NewCache();
  Set(&gate_open_, false);
  Advance(absl::Minutes(55));
  const CredentialCache::Shared old = cache->Current();
  AwaitFetches(2);
  // The fetch is under way, and does not begin twice.
  EXPECT_EQ(cache->Current(), old);
  EXPECT_FALSE(cache->Expired());
  Set(&gate_open_, true);
  EXPECT_TRUE(Refresh(cache.get(), old).ok());
  EXPECT_EQ(cache->Current()->access_key_id, "key2");
  EXPECT_EQ(Fetches(), 2);
}

TEST_F(CredentialCacheTest, KeepsTheOldOnesWhileAFetchFails) {
  const auto cache = NewCache();
  Set(&failure_, absl::UnavailableError("issuer away"));
  Advance(absl::Minutes(56));
  const CredentialCache::Shared old = cache->Current();
  // Joins the fetch that Current began, or is answered by one of its own.
  EXPECT_EQ(Refresh(cache.get(), old).message(), "issuer away");
  const int fetches = Fetches();
  EXPECT_EQ(cache->Current(), old);
  Advance(absl::Seconds(29));
  EXPECT_EQ(cache->Current(), old);
  EXPECT_EQ(Fetches(), fetches);
  Advance(absl::Seconds(1));
  cache->Current();
  AwaitFetches(fetches + 1);
  EXPECT_FALSE(cache->Expired());
  Advance(absl::Minutes(4));
  EXPECT_TRUE(cache->Expired());
}

TEST_F(CredentialCacheTest, FetchesForARefusalAndOnceForAll) {
  const auto cache = NewCache();
  Set(&gate_open_, false);
  const CredentialCache::Shared refused = cache->Current();
  std::atomic<int> answered = 0;
  for (int i = 0; i < 3; ++i) {
    cache->Refresh(refused, [&answered](absl::Status status) { answered += status.ok(); });
  }
  EXPECT_EQ(answered, 0);
  Set(&gate_open_, true);
  EXPECT_TRUE(Refresh(cache.get(), refused).ok());
  EXPECT_EQ(answered, 3);
  EXPECT_EQ(Fetches(), 2);
  // Late news of the same refusal costs no fetch.
  EXPECT_TRUE(Refresh(cache.get(), refused).ok());
  EXPECT_EQ(Fetches(), 2);
}

TEST_F(CredentialCacheTest, SaysWhenTheSameOnesComeAgain) {
  const auto cache = NewCache();
  Set(&same_again_, true);
  const absl::Status status = Refresh(cache.get(), cache->Current());
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(KindOf(status), ErrorKind::kS3);
  EXPECT_TRUE(absl::StrContains(status.message(), "no newer ones in: the test")) << status;
}

TEST_F(CredentialCacheTest, LeavesItToTheServerWhetherOldOnArrivalIsTooOld) {
  life_ = -absl::Hours(1);
  const auto cache = NewCache();
  EXPECT_FALSE(cache->Expired());
  EXPECT_EQ(cache->Current()->access_key_id, "key1");
  EXPECT_EQ(Fetches(), 1);
  Advance(absl::Minutes(5));
  cache->Current();
  AwaitFetches(2);
}

TEST_F(CredentialCacheTest, NeverRenewsFixedOnes) {
  Credentials credentials;
  credentials.access_key_id = "id";
  credentials.source = "the caller";
  const auto cache = CredentialCache::Fixed(credentials);
  EXPECT_EQ(cache->Current()->access_key_id, "id");
  EXPECT_EQ(cache->Describe(), "the caller");
  EXPECT_EQ(Refresh(cache.get(), cache->Current()).code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(CredentialCacheTest, EndsWhatWaitsWhenItGoes) {
  auto cache = NewCache();
  Set(&gate_open_, false);
  std::atomic<int> answered = 0;
  cache->Refresh(cache->Current(), [&answered](absl::Status) { ++answered; });
  AwaitFetches(2);
  Set(&gate_open_, true);
  cache.reset();
  EXPECT_EQ(answered, 1);
}

TEST_F(CredentialCacheTest, PausesAfterAFailureAlthoughSomebodyWaits) {
  pause_ = absl::Hours(1);
  auto cache = NewCache();
  Set(&failure_, absl::UnavailableError("issuer away"));
  EXPECT_EQ(Refresh(cache.get(), cache->Current()).message(), "issuer away");
  std::atomic<bool> cancelled = false;
  cache->Refresh(cache->Current(),
                 [&cancelled](absl::Status status) { cancelled = absl::IsCancelled(status); });
  cache.reset();
  EXPECT_TRUE(cancelled);
  EXPECT_EQ(Fetches(), 2);
}

TEST_F(CredentialCacheTest, TakesASourceThatHasDeliveredForAwayUnlessItRefuses) {
  const auto cache = NewCache();
  Set(&failure_, absl::FailedPreconditionError("no token file"));
  const absl::Status away = Refresh(cache.get(), cache->Current());
  EXPECT_TRUE(absl::IsUnavailable(away)) << away;
  EXPECT_EQ(away.message(), "no token file");
  Set(&failure_, absl::UnauthenticatedError("the role is gone"));
  EXPECT_TRUE(absl::IsUnauthenticated(Refresh(cache.get(), cache->Current())));
}

TEST_F(CredentialCacheTest, StopsAFetchUnderWayWhenItGoes) {
  Notification begun;
  std::atomic<bool> renewing = false;
  auto cache = *CredentialCache::Create(
      [&](const CredentialFetch& how) -> absl::StatusOr<Credentials> {
        if (how.stop == nullptr) return Fetch();
        renewing = how.renewing;
        Notification stopped;
        const StopSignal::Listener listener(how.stop, [&stopped] { stopped.Notify(); });
        begun.Notify();
        stopped.WaitForNotification();
        return absl::CancelledError("stopped");
      },
      Options());
  std::atomic<bool> cancelled = false;
  cache->Refresh(cache->Current(),
                 [&cancelled](absl::Status status) { cancelled = absl::IsCancelled(status); });
  begun.WaitForNotification();
  cache.reset();
  EXPECT_TRUE(renewing);
  EXPECT_TRUE(cancelled);
}

TEST_F(CredentialCacheTest, IsOneForAllOfARunWithTheSameProfile) {
  CredentialPool pool;
  const auto fetch = [this](const CredentialFetch&) { return Fetch(); };
  Set(&failure_, absl::UnauthenticatedError("no"));
  EXPECT_FALSE(pool.Get("a", "", fetch).ok());
  Set(&failure_, absl::OkStatus());
  const std::shared_ptr<CredentialCache> cache = *pool.Get("a", "", fetch);
  EXPECT_EQ(*pool.Get("a", "", fetch), cache);
  EXPECT_NE(*pool.Get("b", "", fetch), cache);
  EXPECT_NE(*pool.Get("a", "ca.pem", fetch), cache);
}

TEST_F(CredentialCacheTest, DescribesItselfWithoutSecrets) {
  EXPECT_EQ(NewCache()->Describe(), "the test, until 2025-06-15 16:06:40 UTC");
}

}  // namespace
}  // namespace volstream
