// CurlTransport: HttpTransport over libcurl's multi interface. With curl_job.cc the only home of
// libcurl's transfers.
//
// Threads: one I/O thread owns the multi handle and all easy handles; every other thread only
// appends to a locked queue and wakes it. `done` runs on the I/O thread, so it must not block.
// Lifetime: the destructor ends every request (with kCancelled) and joins the I/O thread.
// Bounds: at most `connections` transfers at once; more wait in a queue in the order in which they
// came. A request with a delay waits in a heap of timers. No thread ever sleeps for it.
#ifndef VOLSTREAM_STAGES_CURL_TRANSPORT_H_
#define VOLSTREAM_STAGES_CURL_TRANSPORT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "stages/http_transport.h"
#include "stages/rate_limit.h"

namespace volstream {

struct CurlTransportOptions {
  int connections = 8;
  absl::Duration connect_timeout = absl::Seconds(10);
  absl::Duration stall_timeout = absl::Seconds(60);  // whole seconds; see HttpRequest
  std::string ca_file;                               // PEM; empty = the system's
  std::string client_cert_file;                      // PEM, with client_key_file; empty = none
  std::string client_key_file;
  std::string user_agent;                 // empty = volstream's name and version
  std::shared_ptr<RateLimit> send_limit;  // of request bodies; null = none
  bool direct = false;                    // through no proxy, whatever the environment says
  // All connections go to this socket, whatever host the URL names, and through no proxy.
  std::string unix_socket;
  // Of one transfer; libcurl takes 16 KiB to 2 MiB. What fits a core's L2 cache costs the least:
  // more than this was measured to cost CPU and to win nothing.
  size_t upload_buffer_bytes = 256 * kKiB;
};

class CurlTransport : public HttpTransport {
 public:
  explicit CurlTransport(const CurlTransportOptions& options);
  ~CurlTransport() override;
  CurlTransport(const CurlTransport&) = delete;
  CurlTransport& operator=(const CurlTransport&) = delete;

  void Submit(HttpRequest request, Done done) override;
  void Sweep() override;
  void Wake() override;
  void SetConcurrency(int transfers) override;
  void CancelAll() override;

  struct Usage {
    uint64_t requests = 0;     // done, whatever came of them
    uint64_t connections = 0;  // opened
    uint64_t bytes_sent = 0;   // of bodies
    uint64_t bytes_received = 0;
  };
  Usage usage() const;

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_CURL_TRANSPORT_H_
