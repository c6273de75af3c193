#include "stages/http_call.h"

#include <optional>
#include <random>
#include <utility>

#include "engine/notification.h"
#include "stages/retry_policy.h"

namespace volstream {
namespace {

absl::StatusOr<HttpResponse> CallOnce(CurlTransport* transport, const HttpRequest& request) {
  absl::StatusOr<HttpResponse> result = absl::InternalError("no answer");
  Notification done;
  transport->Submit(request, [&](absl::StatusOr<HttpResponse> answer) {
    result = std::move(answer);
    done.Notify();
  });
  done.WaitForNotification();
  return result;
}

}  // namespace

absl::StatusOr<HttpResponse> CallHttp(const CurlTransportOptions& options,
                                      const HttpRequest& request, int tries, StopSignal* stop) {
  CurlTransport transport(options);
  const StopSignal::Listener listener(stop, [&transport] { transport.CancelAll(); });
  RetryOptions retry_options;
  retry_options.max_tries = tries;
  const RetryPolicy policy(retry_options);
  HttpRequest next = request;
  for (int tried = 1;; ++tried) {
    absl::StatusOr<HttpResponse> result = CallOnce(&transport, next);
    if (result.ok() && result->status / 100 == 2) return result;
    const RetryVerdict verdict =
        RetryPolicy::Classify({result.status(), result.ok() ? result->status : 0, /*s3_code=*/""});
    if (verdict != RetryVerdict::kOutage) return result;
    const std::optional<absl::Duration> delay =
        policy.NextDelay(verdict, tried, absl::ZeroDuration(), absl::ZeroDuration(),
                         (uint64_t{std::random_device()()} << 32) | std::random_device()());
    if (!delay.has_value()) return result;
    next.delay = *delay;
  }
}

}  // namespace volstream
