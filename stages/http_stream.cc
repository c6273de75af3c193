#include "stages/http_stream.h"

#include <algorithm>
#include <cstring>
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
  const auto has_news = [this] { return size_ > 0 || done_ || cancelled_; };
  if (!mu_.AwaitWithTimeout(has_news, patience_)) {
    cancelled_ = true;
    return absl::DeadlineExceededError(
        absl::StrCat("no byte came for ", absl::FormatDuration(patience_)));
  }
  if (cancelled_) return absl::CancelledError("cancelled");
  // What came before a failure is of no use: the caller gives the whole stream up.
  if (done_ && !status_.ok()) return status_;
  const size_t bytes = std::min(out.size(), size_);
  const size_t straight = std::min(bytes, ring_.size() - begin_);
  if (straight > 0) std::memcpy(out.data(), ring_.data() + begin_, straight);
  if (bytes > straight) std::memcpy(out.data() + straight, ring_.data(), bytes - straight);
  begin_ = (begin_ + bytes) % ring_.size();
  size_ -= bytes;
  return bytes;
}

bool HttpStream::OnBody(ByteSpan bytes) {
  MutexLock lock(&mu_);
  while (!bytes.empty()) {
    mu_.Await([this] { return size_ < ring_.size() || cancelled_; });
    if (cancelled_) return false;
    const size_t end = (begin_ + size_) % ring_.size();
    const size_t room = end < begin_ ? begin_ - end : ring_.size() - end;
    const size_t taken = std::min({bytes.size(), room, ring_.size() - size_});
    std::memcpy(ring_.data() + end, bytes.data(), taken);
    size_ += taken;
    bytes = bytes.subspan(taken);
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
