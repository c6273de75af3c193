#include "stages/s3_client.h"

#include <algorithm>
#include <atomic>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/notification.h"
#include "engine/status_macros.h"
#include "stages/absl_text.h"
#include "stages/digest.h"
#include "stages/error_kind.h"
#include "stages/sigv4.h"

namespace volstream {
namespace {

constexpr std::chrono::minutes kRenewalInterval(1);

bool IsSuccess(const HttpResponse& response) { return response.status / 100 == 2; }

// A gateway's page, or that of a network which wants a login: S3 answers none of our requests so,
// and stores none of our objects as such.
bool IsForeignPage(const HttpResponse& response) {
  return IsSuccess(response) &&
         absl::StartsWithIgnoreCase(ToAbsl(response.Header("Content-Type")), "text/html");
}

S3Failure FailureOf(const HttpResponse& response) {
  S3Failure failure;
  failure.http_status = response.status;
  if (const std::optional<S3ErrorDocument> document = ParseErrorDocument(response.body)) {
    failure.code = document->code;
    failure.message = document->message;
  } else {
    failure.foreign_body = !response.body.empty();
  }
  failure.bucket_region = std::string(response.Header("x-amz-bucket-region"));
  return failure;
}

// Whether no credentials came, as opposed to no answer.
bool IsOfIssuer(const S3Failure& failure) {
  return !failure.transport.ok() && KindOf(failure.transport) == ErrorKind::kS3;
}

std::shared_ptr<CredentialCache> CredentialsOf(const S3Options& options) {
  if (options.access_key_id.empty()) return options.credentials;
  Credentials credentials;
  credentials.access_key_id = options.access_key_id;
  credentials.secret_access_key = options.secret_access_key;
  credentials.session_token = options.session_token;
  return CredentialCache::Fixed(std::move(credentials));
}

}  // namespace

struct S3Client::Signer {
  explicit Signer(CredentialCache::Shared shared, const std::string& region)
      : credentials(std::move(shared)),
        sigv4(credentials->access_key_id, credentials->secret_access_key, region, "s3") {}

  const CredentialCache::Shared credentials;
  const Sigv4Signer sigv4;
};

struct S3Client::Job {
  S3Request request;
  Done done;
  std::string path;  // encoded
  std::string query;
  std::string payload_hash;
  RetryPolicy policy;
  int tries = 0;
  uint64_t epoch = 0;  // of limit_ when the present try was sent
  std::optional<std::chrono::steady_clock::time_point> failing_since;
  bool clock_fixed = false;
  CredentialCache::Shared signed_with;                              // in the present try
  std::optional<std::chrono::steady_clock::time_point> renewed_at;  // its credentials, last

