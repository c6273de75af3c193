// HttpStream: the body of one HTTP answer as a ByteStream, over a buffer of bounded size: when the
// reader is slow, the transport's thread waits, and with it the server.
//
// The request starts with the first Read. Threads: as ByteStream says.
// Lifetime: the transport is the stream's own (see HttpRequest::on_body) and ends with it.
// Errors: those of HttpTransport; what `check` makes of an answer that is not 2xx;
// kDeadlineExceeded when nothing comes for `patience` while the reader waits.
#ifndef VOLSTREAM_STAGES_HTTP_STREAM_H_
#define VOLSTREAM_STAGES_HTTP_STREAM_H_

#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/mutex.h"
#include "stages/byte_ring.h"
#include "stages/byte_stream.h"
#include "stages/http_transport.h"

namespace volstream {

class HttpStream : public ByteStream {
 public:
  // The error that an answer with a status other than 2xx stands for.
  using Check = std::function<absl::Status(const HttpResponse&)>;

  HttpStream(std::unique_ptr<HttpTransport> transport, HttpRequest request, Check check,
             absl::Duration patience);
  ~HttpStream() override;

  absl::StatusOr<size_t> Read(MutableByteSpan out) override ABSL_LOCKS_EXCLUDED(mu_);
  void Cancel() override ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Start() ABSL_LOCKS_EXCLUDED(mu_);
  // The transport's thread.
  bool OnBody(ByteSpan bytes) ABSL_LOCKS_EXCLUDED(mu_);
  void OnDone(absl::StatusOr<HttpResponse> result) ABSL_LOCKS_EXCLUDED(mu_);

  const Check check_;
  const absl::Duration patience_;
  HttpRequest request_;  // until it starts

  Mutex mu_;
  ByteRing ring_ ABSL_GUARDED_BY(mu_);
  bool started_ ABSL_GUARDED_BY(mu_) = false;
  bool done_ ABSL_GUARDED_BY(mu_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mu_);  // once done_

  std::unique_ptr<HttpTransport> transport_;  // last: its thread uses all of the above
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_HTTP_STREAM_H_
