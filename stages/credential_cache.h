// CredentialCache: the credentials in use, fetched once at the start and again before they expire,
// or when a server refuses them.
//
// Nothing here waits for the network but Create(): a thread of the cache's own fetches, since the
// users are the thread that signs requests, which must stay free for the network, and tests with a
// clock of their own. What is in use stays so until it has expired, whatever comes of a fetch.
//
// A source that has delivered once and then does not is away: its failures are kUnavailable from
// then on, but for those by which it refuses (kUnauthenticated, kPermissionDenied,
// kInvalidArgument, kUnimplemented). It is asked again after a pause that grows with each failure,
// and whoever waits for credentials waits for that too.
//
// Threads: all methods are safe to call concurrently. Callbacks run on the cache's thread, or
// before the call returns.
// Lifetime: the destructor stops a fetch under way and ends what waits with kCancelled. The last
// reference must not be given up by a callback.
#ifndef VOLSTREAM_STAGES_CREDENTIAL_CACHE_H_
#define VOLSTREAM_STAGES_CREDENTIAL_CACHE_H_

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "engine/mutex.h"
#include "stages/credentials.h"
#include "stages/stop_signal.h"

namespace volstream {

struct CredentialFetch {
  bool renewing = false;       // the source has delivered before
  StopSignal* stop = nullptr;  // ends the fetch early, with any error; null = nothing does
};

// Gets credentials from where they come from. May take as long as a network does.
using FetchCredentials = std::function<absl::StatusOr<Credentials>(const CredentialFetch&)>;

struct CredentialCacheOptions {
  // New credentials are fetched this long before the old ones expire, a random part of
  // `jitter` sooner, and no sooner than after half of their life.
  absl::Duration ahead = absl::Minutes(5);
  absl::Duration jitter = absl::Minutes(1);
  // Between fetches ahead of time that failed.
  absl::Duration retry_after = absl::Seconds(30);
  // Between fetches that failed while somebody waits, in real time: at first, then twice as long
  // each time.
  absl::Duration pause = absl::Seconds(1);
  absl::Duration max_pause = absl::Seconds(10);
  std::function<absl::Time()> clock = absl::Now;
};

class CredentialCache {
 public:
  using Shared = std::shared_ptr<const Credentials>;
  // OK once the credentials in use are others than the refused ones.
  using Refreshed = std::function<void(absl::Status)>;

  // Fetches, waiting, and fails as that does.
  static absl::StatusOr<std::shared_ptr<CredentialCache>> Create(
      FetchCredentials fetch, const CredentialCacheOptions& options = {});
  // Of credentials that nobody can renew.
  static std::shared_ptr<CredentialCache> Fixed(Credentials credentials);

  ~CredentialCache();
  CredentialCache(const CredentialCache&) = delete;
  CredentialCache& operator=(const CredentialCache&) = delete;

  // What to sign with now; never null. Has new ones fetched when it is time.
  Shared Current() ABSL_LOCKS_EXCLUDED(mu_);

  // Whether what is in use has expired, so that a request had better wait for Refresh.
  bool Expired() const ABSL_LOCKS_EXCLUDED(mu_);

  // Has other credentials fetched than `refused`, and says when they are in use. At once if they
  // are already. An error says why there are none; it is kAlreadyExists where the same ones came
  // again, as they do where nobody can renew them. Waits for the pause after a failed fetch.
  void Refresh(const Shared& refused, Refreshed done) ABSL_LOCKS_EXCLUDED(mu_);

  // "profile x (/root/.aws/credentials), until 2025-01-01 12:00:00 UTC": for people.
  std::string Describe() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  CredentialCache(FetchCredentials fetch, const CredentialCacheOptions& options,
                  Credentials credentials);

  void Run() ABSL_LOCKS_EXCLUDED(mu_);
  void FetchOnce() ABSL_LOCKS_EXCLUDED(mu_);
  void Use(Credentials credentials) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void StartFetch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const FetchCredentials fetch_;  // empty = fixed
  const CredentialCacheOptions options_;
  StopSignal stop_fetch_;

  mutable Mutex mu_;
  std::mt19937_64 random_ ABSL_GUARDED_BY(mu_){std::random_device()()};
  Shared current_ ABSL_GUARDED_BY(mu_);
  absl::Time fetch_at_ ABSL_GUARDED_BY(mu_) = absl::InfiniteFuture();
  absl::Time expired_at_ ABSL_GUARDED_BY(mu_) = absl::InfiniteFuture();
  std::vector<Refreshed> waiting_ ABSL_GUARDED_BY(mu_);
  bool wanted_ ABSL_GUARDED_BY(mu_) = false;  // a fetch is to begin, or is under way
  bool stop_ ABSL_GUARDED_BY(mu_) = false;
  // The pause after the last fetch, which failed; zero if it did not.
  absl::Duration pause_ ABSL_GUARDED_BY(mu_);
  std::chrono::steady_clock::time_point fetch_no_sooner_ ABSL_GUARDED_BY(mu_);
  std::thread thread_ ABSL_GUARDED_BY(mu_);  // from the first fetch after Create's on
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_CREDENTIAL_CACHE_H_
