// CurlTransport: what it sends of itself, and what it is told to send less of.
#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/notification.h"
#include "stages/curl_transport.h"
#include "stages/digest.h"
#include "stages/rate_limit.h"
#include "tests/support/http_server.h"
#include "tests/support/tree.h"

namespace volstream {
namespace {

using Result = absl::StatusOr<HttpResponse>;

struct Answer {
  Result result = absl::UnknownError("");
  Notification done;
};

std::unique_ptr<Answer> Submit(HttpTransport& transport, const std::string& url,
                               ByteSpan body = {}) {
  auto answer = std::make_unique<Answer>();
  HttpRequest request;
  request.method = body.empty() ? HttpMethod::kGet : HttpMethod::kPut;
  request.url = url;
  request.body = body;
  transport.Submit(std::move(request), [target = answer.get()](Result result) {
    target->result = std::move(result);
    target->done.Notify();
  });
  return answer;
}

std::string UserAgentOf(const std::string& configured) {
  HttpServer server([](const ServedRequest& request) {
    ServedReply reply;
    reply.body = request.headers.find("user-agent")->second;
    return reply;
  });
  CurlTransportOptions options;
  options.user_agent = configured;
  CurlTransport transport(options);
  const std::unique_ptr<Answer> answer = Submit(transport, server.Url("/"));
  answer->done.WaitForNotification();
  return answer->result.ok() ? answer->result->body
                             : std::string(answer->result.status().message());
}

TEST(CurlLimits, NamesVolstreamAndItsVersionUnlessTold) {
  EXPECT_EQ(UserAgentOf(""), "volstream/" VOLSTREAM_VERSION);
  EXPECT_EQ(UserAgentOf("volstream/1 ops"), "volstream/1 ops");
}

TEST(CurlLimits, SendsNoMoreRequestsAtATimeThanToldTo) {
  std::atomic<int> now{0};
  std::atomic<int> most{0};
  HttpServer server([&now, &most](const ServedRequest&) {
    const int here = ++now;
    int seen = most.load();
    while (here > seen && !most.compare_exchange_weak(seen, here)) {
    }
    --now;
    return ServedReply();
  });
  CurlTransportOptions options;
  options.connections = 8;
  CurlTransport transport(options);
  transport.SetConcurrency(1);
  std::vector<std::unique_ptr<Answer>> answers;
  for (int i = 0; i < 20; ++i) answers.push_back(Submit(transport, server.Url("/")));
  for (const auto& answer : answers) {
    answer->done.WaitForNotification();
    EXPECT_TRUE(answer->result.ok()) << answer->result.status();
  }
  EXPECT_EQ(most.load(), 1);
}

TEST(CurlLimits, SendsABodyWholeThroughARateLimit) {
  const std::string body = RandomBytes(7, 600 * kKiB);
  std::string got;
  HttpServer server([&got](const ServedRequest& request) {
    got = request.body;
    return ServedReply();
  });
  CurlTransportOptions options;
  // An eighth of it at once, so that each transfer pauses many times.
  options.send_limit = std::make_shared<RateLimit>(800 * kKiB);
  // Far under the time it takes: what waits for the limit has not stalled.
  options.stall_timeout = absl::Milliseconds(200);
  CurlTransport transport(options);
  const std::unique_ptr<Answer> answer = Submit(transport, server.Url("/"), AsBytes(body));
  answer->done.WaitForNotification();
  ASSERT_TRUE(answer->result.ok()) << answer->result.status();
  EXPECT_EQ(got, body);
}

TEST(CurlLimits, ATransferThatWaitsForTheLimitCanBeCancelled) {
  const std::string body = RandomBytes(7, kMiB);
  HttpServer server([](const ServedRequest&) { return ServedReply(); });
  CurlTransportOptions options;
  options.send_limit = std::make_shared<RateLimit>(64);
  CurlTransport transport(options);
  const std::unique_ptr<Answer> answer = Submit(transport, server.Url("/"), AsBytes(body));
  transport.CancelAll();
  answer->done.WaitForNotification();
  EXPECT_EQ(answer->result.status().code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace volstream
