#include "stages/curl_transport.h"

#include <algorithm>
#include <atomic>
#include <latch>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "engine/mutex.h"
#include "engine/notification.h"
#include "stages/digest.h"
#include "tests/support/http_server.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

using Result = absl::StatusOr<HttpResponse>;

// One request whose answer can be waited for.
class Pending {
 public:
  void Submit(HttpTransport& transport, HttpRequest request) {
    transport.Submit(std::move(request), [this](Result result) {
      result_ = std::move(result);
      ++calls_;
      done_.Notify();
    });
  }
  const Result& Wait() {
    done_.WaitForNotification();
    return result_;
  }
  int calls() const { return calls_; }

 private:
  Result result_ = absl::UnknownError("");
  std::atomic<int> calls_{0};
  Notification done_;
};

Result Send(HttpTransport& transport, HttpRequest request) {
  Pending pending;
  pending.Submit(transport, std::move(request));
  return pending.Wait();
}

HttpRequest Make(HttpMethod method, const std::string& url) {
  HttpRequest request;
  request.method = method;
  request.url = url;
  return request;
}

ServedReply Echo(const ServedRequest& request) {
  ServedReply reply;
  reply.body = absl::StrCat(request.method, " ", request.target, " ", request.body.size());
  return reply;
}

// Holds a handler back until it is opened; the server cannot be destroyed before.
struct Gate {
  Notification open;
  void Open() {
    if (!open.HasBeenNotified()) open.Notify();
  }
};

TEST(CurlTransport, GivesStatusHeadersAndBody) {
  HttpServer server([](const ServedRequest&) {
    return ServedReply{404, "nothing here", {{"X-Some-Header", "value: with colon"}}};
  });
  CurlTransport transport({});
  const Result result = Send(transport, Make(HttpMethod::kGet, server.Url("/x")));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->status, 404);
  EXPECT_EQ(result->body, "nothing here");
  EXPECT_EQ(result->Header("x-some-HEADER"), "value: with colon");
  EXPECT_EQ(result->Header("absent"), "");
}

TEST(CurlTransport, PutSendsTheBorrowedBodyWithoutExpect) {
  std::string digest;
  bool expected = true;
  std::string type = "?";
  HttpServer server([&](const ServedRequest& request) {
    digest = ToHex(Md5Of(AsBytes(request.body)));
    expected = request.headers.count("expect") > 0;
    type = request.headers.count("content-type") > 0 ? "some" : "none";
    return ServedReply{};
  });
  std::string body(3 * kMiB + 17, '\0');
  for (size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 7 + i / 256);
  CurlTransport transport({});
  HttpRequest request = Make(HttpMethod::kPut, server.Url("/p"));
  request.body = AsBytes(body);
  ASSERT_TRUE(Send(transport, std::move(request)).ok());
  EXPECT_EQ(digest, ToHex(Md5Of(AsBytes(body))));
  EXPECT_FALSE(expected);
  EXPECT_EQ(type, "none");
  EXPECT_EQ(transport.usage().bytes_sent, body.size());
}

TEST(CurlTransport, SendsEveryMethod) {
  HttpServer server(Echo);
  CurlTransport transport({});
  const std::string url = server.Url("/a/../b?q=1");
  HttpRequest post = Make(HttpMethod::kPost, url);
  post.body = AsBytes("body");
  EXPECT_EQ(Send(transport, std::move(post))->body, "POST /a/../b?q=1 4");
  EXPECT_EQ(Send(transport, Make(HttpMethod::kDelete, url))->body, "DELETE /a/../b?q=1 0");
  EXPECT_EQ(Send(transport, Make(HttpMethod::kPut, url))->body, "PUT /a/../b?q=1 0");
  EXPECT_EQ(Send(transport, Make(HttpMethod::kGet, url))->body, "GET /a/../b?q=1 0");
  const Result head = Send(transport, Make(HttpMethod::kHead, url));
  EXPECT_EQ(head->Header("Content-Length"), "18");
  EXPECT_EQ(head->body, "");
}

