// HttpUpload over a real connection: a body in pieces, answers before its end, and an end to waits.
#include "stages/http_upload.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "engine/notification.h"
#include "stages/curl_transport.h"
#include "stages/digest.h"
#include "tests/support/http_server.h"
#include "tests/support/sockets.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

std::unique_ptr<HttpUpload> Open(const std::string& url,
                                 absl::Duration patience = absl::Minutes(1)) {
  HttpRequest request;
  request.url = url;
  return std::make_unique<HttpUpload>(
      std::make_unique<CurlTransport>(CurlTransportOptions()), std::move(request),
      [](const HttpResponse& response) {
        return absl::NotFoundError(absl::StrCat(response.status, " ", response.body));
      },
      patience);
}

class HttpUploadTest : public ::testing::Test {
 protected:
  ServedReply Serve(const ServedRequest& request) {
    served_ = request;
    return reply_;
  }

  ServedRequest served_;
  ServedReply reply_;
  HttpServer server_{[this](const ServedRequest& request) { return Serve(request); }};
};

TEST_F(HttpUploadTest, SendsTheBodyInOrderWhateverItsPieces) {
  const std::string body = RandomBytes(1, 5 * kMiB + 3);
  for (const size_t piece : {size_t{100'000}, size_t{3} * kMiB}) {
    const auto upload = Open(server_.Url("/there"));
    for (size_t at = 0; at < body.size(); at += piece) {
      ASSERT_TRUE(upload->Write(AsBytes(body.substr(at, piece))).ok());
    }
    ASSERT_TRUE(upload->Finish().ok());
    EXPECT_EQ(served_.method, "PUT");
    EXPECT_EQ(served_.target, "/there");
    EXPECT_TRUE(served_.body == body);
  }
}

TEST_F(HttpUploadTest, AnEmptyBodyIsOne) {
  ASSERT_TRUE(Open(server_.Url("/"))->Finish().ok());
  EXPECT_EQ(served_.method, "PUT");
  EXPECT_EQ(served_.body, "");
}

TEST_F(HttpUploadTest, AnErrorAnswerIsWhatTheCheckMakesOfIt) {
  reply_.status = 404;
  reply_.body = "no such thing";
  const auto upload = Open(server_.Url("/"));
  ASSERT_TRUE(upload->Write(AsBytes("contents")).ok());
  EXPECT_EQ(upload->Finish(), absl::NotFoundError("404 no such thing"));
}

TEST_F(HttpUploadTest, AServerThatIsNotThereIsAnError) {
  const auto upload = Open(absl::StrCat("http://127.0.0.1:", RefusingPort(), "/"));
  absl::Status status = upload->Write(AsBytes("contents"));
  if (status.ok()) status = upload->Finish();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
}

// One connection, to do with as a test likes.
class RawServer : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_GE(listener_, 0); }
  void TearDown() override {
    if (server_.joinable()) server_.join();
    close(listener_);
  }
  std::string Url() const { return absl::StrCat("http://127.0.0.1:", LocalPort(listener_), "/"); }

  // Reads the first of the request, and then does this.
  void Serve(std::function<void(int fd)> then) {
    server_ = std::thread([this, then = std::move(then)] {
      const int fd = accept(listener_, nullptr, nullptr);
      char head[1000];
      EXPECT_GT(read(fd, head, sizeof(head)), 0);
      then(fd);
      close(fd);
    });
  }

  const int listener_ = ListenOnLoopback();
  Notification release_;
  std::thread server_;
};

TEST_F(RawServer, AnErrorBeforeTheBodysEndEndsTheWriting) {
  Serve([this](int fd) {
    const std::string answer = "HTTP/1.1 404 No\r\nContent-Length: 4\r\n\r\ngone";
    EXPECT_EQ(write(fd, answer.data(), answer.size()), static_cast<ssize_t>(answer.size()));
    release_.WaitForNotification();
  });
  const auto upload = Open(Url());
  const std::string piece(kMiB, 'x');
  absl::Status status;
  for (int i = 0; status.ok() && i < 1000; ++i) status = upload->Write(AsBytes(piece));
  EXPECT_EQ(status, absl::NotFoundError("404 gone"));
  release_.Notify();
}

TEST_F(RawServer, AConnectionThatBreaksIsAnError) {
  Serve([](int) {});
  const auto upload = Open(Url());
  const std::string piece(kMiB, 'x');
  absl::Status status;
  for (int i = 0; status.ok() && i < 1000; ++i) status = upload->Write(AsBytes(piece));
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
}

TEST_F(RawServer, ACancelWakesTheWriter) {
  std::unique_ptr<HttpUpload> upload = Open(Url());
  Serve([&](int) {
    upload->Cancel();
    release_.WaitForNotification();
  });
  const std::string piece(kMiB, 'x');
  absl::Status status;
  for (int i = 0; status.ok() && i < 1000; ++i) status = upload->Write(AsBytes(piece));
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  EXPECT_TRUE(absl::IsCancelled(upload->Finish()));
  release_.Notify();
}

TEST_F(RawServer, LosesPatienceWithAServerThatTakesNothing) {
  Serve([this](int) { release_.WaitForNotification(); });
  const auto upload = Open(Url(), absl::Milliseconds(50));
  const std::string piece(kMiB, 'x');
  absl::Status status;
  for (int i = 0; status.ok() && i < 1000; ++i) status = upload->Write(AsBytes(piece));
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  release_.Notify();
}

// The server sees that it is not whole.
TEST_F(RawServer, AnUploadThatIsGivenUpBreaksTheConnection) {
  std::string received;
  Serve([&received](int fd) {
    char buffer[1000];
    for (ssize_t got = 0; (got = read(fd, buffer, sizeof(buffer))) > 0;) {
      received.append(buffer, static_cast<size_t>(got));
    }
  });
  {
    const auto upload = Open(Url());
    ASSERT_TRUE(upload->Write(AsBytes(std::string(2 * kMiB, 'x'))).ok());
  }
  server_.join();
  EXPECT_EQ(received.find("\r\n0\r\n"), std::string::npos);
}

}  // namespace
}  // namespace volstream
