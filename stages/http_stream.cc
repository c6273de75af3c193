#include "stages/http_stream.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/bytes.h"

namespace volstream {
namespace {

// Enough that neither side waits for every piece of the other.
constexpr size_t kRingBytes = kMiB;

}  // namespace

HttpStream::HttpStream(std::unique_ptr<HttpTransport> transport, HttpRequest request, Check check,
                       absl::Duration patience)
    : check_(std::move(check)),
      patience_(patience),
      request_(std::move(request)),
      ring_(kRingBytes),
      transport_(std::move(transport)) {
  request_.stall_timeout = absl::InfiniteDuration();
  request_.on_body = [this](ByteSpan bytes) { return OnBody(bytes); };
}

HttpStream::~HttpStream() {
  Cancel();
  transport_.reset();
}

void HttpStream::Start() {
  transport_->Submit(std::move(request_),
                     [this](absl::StatusOr<HttpResponse> result) { OnDone(std::move(result)); });
}

absl::StatusOr<size_t> HttpStream::Read(MutableByteSpan out) {
  bool start = false;
  {
    MutexLock lock(&mu_);
    start = !std::exchange(started_, true) && !cancelled_;
  }
  if (start) Start();
  MutexLock lock(&mu_);
  const auto has_news = [this] { return !ring_.empty() || done_ || cancelled_; };
  if (!mu_.AwaitWithTimeout(has_news, patience_)) {
    cancelled_ = true;
    return absl::DeadlineExceededError(
        absl::StrCat("no byte came for ", absl::FormatDuration(patience_)));
  }
  if (cancelled_) return absl::CancelledError("cancelled");
  // What came before a failure is of no use: the caller gives the whole stream up.
  if (done_ && !status_.ok()) return status_;
  return ring_.Pop(out);
}

bool HttpStream::OnBody(ByteSpan bytes) {
  MutexLock lock(&mu_);
  while (!bytes.empty()) {
    mu_.Await([this] { return !ring_.full() || cancelled_; });
    if (cancelled_) return false;
    bytes = bytes.subspan(ring_.Push(bytes));
  }
  return true;
}

void HttpStream::OnDone(absl::StatusOr<HttpResponse> result) {
  absl::Status status = result.status();
  if (status.ok() && result->status / 100 != 2) status = check_(*result);
  MutexLock lock(&mu_);
  status_ = std::move(status);
  done_ = true;
}

void HttpStream::Cancel() {
  {
    MutexLock lock(&mu_);
    cancelled_ = true;
  }
  transport_->CancelAll();
}

}  // namespace volstream
