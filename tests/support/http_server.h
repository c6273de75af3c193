// HttpServer: a plain HTTP server inside the test process, on 127.0.0.1 or on a unix socket, for
// tests of a transport.
//
// Threads: the handler runs on several threads at once. Lifetime: the destructor waits for the
// requests that are being served, so a handler that waits must be let go first.
#ifndef VOLSTREAM_TESTS_SUPPORT_HTTP_SERVER_H_
#define VOLSTREAM_TESTS_SUPPORT_HTTP_SERVER_H_

#include <functional>
#include <map>
#include <memory>
#include <string>

namespace volstream {

struct ServedRequest {
  std::string method;
  std::string target;                               // path and query as sent
  std::multimap<std::string, std::string> headers;  // names in lower case
  std::string body;
};

struct ServedReply {
  int status = 200;
  std::string body;
  std::multimap<std::string, std::string> headers;
  bool break_body = false;  // closes the connection in mid-body
};

class HttpServer {
 public:
  using Handler = std::function<ServedReply(const ServedRequest&)>;

  explicit HttpServer(Handler handler, const std::string& unix_socket = "");
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // http://127.0.0.1:port and the path. REQUIRES: no unix socket.
  std::string Url(const std::string& path) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_HTTP_SERVER_H_