TEST(CurlTransport, KeepsTheConnection) {
  HttpServer server(Echo);
  CurlTransport transport({});
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(Send(transport, Make(HttpMethod::kGet, server.Url("/"))).ok());
  }
  EXPECT_EQ(transport.usage().connections, 1u);
  EXPECT_EQ(transport.usage().requests, 4u);
}

TEST(CurlTransport, PutsA2xxBodyIntoTheSink) {
  HttpServer server([](const ServedRequest&) { return ServedReply{200, "0123456789", {}}; });
  CurlTransport transport({});
  std::vector<uint8_t> sink(16);
  HttpRequest request = Make(HttpMethod::kGet, server.Url("/"));
  request.sink = sink;
  const Result result = Send(transport, std::move(request));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->sink_bytes, 10u);
  EXPECT_EQ(result->body, "");
  EXPECT_EQ(std::string(sink.begin(), sink.begin() + 10), "0123456789");
}

TEST(CurlTransport, KeepsAnErrorBodyOutOfTheSink) {
  HttpServer server([](const ServedRequest&) { return ServedReply{500, "error text", {}}; });
  CurlTransport transport({});
  std::vector<uint8_t> sink(4, 7);
  HttpRequest request = Make(HttpMethod::kGet, server.Url("/"));
  request.sink = sink;
  const Result result = Send(transport, std::move(request));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->body, "error text");
  EXPECT_EQ(sink, std::vector<uint8_t>(4, 7));
}

