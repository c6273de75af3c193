// TextStream: a ByteStream over a text, in pieces of a size, with an error where it is wanted. With
// `wait_at` it waits there, as an idle pipe does, until it is cancelled.
#ifndef VOLSTREAM_TESTS_SUPPORT_TEXT_STREAM_H_
#define VOLSTREAM_TESTS_SUPPORT_TEXT_STREAM_H_

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "engine/mutex.h"
#include "engine/notification.h"
#include "stages/byte_stream.h"

namespace volstream {

class TextStream : public ByteStream {
 public:
  static constexpr size_t kNowhere = SIZE_MAX;

  TextStream(std::string text, size_t piece) : text_(std::move(text)), piece_(piece) {}

  size_t fail_at = kNowhere;
  size_t wait_at = kNowhere;
  Notification waits;

  absl::StatusOr<size_t> Read(MutableByteSpan out) override {
    MutexLock lock(&mu_);
    if (at_ >= wait_at) {
      waits.Notify();
      mu_.Await([this] { return cancelled_; });
    }
    if (cancelled_) return absl::CancelledError("cancelled");
    if (at_ >= fail_at) return absl::DataLossError("stream failed");
    const size_t bytes = std::min({out.size(), piece_, text_.size() - at_});
    std::copy_n(text_.begin() + static_cast<ptrdiff_t>(at_), bytes, out.begin());
    at_ += bytes;
    return bytes;
  }
  void Cancel() override {
    MutexLock lock(&mu_);
    cancelled_ = true;
  }

 private:
  const std::string text_;
  const size_t piece_;
  Mutex mu_;
  size_t at_ ABSL_GUARDED_BY(mu_) = 0;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_TEXT_STREAM_H_
