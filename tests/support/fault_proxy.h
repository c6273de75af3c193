// FaultProxy: an HTTP/1.1 proxy between volstream and a real S3 server that does to each request
// what a plan says: passes it on, or lets it meet with one of the faults below. What it passes on
// is not changed, so that signatures hold. It stands where the endpoint would: volstream does not
// know of it.
//
// Requests for one key reach the server in the order in which they were read, parts apart: what a
// server does with a request that its client gave up long ago is not a fault that is tested here.
//
// Threads: the plan is called by several threads at once. All methods are safe meanwhile.
// Lifetime: the destructor cuts all connections and waits for their threads.
#ifndef VOLSTREAM_TESTS_SUPPORT_FAULT_PROXY_H_
#define VOLSTREAM_TESTS_SUPPORT_FAULT_PROXY_H_

#include <array>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/mutex.h"
#include "tests/support/s3_operation.h"

namespace volstream {

enum class FaultKind {
  kResetAtHead,        // RST once the head was read
  kCloseAtHead,        // FIN there
  kResetInBody,        // RST in the middle of the request's body
  kStallInBody,        // reads no further than the middle of the body, and says nothing
  kResetAfterRequest,  // RST when all was read; the server never saw it
  kSwallow,            // half-open: reads all, says nothing, the server never saw it
  kSlowDown,           // 503 SlowDown
  kInternalError,      // 500 InternalError
  kTooMany,            // 429 with Retry-After: 1
  kBadGateway,         // 502 with an HTML page
  kRequestTimeout,     // 400 RequestTimeout
  kNotHttp,            // an answer that is no HTTP
  kForeign,            // 200 with an HTML page; the server never saw the request
  kErrorIn200,         // 200 with an <Error> inside; the server never saw the request
  kLoseAnswer,         // the server did it; RST instead of the answer
  kSwallowAnswer,      // the server did it; silence instead of the answer
  kCutHead,            // the server did it; half of the answer's head, FIN
  kCutBody,            // the server did it; half of the answer's body, FIN
  kSlowAnswer,         // the answer comes in small pieces
  kWrongEtag,          // the answer's ETag is another one
  kDamageBody,         // one byte of the request's body is another one
  kTwice,              // the server gets the request twice; the second answer counts
  kCloseAfterAnswer,   // FIN behind a whole answer that did not announce it
};
inline constexpr int kFaultKinds = static_cast<int>(FaultKind::kCloseAfterAnswer) + 1;
std::string_view FaultKindName(FaultKind kind);

struct ProxiedRequest {
  S3Operation operation = S3Operation::kUnknown;
  std::string key;     // empty for a request to the bucket
  std::string prefix;  // of a list
  int part_number = 0;
  size_t body_bytes = 0;
  std::string range;  // as the header of that name says: "bytes=0-9"; empty without
};

class FaultProxy {
 public:
  // Nothing = the request is passed on.
  using Plan = std::function<std::optional<FaultKind>(const ProxiedRequest&)>;

  // In front of http://127.0.0.1:PORT; `upstream` is that address.
  FaultProxy(const std::string& upstream, Plan plan);
  ~FaultProxy();
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  // http://127.0.0.1:PORT of the proxy itself.
  const std::string& endpoint() const { return endpoint_; }
  // Faults so far, of this kind and of all.
  int Count(FaultKind kind) const ABSL_LOCKS_EXCLUDED(mu_);
  int Count() const ABSL_LOCKS_EXCLUDED(mu_);
  // Waits until there was one of this kind; false if that takes longer than 20 s.
  bool WaitFor(FaultKind kind) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void CountOne(FaultKind kind) ABSL_LOCKS_EXCLUDED(mu_);
  struct Exchange;  // one request and what becomes of it

  void Accept();
  void Serve(int fd);
  // False: the connection is to be closed.
  bool Handle(int fd, Exchange& exchange);
  bool Answer(int fd, const Exchange& exchange, std::optional<FaultKind> kind);
  // The server's whole answer; empty if none came.
  std::string Forward(const Exchange& exchange);

  const int upstream_port_;
  const Plan plan_;
  int listener_ = -1;
  std::string endpoint_;
  std::array<Mutex, 32> key_order_;  // by hash of the key

  mutable Mutex mu_;
  std::array<int, kFaultKinds> counts_ ABSL_GUARDED_BY(mu_) = {};
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::set<int> open_ ABSL_GUARDED_BY(mu_);
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mu_);
  std::thread acceptor_;
};

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_FAULT_PROXY_H_
