// What CurlTransport makes of answers that no HTTP library would send: a server of bare sockets.
#include "stages/curl_job.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <thread>

#include "engine/notification.h"
#include "stages/curl_transport.h"
#include "tests/support/sockets.h"

namespace volstream {
namespace {

// Takes one connection, reads a head, sends `answer`, and closes.
class OneAnswer {
 public:
  explicit OneAnswer(std::string_view answer)
      : listener_(ListenOnLoopback()), thread_([this, text = std::string(answer)] {
          const int fd = accept(listener_, nullptr, nullptr);
          std::string head;
          char byte = 0;
          while (!head.ends_with("\r\n\r\n") && recv(fd, &byte, 1, 0) == 1) head += byte;
          EXPECT_EQ(send(fd, text.data(), text.size(), MSG_NOSIGNAL),
                    static_cast<ssize_t>(text.size()));
          close(fd);
        }) {}
  ~OneAnswer() {
    thread_.join();
    close(listener_);
  }

  absl::StatusOr<HttpResponse> To(HttpMethod method) const {
    CurlTransport transport({});
    HttpRequest request;
    request.method = method;
    request.url = "http://127.0.0.1:" + std::to_string(LocalPort(listener_)) + "/";
    absl::StatusOr<HttpResponse> result = absl::UnknownError("");
    Notification done;
    transport.Submit(std::move(request), [&](absl::StatusOr<HttpResponse> answer) {
      result = std::move(answer);
      done.Notify();
    });
    done.WaitForNotification();
    return result;
  }

 private:
  const int listener_;
  std::thread thread_;
};

TEST(CurlJob, AHeadThatIsCutOffIsALostConnection) {
  const OneAnswer server("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n");
  const absl::Status status = server.To(HttpMethod::kHead).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_NE(status.message().find("connection lost"), std::string::npos) << status;
}

TEST(CurlJob, AWholeHeadBehindAnInterimOneIsAnAnswer) {
  const OneAnswer server("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nETag: x\r\n\r\n");
  const absl::StatusOr<HttpResponse> response = server.To(HttpMethod::kHead);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->Header("etag"), "x");
}

TEST(CurlJob, AHeadThatIsCutOffBehindAnInterimOneIsALostConnection) {
  const OneAnswer server("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nETag: x\r\n");
  EXPECT_EQ(server.To(HttpMethod::kHead).status().code(), absl::StatusCode::kUnavailable);
}

TEST(CurlJob, WhatIsNotHttpMayPassByItself) {
  const OneAnswer server("\x15\x03\x01 no HTTP at all\r\n");
  const absl::Status status = server.To(HttpMethod::kGet).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_NE(status.message().find("not HTTP"), std::string::npos) << status;
}

}  // namespace
}  // namespace volstream