  explicit Job(const RetryOptions& retry_options) : policy(retry_options) {}
  absl::Status Cancelled() const {
    return absl::CancelledError(absl::StrCat(request.what, ": cancelled"));
  }
};

struct S3Client::Waiting {
  explicit Waiting(std::shared_ptr<Job> waiting) : job(std::move(waiting)) {}
  const std::shared_ptr<Job> job;
  std::atomic<bool> claimed{false};
};

absl::StatusOr<std::unique_ptr<S3Client>> S3Client::Create(const std::string& bucket,
                                                           const S3Options& options,
                                                           HttpTransport* transport,
                                                           const S3ClientHooks& hooks) {
  VS_RETURN_IF_ERROR(ValidateBucketName(bucket));
  VS_RETURN_IF_ERROR(ValidateS3Options(options));
  VS_ASSIGN_OR_RETURN(S3Address address, S3AddressOf(bucket, options));
  return std::unique_ptr<S3Client>(
      new S3Client(bucket, options, std::move(address), transport, hooks));
}

S3Client::S3Client(const std::string& bucket, const S3Options& options, S3Address address,
                   HttpTransport* transport, const S3ClientHooks& hooks)
    : bucket_(bucket),
      address_(std::move(address)),
      region_(S3RegionOf(options)),
      credentials_(CredentialsOf(options)),
      attempts_(options.attempts),
      retry_for_(options.retry_for),
      stall_timeout_(options.stall_timeout),
      on_event_(options.on_event),
      transport_(transport),
      clock_(hooks.clock),
      steady_clock_(hooks.steady_clock),
      random_(hooks.seed.has_value() ? *hooks.seed : std::random_device()()),
      limit_(options.connections) {}

std::string S3Client::UrlOf(std::string_view key) const {
  return absl::StrCat("s3://", bucket_, "/", ToAbsl(key));
}

void S3Client::Submit(S3Request request, Done done) {
  RetryOptions retry_options;
  retry_options.max_tries = request.max_tries > 0 ? request.max_tries : attempts_;
  if (request.patient) retry_options.outage_patience = retry_for_;
  auto job = std::make_shared<Job>(retry_options);
  job->request = std::move(request);
  job->done = std::move(done);
  const S3Request& kept = job->request;
  if (kept.what.empty()) {
    job->request.what = absl::StrCat(ToAbsl(HttpMethodName(kept.method)), " ", UrlOf(kept.key));
  }
  job->path = absl::StrCat(address_.path_prefix, "/", UriEncode(kept.key, true));
  job->query = CanonicalQuery(kept.query);
  // On the caller's thread: the transport's must stay free for the network.
  if (!signs_bodies() && kept.owned_body.empty() && !kept.body.empty()) {
    job->payload_hash = std::string(kUnsignedPayload);
  } else {
    job->payload_hash =
        ToHex(kept.body_sha256.has_value() ? *kept.body_sha256 : Sha256Of(kept.payload()));
  }
  Send(job, absl::ZeroDuration());
}

absl::StatusOr<HttpResponse> S3Client::Call(S3Request request) {
  absl::StatusOr<HttpResponse> result = absl::UnknownError("");
  Notification done;
  Submit(std::move(request), [&result, &done](absl::StatusOr<HttpResponse> answer) {
    result = std::move(answer);
    done.Notify();
  });
  done.WaitForNotification();
  return result;
}

void S3Client::Send(const std::shared_ptr<Job>& job, absl::Duration delay) {
  if (credentials_->Expired() && MayRenew(*job)) {
    job->signed_with = credentials_->Current();
    Renew(job, delay, nullptr);
  } else {
    SendNow(job, delay);
  }
}

bool S3Client::MayRenew(const Job& job) const {
  return !job.renewed_at.has_value() || steady_clock_() - *job.renewed_at >= kRenewalInterval;
}

void S3Client::Renew(const std::shared_ptr<Job>& job, absl::Duration delay,
                     std::shared_ptr<const S3Failure> refusal) {
  job->renewed_at = steady_clock_();
  const std::shared_ptr<CredentialCache> credentials = credentials_;
  const CredentialCache::Shared refused = job->signed_with;
  auto waiting = std::make_shared<Waiting>(job);
  {
    MutexLock lock(&mu_);
    waiting_.push_back(waiting);
  }
  // From here on a sweep may end the job, and the client with it: only who claims the job may use
  // them. The cache may outlive both.
  const auto claim = [this, waiting] {
    if (waiting->claimed.exchange(true)) return false;
    MutexLock lock(&mu_);
    std::erase(waiting_, waiting);
    return true;
  };
  credentials->Refresh(refused, [=, this, refusal = std::move(refusal)](absl::Status status) {
    if (claim()) OnRenewed(waiting->job, delay, refusal, status);
  });
  // The flag may have been set before there was something for a sweep to see.
  const std::shared_ptr<const CancelFlag>& flag = job->request.cancelled;
  if (flag != nullptr && flag->load() && claim()) job->done(job->Cancelled());
}

void S3Client::OnRenewed(const std::shared_ptr<Job>& job, absl::Duration delay,
                         const std::shared_ptr<const S3Failure>& refusal,
                         const absl::Status& status) {
  // Where the issuer keeps to them, the server has the last word.
  const bool same = absl::IsAlreadyExists(status);
  if (status.ok() || (same && refusal == nullptr)) return SendNow(job, delay);
  if (same) return job->done(FinalStatus(*job, *refusal));
  const absl::Status failure =
      WithContext(status, absl::StrCat(job->request.what, ": no new S3 credentials"));
  if (absl::IsCancelled(status)) return job->done(failure);
  // An issuer that is away is an outage like that of S3, and tried again like one.
  if (absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status)) job->renewed_at.reset();
  OnResult(job, WithKind(failure, ErrorKind::kS3));
}

