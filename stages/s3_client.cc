#include "stages/s3_client.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/notification.h"
#include "engine/status_macros.h"
#include "stages/absl_text.h"
#include "stages/digest.h"

namespace volstream {
namespace {

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

}  // namespace

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

  explicit Job(const RetryOptions& retry_options) : policy(retry_options) {}
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
      session_token_(options.session_token),
      attempts_(options.attempts),
      retry_for_(options.retry_for),
      stall_timeout_(options.stall_timeout),
      on_event_(options.on_event),
      signer_(options.access_key_id, options.secret_access_key, options.region, "s3"),
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
  if (address_.https && kept.owned_body.empty() && !kept.body.empty()) {
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
  if (!session_token_.empty()) http.headers.push_back({"X-Amz-Security-Token", session_token_});
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
  http.headers.push_back({"Authorization", signer_.Authorization(input)});
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
    // A request that must end soon does not wait longer than it would for an answer.
    Send(job, std::min(*delay, job->request.deadline));
    return;
  }
  job->done(S3StatusOf(failure, job->request.what, address_.origin));
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
            absl::StrCat(S3StatusOf(failure, job.request.what, address_.origin).message(),
                         "; trying on, for ", absl::FormatDuration(retry_for_), " in all"));
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
