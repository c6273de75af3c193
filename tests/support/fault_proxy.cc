#include "tests/support/fault_proxy.h"

#include <netinet/in.h>
#include <poll.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <utility>

#include "absl/time/time.h"
#include "engine/check.h"
#include "tests/support/sockets.h"

namespace volstream {
namespace {

constexpr std::string_view kHeadEnd = "\r\n\r\n";
constexpr absl::Duration kWaitLimit = absl::Seconds(20);
constexpr int kSlowPieces = 8;
constexpr int kSlowPieceMs = 15;

constexpr std::string_view kNames[kFaultKinds] = {"reset at the head",
                                                  "close at the head",
                                                  "reset in the body",
                                                  "stall in the body",
                                                  "reset behind the body",
                                                  "swallowed request",
                                                  "503 SlowDown",
                                                  "500 InternalError",
                                                  "429 with Retry-After",
                                                  "502 of a gateway",
                                                  "RequestTimeout",
                                                  "not HTTP",
                                                  "foreign 200",
                                                  "error in a 200",
                                                  "lost answer",
                                                  "swallowed answer",
                                                  "cut head",
                                                  "cut body",
                                                  "slow answer",
                                                  "wrong ETag",
                                                  "damaged body",
                                                  "delivered twice",
                                                  "close behind the answer"};

std::string XmlError(std::string_view code) {
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>" + std::string(code) +
         "</Code><Message>made by the fault proxy</Message></Error>";
}

std::string HttpAnswer(std::string_view status, std::string_view type, const std::string& body,
                       std::string_view headers = "") {
  return "HTTP/1.1 " + std::string(status) + "\r\nContent-Type: " + std::string(type) +
         "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + std::string(headers) +
         "\r\n" + body;
}

// The answers that the server has no part in.
std::optional<std::string> MadeUpAnswer(FaultKind kind) {
  constexpr char kXml[] = "application/xml";
  constexpr char kPage[] = "<html><body>Please log in to this network</body></html>";
  switch (kind) {
    case FaultKind::kSlowDown:
      return HttpAnswer("503 Slow Down", kXml, XmlError("SlowDown"));
    case FaultKind::kInternalError:
      return HttpAnswer("500 Internal Server Error", kXml, XmlError("InternalError"));
    case FaultKind::kTooMany:
      return HttpAnswer("429 Too Many Requests", kXml, XmlError("TooManyRequests"),
                        "Retry-After: 1\r\n");
    case FaultKind::kBadGateway:
      return HttpAnswer("502 Bad Gateway", "text/html", kPage);
    case FaultKind::kRequestTimeout:
      return HttpAnswer("400 Bad Request", kXml, XmlError("RequestTimeout"));
    case FaultKind::kNotHttp:
      return "\x15\x03\x03 this is no HTTP\r\n\r\n";
    case FaultKind::kForeign:
      return HttpAnswer("200 OK", "text/html", kPage);
    case FaultKind::kErrorIn200:
      return HttpAnswer("200 OK", kXml, XmlError("InternalError"));
    default:
      return std::nullopt;
  }
}

bool SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

bool ReceiveSome(int fd, std::string* buffer) {
  char bytes[64 * 1024];
  const ssize_t got = recv(fd, bytes, sizeof(bytes), 0);
  if (got <= 0) return false;
  buffer->append(bytes, static_cast<size_t>(got));
  return true;
}

void WaitForHangUp(int fd) {
  pollfd end = {fd, POLLRDHUP, 0};
  poll(&end, 1, -1);
}

bool HungUp(int fd) {
  pollfd end = {fd, POLLRDHUP, 0};
  return poll(&end, 1, 0) > 0;
}

// The value of a header; `head` as it came.
std::string HeaderOf(std::string_view head, std::string_view name) {
  for (size_t line = head.find("\r\n"); line != std::string_view::npos;
       line = head.find("\r\n", line)) {
    line += 2;
    if (head.size() - line > name.size() && head[line + name.size()] == ':' &&
        strncasecmp(head.data() + line, name.data(), name.size()) == 0) {
      const size_t value = head.find_first_not_of(' ', line + name.size() + 1);
      return std::string(head.substr(value, head.find("\r\n", value) - value));
    }
  }
  return "";
}

// What these tests need of percent-encoding: the slash.
std::string WithSlashes(std::string text) {
  for (size_t at = 0; (at = text.find("%2F")) != std::string::npos;) text.replace(at, 3, "/");
  return text;
}

ProxiedRequest ParseTarget(const std::string& method, const std::string& target) {
  ProxiedRequest request;
  const size_t mark = target.find('?');
  const std::string path = target.substr(0, mark);
  const size_t slash = path.find('/', 1);
  if (slash != std::string::npos) request.key = path.substr(slash + 1);
  S3Query query;
  for (size_t start = mark; start != std::string::npos;) {
    const size_t end = target.find('&', ++start);
    const std::string pair = target.substr(start, end - start);
    const size_t equals = std::min(pair.find('='), pair.size());
    query.emplace(pair.substr(0, equals), pair.substr(std::min(equals + 1, pair.size())));
    start = end;
  }
  request.operation = ClassifyS3Request(method, request.key, query);
  request.prefix = WithSlashes(QueryValue(query, "prefix"));
  request.part_number = std::atoi(QueryValue(query, "partNumber").c_str());
  return request;
}

// Without the "Connection: close" that ends the connection to the server alone.
std::string WithoutClose(std::string answer) {
  const size_t head_bytes = answer.find(kHeadEnd);
  for (size_t line = answer.find("\r\n"); line < head_bytes; line = answer.find("\r\n", line + 2)) {
    if (strncasecmp(answer.data() + line + 2, "connection:", 11) == 0) {
      answer.erase(line, answer.find("\r\n", line + 2) - line);
      break;
    }
  }
  return answer;
}

// True if the body is shorter than its head says, as when the server was killed.
bool IsCutOff(const std::string& answer) {
  const size_t body = answer.find(kHeadEnd) + kHeadEnd.size();
  const std::string length = HeaderOf(answer.substr(0, body), "content-length");
  return answer.size() - body < std::strtoull(("0" + length).c_str(), nullptr, 10);
}

std::string WithOtherEtag(std::string answer) {
  const std::string etag = HeaderOf(answer.substr(0, answer.find(kHeadEnd) + 2), "etag");
  if (etag.size() < 3) return answer;
  char& digit = answer[answer.find(etag) + 1];
  digit = digit == '0' ? '1' : '0';
  return answer;
}

}  // namespace

std::string_view FaultKindName(FaultKind kind) { return kNames[static_cast<int>(kind)]; }

struct FaultProxy::Exchange {
  std::string head;
  std::string body;
  ProxiedRequest request;
};

FaultProxy::FaultProxy(const std::string& upstream, Plan plan)
    : upstream_port_(std::atoi(upstream.substr(upstream.rfind(':') + 1).c_str())),
      plan_(std::move(plan)) {
  listener_ = ListenOnLoopback();
  endpoint_ = "http://127.0.0.1:" + std::to_string(LocalPort(listener_));
  acceptor_ = std::thread([this] { Accept(); });
}

FaultProxy::~FaultProxy() {
  std::vector<std::thread> threads;
  {
    MutexLock lock(&mu_);
    stopping_ = true;
    shutdown(listener_, SHUT_RDWR);
  }
  acceptor_.join();
  {
    MutexLock lock(&mu_);
    for (const int fd : open_) shutdown(fd, SHUT_RDWR);
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
  close(listener_);
}

void FaultProxy::CountOne(FaultKind kind) {
  MutexLock lock(&mu_);
  ++counts_[static_cast<size_t>(kind)];
}

int FaultProxy::Count(FaultKind kind) const {
  MutexLock lock(&mu_);
  return counts_[static_cast<size_t>(kind)];
}

int FaultProxy::Count() const {
  MutexLock lock(&mu_);
  return std::accumulate(counts_.begin(), counts_.end(), 0);
}

bool FaultProxy::WaitFor(FaultKind kind) {
  MutexLock lock(&mu_);
  return mu_.AwaitWithTimeout([this, kind] { return counts_[static_cast<size_t>(kind)] > 0; },
                              kWaitLimit);
}

void FaultProxy::Accept() {
  while (true) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    MutexLock lock(&mu_);
    if (stopping_) {
      if (fd >= 0) close(fd);
      return;
    }
    VS_CHECK(fd >= 0);
    open_.insert(fd);
    threads_.emplace_back([this, fd] {
      Serve(fd);
      MutexLock ended(&mu_);
      open_.erase(fd);
      close(fd);
    });
  }
}

void FaultProxy::Serve(int fd) {
  std::string buffer;
  while (true) {
    size_t head_bytes = 0;
    while ((head_bytes = buffer.find(kHeadEnd)) == std::string::npos) {
      if (!ReceiveSome(fd, &buffer)) return;
    }
    head_bytes += kHeadEnd.size();
    Exchange exchange;
    exchange.head = buffer.substr(0, head_bytes);
    exchange.body = buffer.substr(head_bytes);
    buffer.clear();  // volstream does not pipeline
    const size_t method_end = exchange.head.find(' ');
    const size_t target_end = exchange.head.find(' ', method_end + 1);
    exchange.request =
        ParseTarget(exchange.head.substr(0, method_end),
                    exchange.head.substr(method_end + 1, target_end - method_end - 1));
    exchange.request.body_bytes =
        std::strtoull(("0" + HeaderOf(exchange.head, "content-length")).c_str(), nullptr, 10);
    exchange.request.range = HeaderOf(exchange.head, "range");
    if (!Handle(fd, exchange)) return;
  }
}

bool FaultProxy::Handle(int fd, Exchange& exchange) {
  const std::optional<FaultKind> kind = plan_(exchange.request);
  // A swallowed answer counts once it has come: who waits for that wants the server to be done.
  if (kind.has_value() && kind != FaultKind::kSwallowAnswer) CountOne(*kind);
  const auto is = [&kind](auto... kinds) { return ((kind == kinds) || ...); };
  if (is(FaultKind::kCloseAtHead)) return false;
  if (is(FaultKind::kResetAtHead)) {
    ResetConnection(fd);
    return false;
  }
  const bool half = is(FaultKind::kResetInBody, FaultKind::kStallInBody);
  const size_t wanted = half ? exchange.request.body_bytes / 2 : exchange.request.body_bytes;
  while (exchange.body.size() < wanted) {
    if (!ReceiveSome(fd, &exchange.body)) return false;
  }
  if (is(FaultKind::kStallInBody, FaultKind::kSwallow)) {
    WaitForHangUp(fd);
    return false;
  }
  if (is(FaultKind::kResetInBody, FaultKind::kResetAfterRequest)) {
    ResetConnection(fd);
    return false;
  }
  if (kind.has_value()) {
    if (const std::optional<std::string> answer = MadeUpAnswer(*kind)) {
      return SendAll(fd, *answer) && *kind != FaultKind::kNotHttp;
    }
  }
  if (is(FaultKind::kDamageBody) && !exchange.body.empty()) {
    exchange.body[exchange.body.size() / 2] ^= 1;
  }
  return Answer(fd, exchange, kind);
}

bool FaultProxy::Answer(int fd, const Exchange& exchange, std::optional<FaultKind> kind) {
  std::string answer;
  {
    const std::string& name =
        exchange.request.key.empty() ? exchange.request.prefix : exchange.request.key;
    Mutex& order = key_order_[std::hash<std::string>()(name) % key_order_.size()];
    const bool ordered = exchange.request.operation != S3Operation::kUploadPart;
    if (ordered) order.Lock();
    // A client that has gone may think that nothing was done.
    if (!HungUp(fd)) answer = Forward(exchange);
    if (kind == FaultKind::kTwice) answer = Forward(exchange);
    if (ordered) order.Unlock();
  }
  if (answer.empty()) return false;
  const size_t body = answer.find(kHeadEnd) + kHeadEnd.size();
  switch (kind.value_or(FaultKind::kTwice)) {
    case FaultKind::kLoseAnswer:
      ResetConnection(fd);
      return false;
    case FaultKind::kSwallowAnswer:
      CountOne(FaultKind::kSwallowAnswer);
      WaitForHangUp(fd);
      return false;
    case FaultKind::kCutHead:
      SendAll(fd, answer.substr(0, body / 2));
      return false;
    case FaultKind::kCutBody:
      // An answer without a body is cut before the end of its head.
      SendAll(fd, answer.substr(0, body == answer.size() ? body - 3 : (body + answer.size()) / 2));
      return false;
    case FaultKind::kCloseAfterAnswer:
      SendAll(fd, answer);
      return false;
    case FaultKind::kWrongEtag:
      return SendAll(fd, WithOtherEtag(std::move(answer)));
    case FaultKind::kSlowAnswer: {
      const size_t piece = answer.size() / kSlowPieces + 1;
      for (size_t at = 0; at < answer.size(); at += piece) {
        if (!SendAll(fd, answer.substr(at, piece))) return false;
        poll(nullptr, 0, kSlowPieceMs);
      }
      return true;
    }
    default:
      // A client that knows how much is to come would wait for the rest of it.
      return SendAll(fd, answer) &&
             (exchange.request.operation == S3Operation::kHeadObject ||
              exchange.request.operation == S3Operation::kHeadBucket || !IsCutOff(answer));
  }
}

std::string FaultProxy::Forward(const Exchange& exchange) {
  const int fd = ConnectToLoopback(upstream_port_);
  if (fd < 0) return "";
  std::string answer;
  const size_t line_end = exchange.head.find("\r\n");
  const std::string head =
      exchange.head.substr(0, line_end) + "\r\nConnection: close" + exchange.head.substr(line_end);
  if (SendAll(fd, head) && SendAll(fd, exchange.body)) {
    while (ReceiveSome(fd, &answer)) {
    }
  }
  close(fd);
  return answer.find(kHeadEnd) == std::string::npos ? "" : WithoutClose(std::move(answer));
}

}  // namespace volstream