void S3Client::Sweep() {
  EndCancelledWaits();
  transport_->Sweep();
}

void S3Client::EndCancelledWaits() {
  std::vector<std::shared_ptr<Waiting>> ending;
  {
    MutexLock lock(&mu_);
    for (const std::shared_ptr<Waiting>& waiting : waiting_) {
      const std::shared_ptr<const CancelFlag>& flag = waiting->job->request.cancelled;
      const bool ends = flag != nullptr && flag->load() && !waiting->claimed.exchange(true);
      if (ends) ending.push_back(waiting);
    }
    for (const std::shared_ptr<Waiting>& waiting : ending) std::erase(waiting_, waiting);
  }
  for (const std::shared_ptr<Waiting>& waiting : ending) {
    waiting->job->done(waiting->job->Cancelled());
  }
}

bool S3Client::RefusesCredentials(const S3Failure& failure) const {
  for (const char* const code :
       {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}) {
    if (failure.code == code) return true;
  }
  // The answer to a HEAD has no code.
  return failure.code.empty() && (failure.http_status == 400 || failure.http_status == 403) &&
         credentials_->Expired();
}

std::shared_ptr<const S3Client::Signer> S3Client::CurrentSigner() {
  CredentialCache::Shared credentials = credentials_->Current();
  MutexLock lock(&mu_);
  if (signer_ == nullptr || signer_->credentials != credentials) {
    signer_ = std::make_shared<const Signer>(std::move(credentials), region_);
  }
  return signer_;
}

void S3Client::SendNow(const std::shared_ptr<Job>& job, absl::Duration delay) {
  const S3Request& request = job->request;
  HttpRequest http;
  http.method = request.method;
  http.url = absl::StrCat(address_.origin, job->path, job->query.empty() ? "" : "?", job->query);
  http.headers = request.headers;
  http.body = request.payload();
  http.sink = request.sink;
  http.max_body_bytes = request.max_response_bytes;
  http.delay = delay;
  http.deadline = request.deadline;
  http.stall_timeout = request.stall_timeout;
  http.cancelled = request.cancelled;
  http.prepare = [this, job](HttpRequest& starting) { Sign(*job, starting); };
  transport_->Submit(std::move(http), [this, job](absl::StatusOr<HttpResponse> result) {
    OnResult(job, std::move(result));
  });
}

void S3Client::Sign(Job& job, HttpRequest& http) {
  {
    MutexLock lock(&mu_);
    job.epoch = limit_.epoch();
  }
  const absl::Time now = Now();
  http.headers.push_back({"X-Amz-Date", AmzDate(now)});
  http.headers.push_back({"X-Amz-Content-Sha256", job.payload_hash});
  const std::shared_ptr<const Signer> signer = CurrentSigner();
  job.signed_with = signer->credentials;
  if (!job.signed_with->session_token.empty()) {
    http.headers.push_back({"X-Amz-Security-Token", job.signed_with->session_token});
  }
  // Host is signed, and sent by the transport.
  std::vector<HttpHeader> signed_headers = http.headers;
  signed_headers.push_back({"Host", address_.host_header});
  SigningInput input;
  input.method = http.method;
  input.path = job.path;
  input.query = job.query;
  input.headers = &signed_headers;
  input.payload_hash = job.payload_hash;
  input.time = now;
  http.headers.push_back({"Authorization", signer->sigv4.Authorization(input)});
}

