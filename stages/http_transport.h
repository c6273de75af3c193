// HttpTransport: the seam between volstream and the network. The real one is CurlTransport
// (stages/curl_transport.h); tests put a scripted one in its place (tests/support).
//
// Outcome: a Status means that no complete HTTP answer came; an HttpResponse means that one did,
// whatever its status code. Statuses: kUnavailable (connection refused, name not resolved, reset),
// kDeadlineExceeded (stalled, too slow), kFailedPrecondition (TLS not accepted, bad CA file),
// kInvalidArgument (unusable URL), kResourceExhausted (answer over the cap), kCancelled.
#ifndef VOLSTREAM_STAGES_HTTP_TRANSPORT_H_
#define VOLSTREAM_STAGES_HTTP_TRANSPORT_H_

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/time/time.h"
#include "engine/bytes.h"
#include "stages/absl_text.h"

namespace volstream {

enum class HttpMethod { kGet, kHead, kPut, kPost, kDelete };

inline std::string_view HttpMethodName(HttpMethod method) {
  switch (method) {
    case HttpMethod::kGet:
      return "GET";
    case HttpMethod::kHead:
      return "HEAD";
    case HttpMethod::kPut:
      return "PUT";
    case HttpMethod::kPost:
      return "POST";
    case HttpMethod::kDelete:
      return "DELETE";
  }
  return "GET";
}

struct HttpHeader {
  std::string name;
  std::string value;
};

// What a body that is pulled has at the moment.
struct PulledBody {
  enum class State {
    kBytes,   // `bytes` of it, at least one, at the front of the space
    kEnd,     // it is whole
    kLater,   // nothing yet: HttpTransport::Wake will come
    kGiveUp,  // it will never be whole: the transfer ends with kCancelled
  };
  State state = State::kEnd;
  size_t bytes = 0;
};

// A switch that its owner sets once to end its own requests and no others; see Sweep().
using CancelFlag = std::atomic<bool>;

struct HttpRequest {
  HttpMethod method = HttpMethod::kGet;
  std::string url;                  // http or https, already encoded
  std::vector<HttpHeader> headers;  // beyond Host and Content-Length
  ByteSpan body;                    // borrowed until done; PUT and POST only
  // Where the body of a PUT comes from if it is set, in place of `body`: it goes out in chunks, as
  // its length is not known. Runs on the transport's thread and must not block. It comes once, so
  // such a request gets a connection of its own, and no limit of the transport's rate. A
  // stall_timeout would count its waiting too.
  std::function<PulledBody(MutableByteSpan)> pull_body;
  MutableByteSpan sink;  // where the body of a 2xx answer goes unless empty; borrowed
                         // until done; a body that does not fit is kResourceExhausted
  // Where the body of a 2xx answer goes, piece by piece, if it is set: a piece lives for the call
  // alone; false ends the transfer with kCancelled. Runs on the transport's thread and MAY block:
  // the transport's other requests wait then, so a request that streams gets a transport of its
  // own, and an infinite stall_timeout, as waiting here would count as a stall.
  std::function<bool(ByteSpan)> on_body;
  size_t max_body_bytes = kMiB;                         // of HttpResponse::body
  absl::Duration delay = absl::ZeroDuration();          // before the request starts
  absl::Duration deadline = absl::InfiniteDuration();   // of the transfer, once started
  absl::Duration stall_timeout = absl::ZeroDuration();  // no byte either way; 0 = the default,
                                                        // infinite = none
  std::shared_ptr<const CancelFlag> cancelled;          // may be null
  // Called once when the request starts, so that a date or a signature is not older than the wait
  // for a free connection. Transport's thread; may be empty; must be quick.
  std::function<void(HttpRequest&)> prepare;
};

struct HttpResponse {
  int status = 0;
  std::vector<HttpHeader> headers;
  std::string body;       // empty where the sink or on_body took it
  size_t sink_bytes = 0;  // written to the sink or given to on_body

  // The value of the first header of that name, in whatever case; empty if there is none.
  std::string_view Header(std::string_view name) const {
    for (const HttpHeader& header : headers) {
      if (absl::EqualsIgnoreCase(header.name, ToAbsl(name))) return header.value;
    }
    return {};
  }
};

class HttpTransport {
 public:
  using Done = std::function<void(absl::StatusOr<HttpResponse>)>;

  // No request may be outstanding when a test's transport goes; CurlTransport ends them itself.
  virtual ~HttpTransport() = default;

  // Sends a request and never follows a redirect. `done` is called exactly once, from any thread,
  // possibly before Submit returns; it must not block and may call Submit. The transport has let
  // go of body and sink before it calls `done`. Safe for concurrent calls.
  virtual void Submit(HttpRequest request, Done done) = 0;

  // Ends soon, with kCancelled, every request whose `cancelled` is set. Requests submitted later
  // with the flag set end in the same way without a call of Sweep. Any thread; does not wait.
  virtual void Sweep() = 0;

  // Asks those bodies again that had nothing to send. Any thread; does not wait.
  virtual void Wake() {}

  // From here on at most this many transfers start at a time (1 or more; the transport's own limit
  // holds as well). Those that run go on. Any thread. A transport may pass over it.
  virtual void SetConcurrency(int /*transfers*/) {}

  // Ends soon, with kCancelled, all requests, and those submitted later. For good. Any thread.
  virtual void CancelAll() = 0;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_HTTP_TRANSPORT_H_
