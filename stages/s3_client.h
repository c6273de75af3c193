// S3Client: sends S3 requests to one bucket: signs each try afresh with the credentials of the
// hour, has those renewed that are refused, retries by RetryPolicy, and turns what fails for good
// into one line of advice (stages/s3_error.h). When the server asks for less, fewer requests are
// sent at a time (stages/concurrency_limit.h).
//
// Threads: all methods are safe to call concurrently. Call() waits for the network and must not be
// made from the transport's thread. `done` runs on the transport's thread, or on that of the
// credential cache, or in Sweep().
// Lifetime: the transport is borrowed. No request may be outstanding when the client goes; a
// transport that is destroyed first has ended all but those that wait for credentials.
#ifndef VOLSTREAM_STAGES_S3_CLIENT_H_
#define VOLSTREAM_STAGES_S3_CLIENT_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "engine/mutex.h"
#include "stages/concurrency_limit.h"
#include "stages/credential_cache.h"
#include "stages/http_transport.h"
#include "stages/retry_policy.h"
#include "stages/s3_config.h"
#include "stages/s3_error.h"
#include "stages/s3_requests.h"

namespace volstream {

// What tests replace.
struct S3ClientHooks {
  std::function<absl::Time()> clock = absl::Now;
  // How long an outage lasts must not depend on somebody who sets the clock.
  std::function<std::chrono::steady_clock::time_point()> steady_clock =
      std::chrono::steady_clock::now;
  std::optional<uint64_t> seed;  // of the jitter; unset = random
};

class S3Client {
 public:
  using Done = std::function<void(absl::StatusOr<HttpResponse>)>;

  static absl::StatusOr<std::unique_ptr<S3Client>> Create(const std::string& bucket,
                                                          const S3Options& options,
                                                          HttpTransport* transport,
                                                          const S3ClientHooks& hooks = {});
  S3Client(const S3Client&) = delete;
  S3Client& operator=(const S3Client&) = delete;

  // Gives `done` a 2xx answer or the final error, exactly once, possibly before Submit returns.
  // What the request borrows is free again when `done` is called.
  void Submit(S3Request request, Done done);

  // The same, waiting.
  absl::StatusOr<HttpResponse> Call(S3Request request);

  // Ends every request whose `cancelled` flag is set, whatever it waits for.
  void Sweep() ABSL_LOCKS_EXCLUDED(mu_);

  bool https() const { return address_.https; }
  // Whether the signature covers the bodies of parts, by their SHA-256.
  bool signs_bodies() const { return address_.exposed; }
  absl::Duration stall_timeout() const { return stall_timeout_; }
  // s3://bucket/key
  std::string UrlOf(std::string_view key) const;
  // Tries beyond the first ones, so far.
  uint64_t retries() const { return retries_.load(); }
  // Requests at a time that the server takes, as far as is known.
  int concurrency() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Job;
  // A key pair and the signer that holds it.
  struct Signer;
  // A job that waits for credentials, and who may go on with it: the first that asks.
  struct Waiting;

  S3Client(const std::string& bucket, const S3Options& options, S3Address address,
           HttpTransport* transport, const S3ClientHooks& hooks);

  // Sends once there are credentials that have not expired.
  void Send(const std::shared_ptr<Job>& job, absl::Duration delay);
  void SendNow(const std::shared_ptr<Job>& job, absl::Duration delay);
  // Has the job's credentials replaced, and sends it then. `refusal` is what the server said of
  // them, null where they have not been sent.
  void Renew(const std::shared_ptr<Job>& job, absl::Duration delay,
             std::shared_ptr<const S3Failure> refusal) ABSL_LOCKS_EXCLUDED(mu_);
  void OnRenewed(const std::shared_ptr<Job>& job, absl::Duration delay,
                 const std::shared_ptr<const S3Failure>& refusal, const absl::Status& status);
  // Ends those that wait for credentials and are cancelled.
  void EndCancelledWaits() ABSL_LOCKS_EXCLUDED(mu_);
  // Whether the server refused the credentials for their age.
  bool RefusesCredentials(const S3Failure& failure) const;
  // Not twice in a minute, so that a server to which nothing is good enough comes to an end.
  bool MayRenew(const Job& job) const;
  std::shared_ptr<const Signer> CurrentSigner() ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status FinalStatus(const Job& job, const S3Failure& failure) const;
  void Sign(Job& job, HttpRequest& http) ABSL_LOCKS_EXCLUDED(mu_);
  void OnResult(const std::shared_ptr<Job>& job, absl::StatusOr<HttpResponse> result);
  void AdaptConcurrency(const Job& job, bool success, bool throttled) ABSL_LOCKS_EXCLUDED(mu_);
  // Says that an outage is waited out: once until a request succeeds.
  void ReportOutage(const Job& job, const S3Failure& failure) ABSL_LOCKS_EXCLUDED(mu_);
  // Puts the clock right by the answer's Date; false if there is none.
  bool FixClock(const HttpResponse& response);
  absl::Time Now() const { return clock_() + absl::Nanoseconds(clock_offset_ns_.load()); }
  uint64_t Random() ABSL_LOCKS_EXCLUDED(mu_);

  const std::string bucket_;
  const S3Address address_;
  const std::string region_;
  const std::shared_ptr<CredentialCache> credentials_;
  const int attempts_;
  const absl::Duration retry_for_;
  const absl::Duration stall_timeout_;
  const EventLog on_event_;
  HttpTransport* const transport_;
  const std::function<absl::Time()> clock_;
  const std::function<std::chrono::steady_clock::time_point()> steady_clock_;
  std::atomic<int64_t> clock_offset_ns_{0};  // the server's clock less ours, once they differed
  std::atomic<uint64_t> retries_{0};

  mutable Mutex mu_;
  std::mt19937_64 random_ ABSL_GUARDED_BY(mu_);
  ConcurrencyLimit limit_ ABSL_GUARDED_BY(mu_);
  bool outage_reported_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::shared_ptr<Waiting>> waiting_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<const Signer> signer_ ABSL_GUARDED_BY(mu_);  // null before the first request
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_S3_CLIENT_H_