void S3Client::OnResult(const std::shared_ptr<Job>& job, absl::StatusOr<HttpResponse> result) {
  ++job->tries;
  S3Failure failure;
  absl::Duration retry_after = absl::ZeroDuration();
  if (!result.ok()) {
    failure.transport = result.status();
  } else if (IsForeignPage(*result)) {
    failure.transport = absl::UnavailableError("an HTML page came in place of S3's answer");
  } else {
    const bool failed =
        !IsSuccess(*result) || (job->request.error_in_ok_body && ParseErrorDocument(result->body));
    if (!failed) {
      AdaptConcurrency(*job, /*success=*/true, /*throttled=*/false);
      job->done(std::move(result));
      return;
    }
    failure = FailureOf(*result);
    retry_after = ParseRetryAfter(result->Header("Retry-After"), clock_());
  }
  failure.tries = job->tries;

  if (failure.transport.ok() && RefusesCredentials(failure) && MayRenew(*job)) {
    ++retries_;
    return Renew(job, absl::ZeroDuration(), std::make_shared<const S3Failure>(failure));
  }
  const TryOutcome outcome{failure.transport, failure.http_status, failure.code};
  const RetryVerdict verdict = RetryPolicy::Classify(outcome);
  AdaptConcurrency(*job, /*success=*/false, RetryPolicy::IsThrottle(outcome));
  std::optional<absl::Duration> delay;
  if (verdict == RetryVerdict::kAfterClockFix) {
    if (!job->clock_fixed && FixClock(*result)) delay = absl::ZeroDuration();
    job->clock_fixed = true;
  } else if (verdict != RetryVerdict::kNo) {
    const std::chrono::steady_clock::time_point now = steady_clock_();
    if (!job->failing_since.has_value()) job->failing_since = now;
    delay = job->policy.NextDelay(verdict, job->tries, absl::FromChrono(now - *job->failing_since),
                                  retry_after, Random());
  }
  if (delay.has_value()) {
    ++retries_;
    if (job->tries == job->policy.options().max_tries) ReportOutage(*job, failure);
    // The cache paces who waits for an issuer that is away.
    if (IsOfIssuer(failure)) delay = absl::ZeroDuration();
    // A request that must end soon does not wait longer than it would for an answer.
    Send(job, std::min(*delay, job->request.deadline));
    return;
  }
  job->done(FinalStatus(*job, failure));
}

absl::Status S3Client::FinalStatus(const Job& job, const S3Failure& failure) const {
  // Not the transport's words but those of the credentials' issuer.
  if (IsOfIssuer(failure)) return failure.transport;
  const absl::Status status = S3StatusOf(failure, job.request.what, address_.origin);
  const bool about_keys = absl::IsUnauthenticated(status) || absl::IsPermissionDenied(status);
  if (!about_keys || job.signed_with == nullptr || job.signed_with->source.empty()) return status;
  absl::Status result(status.code(), absl::StrCat(status.message(),
                                                  " (credentials: ", job.signed_with->source, ")"));
  status.ForEachPayload([&result](absl::string_view url, const absl::Cord& payload) {
    result.SetPayload(url, payload);
  });
  return result;
}

void S3Client::AdaptConcurrency(const Job& job, bool success, bool throttled) {
  int limit = 0;
  {
    MutexLock lock(&mu_);
    if (success) outage_reported_ = false;
    const bool changed =
        (success && limit_.OnSuccess()) || (throttled && limit_.OnThrottled(job.epoch));
    if (!changed) return;
    limit = limit_.current();
  }
  transport_->SetConcurrency(limit);
}

void S3Client::ReportOutage(const Job& job, const S3Failure& failure) {
  {
    MutexLock lock(&mu_);
    if (std::exchange(outage_reported_, true)) return;
  }
  if (!on_event_) return;
  on_event_(Severity::kWarning,
            absl::StrCat(FinalStatus(job, failure).message(), "; trying on, for ",
                         absl::FormatDuration(retry_for_), " in all"));
}

int S3Client::concurrency() const {
  MutexLock lock(&mu_);
  return limit_.current();
}

bool S3Client::FixClock(const HttpResponse& response) {
  const std::optional<absl::Time> server = ParseHttpDate(response.Header("Date"));
  if (!server.has_value()) return false;
  clock_offset_ns_ = absl::ToInt64Nanoseconds(*server - clock_());
  return true;
}

uint64_t S3Client::Random() {
  MutexLock lock(&mu_);
  return random_();
}

}  // namespace volstream
