// HttpStream over a real connection: bytes through the buffer, errors, and an end to a wait.
#include "stages/http_stream.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/notification.h"
#include "stages/curl_transport.h"
#include "tests/support/http_server.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

class HttpStreamTest : public ::testing::Test {
 protected:
  ServedReply Serve() {
    if (hold_) {
      reached_.Notify();
      release_.WaitForNotification();
    }
    return reply_;
  }

  std::unique_ptr<HttpStream> Open(absl::Duration patience = absl::Minutes(1)) {
    HttpRequest request;
    request.url = server_.Url("/");
    return std::make_unique<HttpStream>(
        std::make_unique<CurlTransport>(CurlTransportOptions()), std::move(request),
        [](const HttpResponse& response) {
          return absl::NotFoundError(absl::StrCat(response.status, " ", response.body));
        },
        patience);
  }

  static absl::StatusOr<std::string> ReadAll(HttpStream* stream, size_t piece) {
    std::string all;
    std::vector<uint8_t> buffer(piece);
    while (true) {
      const absl::StatusOr<size_t> bytes = stream->Read(MutableByteSpan(buffer));
      if (!bytes.ok()) return bytes.status();
      if (*bytes == 0) return all;
      all.append(buffer.begin(), buffer.begin() + static_cast<ptrdiff_t>(*bytes));
    }
  }

  ServedReply reply_;
  bool hold_ = false;
  Notification reached_, release_;
  HttpServer server_{[this](const ServedRequest&) { return Serve(); }};
};

TEST_F(HttpStreamTest, GivesTheBodyInOrder) {
  reply_.body = RandomBytes(1, 5 * kMiB + 3);
  for (const size_t piece : {size_t{100'000}, size_t{3} * kMiB}) {
    const absl::StatusOr<std::string> body = ReadAll(Open().get(), piece);
    ASSERT_TRUE(body.ok()) << body.status();
    EXPECT_TRUE(*body == reply_.body);
  }
}

TEST_F(HttpStreamTest, EndsForGood) {
  reply_.body = "x";
  const auto stream = Open();
  EXPECT_TRUE(ReadAll(stream.get(), 10).ok());
  std::vector<uint8_t> buffer(10);
  EXPECT_EQ(*stream->Read(MutableByteSpan(buffer)), 0u);
}

TEST_F(HttpStreamTest, AnErrorAnswerIsWhatTheCheckMakesOfIt) {
  reply_.status = 404;
  reply_.body = "no such thing";
  const absl::Status status = ReadAll(Open().get(), 10).status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_EQ(status.message(), "404 no such thing");
}

TEST_F(HttpStreamTest, AConnectionThatBreaksIsAnError) {
  reply_.break_body = true;
  EXPECT_TRUE(absl::IsUnavailable(ReadAll(Open().get(), 10).status()));
}

TEST_F(HttpStreamTest, ACancelWakesTheReader) {
  hold_ = true;
  const auto stream = Open();
  std::thread canceller([&] {
    reached_.WaitForNotification();
    stream->Cancel();
  });
  EXPECT_TRUE(absl::IsCancelled(ReadAll(stream.get(), 10).status()));
  canceller.join();
  release_.Notify();
}

// The transport's thread waits for room then.
TEST_F(HttpStreamTest, GoesWhileItsBufferIsFull) {
  reply_.body = RandomBytes(1, 20 * kMiB);
  const auto stream = Open();
  std::vector<uint8_t> buffer(10);
  EXPECT_GT(*stream->Read(MutableByteSpan(buffer)), 0u);
}

TEST_F(HttpStreamTest, LosesPatienceWithAServerThatSaysNothing) {
  hold_ = true;
  EXPECT_TRUE(absl::IsDeadlineExceeded(ReadAll(Open(absl::Milliseconds(20)).get(), 10).status()));
  release_.Notify();
}

}  // namespace
}  // namespace volstream
