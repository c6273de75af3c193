#include "tests/support/http_server.h"

#include <thread>
#include <utility>

#include <httplib.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "engine/check.h"

namespace volstream {

struct HttpServer::Impl {
  httplib::Server server;
  std::thread thread;
  int port = 0;
};

HttpServer::HttpServer(Handler handler, const std::string& unix_socket)
    : impl_(std::make_unique<Impl>()) {
  const auto serve = [handler = std::move(handler)](const httplib::Request& request,
                                                    httplib::Response& response) {
    ServedRequest served{request.method, request.target, {}, request.body};
    for (const auto& [name, value] : request.headers) {
      served.headers.emplace(absl::AsciiStrToLower(name), value);
    }
    const ServedReply reply = handler(served);
    response.status = reply.status;
    for (const auto& [name, value] : reply.headers) response.set_header(name.c_str(), value);
    if (reply.break_body) {
      response.set_content_provider(1000, "text/plain",
                                    [](size_t, size_t, httplib::DataSink&) { return false; });
    } else {
      response.set_content(reply.body, "text/plain");
    }
  };
  impl_->server.Get(".*", serve);
  impl_->server.Put(".*", serve);
  impl_->server.Post(".*", serve);
  impl_->server.Delete(".*", serve);
  if (unix_socket.empty()) {
    impl_->port = impl_->server.bind_to_any_port("127.0.0.1");
    VS_CHECK(impl_->port > 0);
  } else {
    impl_->server.set_address_family(AF_UNIX);
    VS_CHECK(impl_->server.bind_to_port(unix_socket.c_str(), 80));
  }
  impl_->thread = std::thread([this] { impl_->server.listen_after_bind(); });
  // A stop before the start would be lost.
  while (!impl_->server.is_running()) std::this_thread::yield();
}

HttpServer::~HttpServer() {
  impl_->server.stop();
  impl_->thread.join();
}

std::string HttpServer::Url(const std::string& path) const {
  return absl::StrCat("http://127.0.0.1:", impl_->port, path);
}

}  // namespace volstream
