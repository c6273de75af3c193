// CurlSockets: the connections that libcurl has open for a CurlTransport, and a prompt
// acknowledgement for their peers. For curl_transport.cc alone.
//
// A server that writes the head of its answer and then the content holds the content back until the
// head is acknowledged (Nagle's algorithm, RFC 1122 4.2.3.4; Ceph RGW's default), and the system
// acknowledges 40 ms late what it expects to answer soon (RFC 1122 4.2.3.2). That is 40 ms for each
// small answer: a listing, an error. libcurl does not say on which connection a transfer is, so all
// of them are acknowledged when a head has come: one system call each, tens of them a backup.
//
// Threads: the transport's I/O thread.
#ifndef VOLSTREAM_STAGES_CURL_SOCKETS_H_
#define VOLSTREAM_STAGES_CURL_SOCKETS_H_

#include <curl/curl.h>

#include <vector>

namespace volstream {

class CurlSockets {
 public:
  CurlSockets() = default;
  CurlSockets(const CurlSockets&) = delete;
  CurlSockets& operator=(const CurlSockets&) = delete;

  // Learns of the connections that `easy` will open. They keep a pointer to this object, which has
  // to outlive them: libcurl may close them as late as in curl_multi_cleanup.
  void Watch(CURL* easy);

  // Sends the acknowledgements that are due, now.
  void Acknowledge() const;

 private:
  static int OnOpen(void* context, curl_socket_t socket, curlsocktype purpose);
  static int OnClose(void* context, curl_socket_t socket);

  std::vector<curl_socket_t> open_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_CURL_SOCKETS_H_
