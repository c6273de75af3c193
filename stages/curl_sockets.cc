#include "stages/curl_sockets.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/check.h"

namespace volstream {

void CurlSockets::Watch(CURL* easy) {
  VS_CHECK(curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, OnOpen) == CURLE_OK);
  VS_CHECK(curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, this) == CURLE_OK);
  VS_CHECK(curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, OnClose) == CURLE_OK);
  VS_CHECK(curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, this) == CURLE_OK);
}

void CurlSockets::Acknowledge() const {
  for (const curl_socket_t socket : open_) {
    // The system forgets this soon, hence once for each head. A UNIX socket refuses it, and has
    // nothing to acknowledge.
    const int on = 1;
    (void)setsockopt(socket, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
  }
}

int CurlSockets::OnOpen(void* context, curl_socket_t socket, curlsocktype /*purpose*/) {
  static_cast<CurlSockets*>(context)->open_.push_back(socket);
  return CURL_SOCKOPT_OK;
}

int CurlSockets::OnClose(void* context, curl_socket_t socket) {
  std::erase(static_cast<CurlSockets*>(context)->open_, socket);
  return close(socket);
}

}  // namespace volstream
