// HttpUpload: the body of one PUT, written piece by piece by one thread while another sends it,
// over a buffer of bounded size: when the server is slow, the writer waits.
//
// The request starts with the first Write. A server that answers before the body is whole ends the
// upload: the answer is what Write and Finish say.
// Threads: Write and Finish by one thread; Cancel by any, at any time. Lifetime: the transport is
// the upload's own.
// Errors: those of HttpTransport; what `check` makes of an answer that is not 2xx;
// kDeadlineExceeded when nothing is taken for `patience` while the writer waits.
#ifndef VOLSTREAM_STAGES_HTTP_UPLOAD_H_
#define VOLSTREAM_STAGES_HTTP_UPLOAD_H_

#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/mutex.h"
#include "stages/byte_ring.h"
#include "stages/http_transport.h"

namespace volstream {

class HttpUpload {
 public:
  // The error that an answer with a status other than 2xx stands for.
  using Check = std::function<absl::Status(const HttpResponse&)>;

  // `request` is a PUT without a body.
  HttpUpload(std::unique_ptr<HttpTransport> transport, HttpRequest request, Check check,
             absl::Duration patience);
  // Cancels what is not finished.
  ~HttpUpload();
  HttpUpload(const HttpUpload&) = delete;
  HttpUpload& operator=(const HttpUpload&) = delete;

  // Waits until all of it is in the buffer. After an error nothing more may be written.
  absl::Status Write(ByteSpan bytes) ABSL_LOCKS_EXCLUDED(mu_);
  // The body is whole: waits for the answer, for `patience` at most. Once.
  absl::Status Finish() ABSL_LOCKS_EXCLUDED(mu_);
  // Makes a waiting call, and all later ones, end soon with kCancelled. The server sees the
  // connection break. Does not wait.
  void Cancel() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void StartOnce() ABSL_LOCKS_EXCLUDED(mu_);
  // Ends the upload for good.
  absl::Status TimedOut() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The transport's thread.
  PulledBody OnPull(MutableByteSpan space) ABSL_LOCKS_EXCLUDED(mu_);
  void OnDone(absl::StatusOr<HttpResponse> result) ABSL_LOCKS_EXCLUDED(mu_);

  const Check check_;
  const absl::Duration patience_;
  HttpRequest request_;  // until it starts

  Mutex mu_;
  ByteRing ring_ ABSL_GUARDED_BY(mu_);
  bool starved_ ABSL_GUARDED_BY(mu_) = false;  // the transport waits for a Wake
  bool started_ ABSL_GUARDED_BY(mu_) = false;
  bool whole_ ABSL_GUARDED_BY(mu_) = false;
  bool done_ ABSL_GUARDED_BY(mu_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mu_);  // once done_

  std::unique_ptr<HttpTransport> transport_;  // last: its thread uses all of the above
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_HTTP_UPLOAD_H_
