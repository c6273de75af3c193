#include "stages/credential_cache.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/error_kind.h"

namespace volstream {
namespace {

absl::Status SameAgain(const Credentials& credentials) {
  return MakeError(ErrorKind::kS3, absl::StatusCode::kAlreadyExists,
                   absl::StrCat("the S3 credentials are no longer valid, and there are no newer "
                                "ones in: ",
                                credentials.source));
}

bool Refuses(const absl::Status& status) {
  return absl::IsUnauthenticated(status) || absl::IsPermissionDenied(status) ||
         absl::IsInvalidArgument(status) || absl::IsUnimplemented(status);
}

// What a failed fetch means to those who wait.
absl::Status RenewalError(const absl::Status& status) {
  if (Refuses(status) || absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
      absl::IsCancelled(status)) {
    return status;
  }
  return MakeError(ErrorKind::kS3, absl::StatusCode::kUnavailable, std::string(status.message()));
}

// The last one takes the status over: no reference to it stays on this thread.
void Answer(const std::vector<CredentialCache::Refreshed>& waiting, absl::Status status) {
  for (size_t i = 0; i < waiting.size(); ++i) {
    waiting[i](i + 1 < waiting.size() ? status : std::move(status));
  }
}

}  // namespace

absl::StatusOr<std::shared_ptr<CredentialCache>> CredentialCache::Create(
    FetchCredentials fetch, const CredentialCacheOptions& options) {
  VS_ASSIGN_OR_RETURN(Credentials credentials, fetch(CredentialFetch()));
  return std::shared_ptr<CredentialCache>(
      new CredentialCache(std::move(fetch), options, std::move(credentials)));
}

std::shared_ptr<CredentialCache> CredentialCache::Fixed(Credentials credentials) {
  return std::shared_ptr<CredentialCache>(
      new CredentialCache(nullptr, CredentialCacheOptions(), std::move(credentials)));
}

CredentialCache::CredentialCache(FetchCredentials fetch, const CredentialCacheOptions& options,
                                 Credentials credentials)
    : fetch_(std::move(fetch)), options_(options) {
  MutexLock lock(&mu_);
  Use(std::move(credentials));
}

CredentialCache::~CredentialCache() {
  std::thread thread;
  {
    MutexLock lock(&mu_);
    stop_ = true;
    thread = std::move(thread_);
  }
  stop_fetch_.Stop();
  if (thread.joinable()) thread.join();
}

CredentialCache::Shared CredentialCache::Current() {
  MutexLock lock(&mu_);
  if (!wanted_ && options_.clock() >= fetch_at_) StartFetch();
  return current_;
}

bool CredentialCache::Expired() const {
  MutexLock lock(&mu_);
  return options_.clock() >= expired_at_;
}

void CredentialCache::Refresh(const Shared& refused, Refreshed done) {
  absl::Status status;
  {
    MutexLock lock(&mu_);
    if (current_ == refused) {
      if (fetch_ != nullptr) {
        waiting_.push_back(std::move(done));
        if (!wanted_) StartFetch();
        return;
      }
      status = SameAgain(*current_);
    }
  }
  done(std::move(status));
}

std::string CredentialCache::Describe() const {
  MutexLock lock(&mu_);
  if (current_->expires == absl::InfiniteFuture()) return current_->source;
  return absl::StrCat(
      current_->source, ", until ",
      absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", current_->expires, absl::UTCTimeZone()));
}

void CredentialCache::Use(Credentials credentials) {
  const absl::Time now = options_.clock();
  const absl::Duration life = credentials.expires - now;
  if (life > absl::ZeroDuration()) {
    const double fraction = std::uniform_real_distribution<double>(0, 1)(random_);
    fetch_at_ =
        credentials.expires - std::min(options_.ahead + options_.jitter * fraction, life / 2);
    expired_at_ = credentials.expires;
  } else {
    // Either this clock is wrong, or the issuer has nothing better: let the server decide.
    fetch_at_ = now + options_.ahead;
    expired_at_ = absl::InfiniteFuture();
  }
  current_ = std::make_shared<const Credentials>(std::move(credentials));
}

void CredentialCache::StartFetch() {
  if (stop_ || fetch_ == nullptr) return;
  wanted_ = true;
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
}

void CredentialCache::Run() {
  while (true) {
    {
      MutexLock lock(&mu_);
      mu_.Await([this] { return wanted_ || stop_; });
      const std::chrono::nanoseconds pause = fetch_no_sooner_ - std::chrono::steady_clock::now();
      if (pause.count() > 0) {
        mu_.AwaitWithTimeout([this] { return stop_; }, absl::FromChrono(pause));
      }
      if (stop_) break;
    }
    FetchOnce();
  }
  std::vector<Refreshed> waiting;
  {
    MutexLock lock(&mu_);
    waiting.swap(waiting_);
  }
  Answer(waiting, absl::CancelledError("cancelled"));
}

void CredentialCache::FetchOnce() {
  absl::StatusOr<Credentials> fetched = fetch_({/*renewing=*/true, &stop_fetch_});
  absl::Status status;
  std::vector<Refreshed> waiting;
  {
    MutexLock lock(&mu_);
    const bool ok = fetched.ok();
    if (ok && !fetched->SameKeysAs(*current_)) {
      Use(*std::move(fetched));
    } else {
      status = ok ? SameAgain(*current_) : RenewalError(fetched.status());
      fetch_at_ = options_.clock() + options_.retry_after;
    }
    pause_ = ok ? absl::ZeroDuration() : std::clamp(2 * pause_, options_.pause, options_.max_pause);
    fetch_no_sooner_ = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(pause_);
    wanted_ = false;
    waiting.swap(waiting_);
  }
  Answer(waiting, std::move(status));
}

}  // namespace volstream