TEST(CurlTransport, RefusesABodyOverTheCap) {
  HttpServer server([](const ServedRequest&) { return ServedReply{200, "0123456789", {}}; });
  CurlTransport transport({});
  HttpRequest request = Make(HttpMethod::kGet, server.Url("/"));
  request.max_body_bytes = 9;
  EXPECT_EQ(Send(transport, std::move(request)).status().code(),
            absl::StatusCode::kResourceExhausted);
  std::vector<uint8_t> sink(9);
  request = Make(HttpMethod::kGet, server.Url("/"));
  request.sink = sink;
  EXPECT_EQ(Send(transport, std::move(request)).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(CurlTransport, DoesNotFollowARedirect) {
  HttpServer server([](const ServedRequest& request) {
    return request.target == "/a" ? ServedReply{301, "", {{"Location", "/b"}}} : ServedReply{};
  });
  CurlTransport transport({});
  EXPECT_EQ(Send(transport, Make(HttpMethod::kGet, server.Url("/a")))->status, 301);
}

TEST(CurlTransport, SaysConnectionRefused) {
  std::string url;
  {
    HttpServer server(Echo);
    url = server.Url("/");
  }
  CurlTransport transport({});
  const absl::Status status = Send(transport, Make(HttpMethod::kGet, url)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(absl::StartsWith(status.message(), "connection refused")) << status;
}

TEST(CurlTransport, SaysHostNotResolved) {
  CurlTransport transport({});
  const absl::Status status =
      Send(transport, Make(HttpMethod::kGet, "http://no-such-host.invalid/")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(absl::StartsWith(status.message(), "could not resolve host")) << status;
}

TEST(CurlTransport, RefusesOtherProtocols) {
  CurlTransport transport({});
  EXPECT_EQ(Send(transport, Make(HttpMethod::kGet, "file:///etc/passwd")).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(CurlTransport, ReportsABrokenAnswerAsUnavailable) {
  HttpServer server([](const ServedRequest&) {
    ServedReply reply;
    reply.break_body = true;
    return reply;
  });
  CurlTransport transport({});
  const absl::Status status = Send(transport, Make(HttpMethod::kGet, server.Url("/"))).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
}

TEST(CurlTransport, EndsAtTheDeadline) {
  Gate gate;
  HttpServer server([&](const ServedRequest&) {
    gate.open.WaitForNotification();
    return ServedReply{};
  });
  CurlTransport transport({});
  HttpRequest request = Make(HttpMethod::kGet, server.Url("/"));
  request.deadline = absl::Milliseconds(50);
  const absl::Status status = Send(transport, std::move(request)).status();
  gate.Open();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(status.message(), "no answer within 50ms");
}

TEST(CurlTransport, EndsAStalledTransfer) {
  Gate gate;
  HttpServer server([&](const ServedRequest&) {
    gate.open.WaitForNotification();
    return ServedReply{};
  });
  CurlTransport transport({});
  HttpRequest request = Make(HttpMethod::kGet, server.Url("/"));
  request.stall_timeout = absl::Seconds(1);
  const absl::Status status = Send(transport, std::move(request)).status();
  gate.Open();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(status.message(), "stalled for 1 s");
}

TEST(CurlTransport, WaitsOutADelay) {
  HttpServer server(Echo);
  CurlTransport transport({});
  HttpRequest request = Make(HttpMethod::kGet, server.Url("/"));
  request.delay = absl::Milliseconds(30);
  const absl::Time start = absl::Now();
  ASSERT_TRUE(Send(transport, std::move(request)).ok());
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(30));
}

TEST(CurlTransport, PreparesARequestOnceWhenItStarts) {
  std::string seen;
  HttpServer server([&](const ServedRequest& request) {
    seen = request.headers.find("x-late")->second;
    return ServedReply{};
  });
  CurlTransport transport({});
  int calls = 0;
  HttpRequest request = Make(HttpMethod::kGet, server.Url("/"));
  request.prepare = [&calls](HttpRequest& starting) {
    ++calls;
    starting.headers.push_back({"X-Late", "now"});
  };
  ASSERT_TRUE(Send(transport, std::move(request)).ok());
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(seen, "now");
}

TEST(CurlTransport, KeepsToTheNumberOfConnections) {
  Mutex mu;
  int now = 0;
  int most = 0;
  HttpServer server([&](const ServedRequest&) {
    MutexLock lock(&mu);
    most = std::max(most, ++now);
    // Lets the other one in, if there is one.
    mu.AwaitWithTimeout([&] { return most >= 2; }, absl::Seconds(10));
    --now;
    return ServedReply{};
  });
  CurlTransportOptions options;
  options.connections = 2;
  CurlTransport transport(options);
  constexpr int kRequests = 12;
  std::latch left(kRequests);
  std::atomic<int> ok{0};
  for (int i = 0; i < kRequests; ++i) {
    transport.Submit(Make(HttpMethod::kGet, server.Url("/")), [&](Result result) {
      ok += result.ok();
      left.count_down();
    });
  }
  left.wait();
  EXPECT_EQ(ok.load(), kRequests);
  EXPECT_EQ(most, 2);
}

TEST(CurlTransport, SweepEndsOnlyFlaggedRequests) {
  Gate gate;
  std::latch arrived(2);
  HttpServer server([&](const ServedRequest&) {
    arrived.count_down();
    gate.open.WaitForNotification();
    return ServedReply{};
  });
  CurlTransport transport({});
  const auto flag = std::make_shared<CancelFlag>(false);
  HttpRequest mine = Make(HttpMethod::kGet, server.Url("/"));
  mine.cancelled = flag;
  HttpRequest delayed = mine;
  delayed.delay = absl::Hours(1);
  Pending first, second, other, later;
  first.Submit(transport, std::move(mine));
  second.Submit(transport, delayed);
  other.Submit(transport, Make(HttpMethod::kGet, server.Url("/")));
  arrived.wait();
  flag->store(true);
  transport.Sweep();
  EXPECT_EQ(first.Wait().status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(second.Wait().status().code(), absl::StatusCode::kCancelled);
  // Without another Sweep.
  later.Submit(transport, delayed);
  EXPECT_EQ(later.Wait().status().code(), absl::StatusCode::kCancelled);
  gate.Open();
  EXPECT_TRUE(other.Wait().ok());
}

TEST(CurlTransport, CancelAllIsForGood) {
  Gate gate;
  Notification arrived;
  HttpServer server([&](const ServedRequest&) {
    arrived.Notify();
    gate.open.WaitForNotification();
    return ServedReply{};
  });
  CurlTransport transport({});
  Pending first, second;
  first.Submit(transport, Make(HttpMethod::kGet, server.Url("/")));
  arrived.WaitForNotification();
  transport.CancelAll();
  EXPECT_EQ(first.Wait().status().code(), absl::StatusCode::kCancelled);
  second.Submit(transport, Make(HttpMethod::kGet, server.Url("/")));
  EXPECT_EQ(second.Wait().status().code(), absl::StatusCode::kCancelled);
  gate.Open();
}

TEST(CurlTransport, DestructionEndsWhatIsOutstanding) {
  Gate gate;
  Notification arrived;
  HttpServer server([&](const ServedRequest&) {
    arrived.Notify();
    gate.open.WaitForNotification();
    return ServedReply{};
  });
  Pending active, delayed, chained;
  HttpRequest request = Make(HttpMethod::kGet, server.Url("/"));
  HttpRequest later = request;
  later.delay = absl::Hours(1);
  {
    CurlTransport transport({});
    active.Submit(transport, request);
    arrived.WaitForNotification();
    // Its callback submits once more, as a retry does.
    transport.Submit(later, [&](Result) { chained.Submit(transport, later); });
    delayed.Submit(transport, later);
  }
  EXPECT_EQ(active.Wait().status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(delayed.Wait().status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(chained.Wait().status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(active.calls(), 1);
  gate.Open();
}

TEST(CurlTransport, SendsEverythingToAUnixSocket) {
  TempDir directory;
  const std::string socket = directory / "socket";
  HttpServer server(
      [](const ServedRequest& request) {
        ServedReply reply;
        reply.body = request.target;
        return reply;
      },
      socket);
  // A proxy must have no say.
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  CurlTransportOptions options;
  options.unix_socket = socket;
  CurlTransport transport(options);
  const Result result = Send(transport, Make(HttpMethod::kGet, "http://any.host/path?a=b"));
  unsetenv("http_proxy");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->body, "/path?a=b");
}

TEST(CurlTransport, SaysThatNobodyListensOnASocket) {
  CurlTransportOptions options;
  options.unix_socket = "/nonexistent/socket";
  CurlTransport transport(options);
  EXPECT_TRUE(absl::IsUnavailable(Send(transport, Make(HttpMethod::kGet, "http://x/")).status()));
}

TEST(CurlTransport, GivesTheBodyOfASuccessPieceByPiece) {
  const std::string body(kMiB, 'x');
  int status = 200;
  HttpServer server([&](const ServedRequest&) {
    ServedReply reply;
    reply.status = status;
    reply.body = body;
    return reply;
  });
  CurlTransport transport({});
  HttpRequest request = Make(HttpMethod::kGet, server.Url("/"));
  std::string received;
  int pieces = 0;
  request.on_body = [&](ByteSpan bytes) {
    ++pieces;
    received.append(bytes.begin(), bytes.end());
    return true;
  };
  Result result = Send(transport, request);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(received == body);
  EXPECT_GT(pieces, 1);
  EXPECT_EQ(result->body, "");
  EXPECT_EQ(result->sink_bytes, body.size());
  // An error's body is the answer's.
  status = 500;
  pieces = 0;
  result = Send(transport, request);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(pieces, 0);
  EXPECT_EQ(result->body.size(), body.size());
}

TEST(CurlTransport, EndsATransferThatItsReceiverWantsNoMoreOf) {
  HttpServer server([](const ServedRequest&) {
    ServedReply reply;
    reply.body = std::string(kMiB, 'x');
    return reply;
  });
  CurlTransport transport({});
  HttpRequest request = Make(HttpMethod::kGet, server.Url("/"));
  request.on_body = [](ByteSpan) { return false; };
  EXPECT_TRUE(absl::IsCancelled(Send(transport, request).status()));
}

}  // namespace
}  // namespace volstream
