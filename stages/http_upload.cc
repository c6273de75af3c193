#include "stages/http_upload.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/bytes.h"

namespace volstream {
namespace {

// Enough that neither side waits for every piece of the other.
constexpr size_t kRingBytes = kMiB;

}  // namespace

HttpUpload::HttpUpload(std::unique_ptr<HttpTransport> transport, HttpRequest request, Check check,
                       absl::Duration patience)
    : check_(std::move(check)),
      patience_(patience),
      request_(std::move(request)),
      ring_(kRingBytes),
      transport_(std::move(transport)) {
  request_.method = HttpMethod::kPut;
  request_.stall_timeout = absl::InfiniteDuration();
  request_.pull_body = [this](MutableByteSpan space) { return OnPull(space); };
}

HttpUpload::~HttpUpload() {
  Cancel();
  transport_.reset();
}

void HttpUpload::StartOnce() {
  {
    MutexLock lock(&mu_);
    if (std::exchange(started_, true) || cancelled_) return;
  }
  transport_->Submit(std::move(request_),
                     [this](absl::StatusOr<HttpResponse> result) { OnDone(std::move(result)); });
}

absl::Status HttpUpload::TimedOut() {
  cancelled_ = true;
  return absl::DeadlineExceededError(
      absl::StrCat("nothing was taken for ", absl::FormatDuration(patience_)));
}

absl::Status HttpUpload::Write(ByteSpan bytes) {
  StartOnce();
  while (!bytes.empty()) {
    bool wake = false;
    {
      MutexLock lock(&mu_);
      const auto has_room = [this] { return !ring_.full() || done_ || cancelled_; };
      if (!mu_.AwaitWithTimeout(has_room, patience_)) return TimedOut();
      if (cancelled_) return absl::CancelledError("cancelled");
      if (done_) {
        return status_.ok() ? absl::UnavailableError("the answer came before the body was whole")
                            : status_;
      }
      bytes = bytes.subspan(ring_.Push(bytes));
      wake = std::exchange(starved_, false);
    }
    if (wake) transport_->Wake();
  }
  return absl::OkStatus();
}

absl::Status HttpUpload::Finish() {
  StartOnce();
  {
    MutexLock lock(&mu_);
    whole_ = true;
  }
  transport_->Wake();
  MutexLock lock(&mu_);
  const auto is_over = [this] { return done_ || cancelled_; };
  if (!mu_.AwaitWithTimeout(is_over, patience_)) return TimedOut();
  if (cancelled_) return absl::CancelledError("cancelled");
  return status_;
}

PulledBody HttpUpload::OnPull(MutableByteSpan space) {
  MutexLock lock(&mu_);
  if (cancelled_) return {.state = PulledBody::State::kGiveUp};
  if (ring_.empty()) {
    if (whole_) return {.state = PulledBody::State::kEnd};
    starved_ = true;
    return {.state = PulledBody::State::kLater};
  }
  return {.state = PulledBody::State::kBytes, .bytes = ring_.Pop(space)};
}

void HttpUpload::OnDone(absl::StatusOr<HttpResponse> result) {
  absl::Status status = result.status();
  if (status.ok() && result->status / 100 != 2) status = check_(*result);
  MutexLock lock(&mu_);
  status_ = std::move(status);
  done_ = true;
}

void HttpUpload::Cancel() {
  {
    MutexLock lock(&mu_);
    cancelled_ = true;
  }
  transport_->CancelAll();
}

}  // namespace volstream
