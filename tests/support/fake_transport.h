// FakeTransport: an HttpTransport that is a small S3 in memory, with scripted faults. It knows the
// requests of stages/s3_requests.h for any bucket addressed by path, checks Content-MD5, and does
// not check signatures.
//
// Threads: safe for concurrent calls. `done` is called before Submit returns, except for a request
// that hangs, which Sweep or CancelAll ends. Delays are recorded and not waited for.
#ifndef VOLSTREAM_TESTS_SUPPORT_FAKE_TRANSPORT_H_
#define VOLSTREAM_TESTS_SUPPORT_FAKE_TRANSPORT_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "engine/mutex.h"
#include "stages/http_transport.h"

namespace volstream {

// What happens in place of the plain answer.
struct TransportFault {
  // "METHOD text": requests of the method (* for any) whose URL contains the text.
  std::string match;
  int times = 1;
  bool take_effect = false;  // the store does the request all the same; only the answer is lost
  bool hang = false;
  absl::Status transport = absl::OkStatus();            // not OK: no HTTP answer
  std::optional<HttpResponse> response = std::nullopt;  // this instead of the store's
  std::function<void(HttpResponse&)> edit = nullptr;    // changes the store's answer
};

// An S3 error answer.
HttpResponse S3ErrorResponse(int status, std::string_view code, std::string_view message = "");

class FakeTransport : public HttpTransport {
 public:
  struct Sent {
    std::string line;  // "PUT /bucket/key?query"
    std::vector<HttpHeader> headers;
    std::string body;
    absl::Duration delay;

    std::string Header(std::string_view name) const;
  };

  void Submit(HttpRequest request, Done done) override;
  void Sweep() override;
  void SetConcurrency(int transfers) override;
  void CancelAll() override;

  // What SetConcurrency was told, in order.
  std::vector<int> ConcurrencyLimits() const;

  // Faults are tried in the order in which they were added.
  void Add(TransportFault fault);
  // Requests so far whose line contains the text.
  std::vector<Sent> Requests(std::string_view text = "") const;

  // The store, by key ("bucket/key").
  std::map<std::string, std::string> Objects() const;
  void PutObject(const std::string& path, const std::string& data);
  size_t UploadCount() const;
  void SetNow(absl::Time now);

 private:
  struct Object {
    std::string data;
    std::string etag;
  };
  struct Upload {
    std::string path;
    absl::Time initiated;
    std::map<int, std::string> parts;
  };
  struct Parsed {
    HttpMethod method;
    std::string path;  // decoded, without the leading '/'
    std::map<std::string, std::string> query;
  };

  HttpResponse Serve(const Parsed& parsed, const HttpRequest& request)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  HttpResponse ServeObject(const Parsed& parsed, const HttpRequest& request)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  HttpResponse ServeUpload(const Parsed& parsed, const HttpRequest& request)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  HttpResponse List(const Parsed& parsed) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  HttpResponse ListUploads(const Parsed& parsed) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  HttpResponse DeleteMany(const Parsed& parsed, const HttpRequest& request)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void EndHeld(bool all);

  mutable Mutex mu_;
  std::vector<TransportFault> faults_ ABSL_GUARDED_BY(mu_);
  std::vector<Sent> sent_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, Object> objects_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, Upload> uploads_ ABSL_GUARDED_BY(mu_);
  std::vector<int> concurrency_limits_ ABSL_GUARDED_BY(mu_);
  int next_upload_ ABSL_GUARDED_BY(mu_) = 1;
  absl::Time now_ ABSL_GUARDED_BY(mu_) = absl::FromUnixSeconds(1'750'000'000);
  std::vector<std::pair<HttpRequest, Done>> held_ ABSL_GUARDED_BY(mu_);
  bool cancel_all_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_FAKE_TRANSPORT_H_
