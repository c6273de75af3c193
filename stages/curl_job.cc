#include "stages/curl_job.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "engine/check.h"
#include "stages/curl_proxy.h"

namespace volstream {
namespace {

constexpr char kUserAgent[] = "volstream/" VOLSTREAM_VERSION;
// Header lines beyond this are dropped: an honest answer has some 20 of them.
constexpr size_t kMaxHeaders = 200;
// Linux gives up after nine probes.
constexpr long kKeepAliveSeconds = 15;  // NOLINT(google-runtime-int): libcurl's type

size_t OnPull(char* out, size_t size, size_t count, void* context) {
  CurlJob& job = *static_cast<CurlJob*>(context);
  const PulledBody pulled =
      job.request.pull_body(MutableByteSpan(reinterpret_cast<uint8_t*>(out), size * count));
  switch (pulled.state) {
    case PulledBody::State::kBytes:
      return pulled.bytes;
    case PulledBody::State::kEnd:
      return 0;
    case PulledBody::State::kLater:
      job.starved = true;
      return CURL_READFUNC_PAUSE;
    case PulledBody::State::kGiveUp:
      break;
  }
  job.gave_up = true;
  return CURL_READFUNC_ABORT;
}

size_t OnRead(char* out, size_t size, size_t count, void* context) {
  CurlJob& job = *static_cast<CurlJob*>(context);
  size_t bytes = std::min(size * count, job.request.body.size() - job.sent_bytes);
  if (job.send_limit != nullptr && bytes > 0) {
    const RateLimit::TimePoint now = std::chrono::steady_clock::now();
    const RateLimit::Grant grant = job.send_limit->Take(bytes, now, &job.send_ticket);
    if (grant.bytes == 0) {
      job.paused = true;
      job.resume_at = now + absl::ToChronoNanoseconds(grant.wait);
      return CURL_READFUNC_PAUSE;
    }
    bytes = grant.bytes;
  }
  if (bytes > 0) std::memcpy(out, job.request.body.data() + job.sent_bytes, bytes);
  job.sent_bytes += bytes;
  return bytes;
}

// libcurl rewinds when a kept connection turns out to be dead after it took some of the body.
int OnSeek(void* context, curl_off_t offset, int origin) {
  CurlJob& job = *static_cast<CurlJob*>(context);
  if (origin != SEEK_SET || offset < 0 || job.request.pull_body ||
      static_cast<uint64_t>(offset) > job.request.body.size()) {
    return CURL_SEEKFUNC_CANTSEEK;
  }
  job.sent_bytes = static_cast<size_t>(offset);
  return CURL_SEEKFUNC_OK;
}

size_t OnHeader(char* data, size_t size, size_t count, void* context) {
  CurlJob& job = *static_cast<CurlJob*>(context);
  const size_t bytes = size * count;
  const absl::string_view line = absl::StripAsciiWhitespace(absl::string_view(data, bytes));
  if (line.substr(0, 5) == "HTTP/") {
    // A new header block: an interim answer such as 100 may come before the final one.
    job.response = HttpResponse();
    job.head_complete = false;
    job.head_acknowledged = false;
    const size_t space = line.find(' ');
    if (space == absl::string_view::npos ||
        !absl::SimpleAtoi(line.substr(space + 1, 3), &job.response.status)) {
      job.response.status = 0;
    }
    return bytes;
  }
  if (line.empty()) job.head_complete = true;
  const size_t colon = line.find(':');
  if (colon == absl::string_view::npos || job.response.headers.size() >= kMaxHeaders) return bytes;
  job.response.headers.push_back(
      {std::string(line.substr(0, colon)),
       std::string(absl::StripLeadingAsciiWhitespace(line.substr(colon + 1)))});
  return bytes;
}

size_t OnBody(char* data, size_t size, size_t count, void* context) {
  CurlJob& job = *static_cast<CurlJob*>(context);
  const size_t bytes = size * count;
  HttpResponse& response = job.response;
  if (job.request.on_body && response.status / 100 == 2) {
    job.refused = !job.request.on_body(ByteSpan(reinterpret_cast<const uint8_t*>(data), bytes));
    response.sink_bytes += bytes;
    return job.refused ? 0 : bytes;
  }
  const bool to_sink = !job.request.sink.empty() && response.status / 100 == 2;
  const size_t used = to_sink ? response.sink_bytes : response.body.size();
  const size_t cap = to_sink ? job.request.sink.size() : job.request.max_body_bytes;
  if (bytes > cap - used) {
    job.over_cap = true;
    return 0;
  }
  if (to_sink) {
    std::memcpy(job.request.sink.data() + used, data, bytes);
    response.sink_bytes += bytes;
  } else {
    response.body.append(data, bytes);
  }
  return bytes;
}

absl::Status TimeoutStatus(CURL* easy, const CurlJob& job, const CurlTransportOptions& options) {
  curl_off_t connect_us = 0;
  curl_off_t total_us = 0;
  curl_easy_getinfo(easy, CURLINFO_CONNECT_TIME_T, &connect_us);
  curl_easy_getinfo(easy, CURLINFO_TOTAL_TIME_T, &total_us);
  if (absl::Microseconds(total_us) >= job.request.deadline - absl::Milliseconds(5)) {
    return absl::DeadlineExceededError(
        absl::StrCat("no answer within ", absl::FormatDuration(job.request.deadline)));
  }
  // A kept connection has no connect time either, but it has taken a request.
  long request_bytes = 0;  // NOLINT(google-runtime-int): libcurl's type
  curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &request_bytes);
  if (connect_us == 0 && request_bytes == 0) {
    return absl::DeadlineExceededError(
        absl::StrCat("no connection within ", absl::FormatDuration(options.connect_timeout)));
  }
  const absl::Duration stall = job.request.stall_timeout > absl::ZeroDuration()
                                   ? job.request.stall_timeout
                                   : options.stall_timeout;
  return absl::DeadlineExceededError(
      absl::StrCat("stalled for ", absl::ToInt64Seconds(stall), " s"));
}

template <typename Value>
void Set(CURL* easy, CURLoption option, Value value) {
  VS_CHECK(curl_easy_setopt(easy, option, value) == CURLE_OK);
}

}  // namespace

absl::Status PrepareCurlJob(CURL* easy, const CurlTransportOptions& options, CurlJob* job) {
  const HttpRequest& request = job->request;
  if (curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str()) != CURLE_OK) {
    return absl::InvalidArgumentError("unusable URL");
  }
  Set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  // Object names may hold "..", which is a name like any other to S3.
  Set(easy, CURLOPT_PATH_AS_IS, 1L);
  Set(easy, CURLOPT_HTTP_VERSION, Long(CURL_HTTP_VERSION_1_1));
  Set(easy, CURLOPT_FOLLOWLOCATION, 0L);
  Set(easy, CURLOPT_NOSIGNAL, 1L);
  Set(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  // A peer that went away without a word is found out while a long answer is waited for.
  Set(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  Set(easy, CURLOPT_TCP_KEEPIDLE, kKeepAliveSeconds);
  Set(easy, CURLOPT_TCP_KEEPINTVL, kKeepAliveSeconds);
  Set(easy, CURLOPT_USERAGENT,
      options.user_agent.empty() ? kUserAgent : options.user_agent.c_str());
  job->send_limit = options.send_limit.get();
  Set(easy, CURLOPT_ERRORBUFFER, job->curl_error);
  Set(easy, CURLOPT_CONNECTTIMEOUT_MS, Long(absl::ToInt64Milliseconds(options.connect_timeout)));
  const absl::Duration stall =
      request.stall_timeout > absl::ZeroDuration() ? request.stall_timeout : options.stall_timeout;
  if (stall != absl::InfiniteDuration()) {
    Set(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    Set(easy, CURLOPT_LOW_SPEED_TIME, Long(std::max<int64_t>(1, absl::ToInt64Seconds(stall))));
  }
  if (request.deadline != absl::InfiniteDuration()) {
    Set(easy, CURLOPT_TIMEOUT_MS,
        Long(std::max<int64_t>(1, absl::ToInt64Milliseconds(request.deadline))));
  }
  if (!options.ca_file.empty()) Set(easy, CURLOPT_CAINFO, options.ca_file.c_str());
  if (!options.client_cert_file.empty()) {
    Set(easy, CURLOPT_SSLCERT, options.client_cert_file.c_str());
    Set(easy, CURLOPT_SSLKEY, options.client_key_file.c_str());
  }
  if (!options.unix_socket.empty()) {
    if (curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, options.unix_socket.c_str()) != CURLE_OK) {
      return absl::InvalidArgumentError("unusable socket path");
    }
  }
  if (options.direct || !options.unix_socket.empty()) Set(easy, CURLOPT_NOPROXY, "*");

  const auto body_bytes = static_cast<curl_off_t>(request.body.size());
  switch (request.method) {
    case HttpMethod::kGet:
      Set(easy, CURLOPT_HTTPGET, 1L);
      break;
    case HttpMethod::kHead:
      Set(easy, CURLOPT_NOBODY, 1L);
      break;
    case HttpMethod::kDelete:
      Set(easy, CURLOPT_CUSTOMREQUEST, "DELETE");
      break;
    case HttpMethod::kPut:
      Set(easy, CURLOPT_UPLOAD, 1L);
      if (request.pull_body) {
        Set(easy, CURLOPT_INFILESIZE_LARGE, curl_off_t{-1});  // in chunks
        // A kept connection may turn out to be dead, and the body cannot be sent again.
        Set(easy, CURLOPT_FRESH_CONNECT, 1L);
        Set(easy, CURLOPT_UPLOAD_BUFFERSIZE, Long(options.upload_buffer_bytes));
        break;
      }
      Set(easy, CURLOPT_INFILESIZE_LARGE, body_bytes);
      // libcurl allocates this a transfer, so a small body gets a small one.
      Set(easy, CURLOPT_UPLOAD_BUFFERSIZE,
          Long(std::clamp<size_t>(request.body.size(), 16 * kKiB, options.upload_buffer_bytes)));
      break;
    case HttpMethod::kPost:
      // Where a kept connection ends without an answer, libcurl sends the request again by itself.
      // It is not idempotent: that it may have been done already, its caller must hear of.
      Set(easy, CURLOPT_FRESH_CONNECT, 1L);
      Set(easy, CURLOPT_POST, 1L);
      Set(easy, CURLOPT_POSTFIELDSIZE_LARGE, body_bytes);
      break;
  }
  Set(easy, CURLOPT_READFUNCTION, request.pull_body ? OnPull : OnRead);
  Set(easy, CURLOPT_READDATA, static_cast<void*>(job));
  Set(easy, CURLOPT_SEEKFUNCTION, OnSeek);
  Set(easy, CURLOPT_SEEKDATA, static_cast<void*>(job));
  Set(easy, CURLOPT_HEADERFUNCTION, OnHeader);
  Set(easy, CURLOPT_HEADERDATA, static_cast<void*>(job));
  Set(easy, CURLOPT_WRITEFUNCTION, OnBody);
  Set(easy, CURLOPT_WRITEDATA, static_cast<void*>(job));

  // libcurl would add these two by itself: the first costs a round trip, the second is not signed.
  std::vector<std::string> lines = {"Expect:"};
  bool has_content_type = false;
  for (const HttpHeader& header : request.headers) {
    has_content_type |= absl::EqualsIgnoreCase(header.name, "content-type");
    // "Name;" is libcurl's way to send a header without a value.
    lines.push_back(header.value.empty() ? absl::StrCat(header.name, ";")
                                         : absl::StrCat(header.name, ": ", header.value));
  }
  if (!has_content_type) lines.push_back("Content-Type:");
  for (const std::string& line : lines) {
    curl_slist* const list = curl_slist_append(job->header_list, line.c_str());
    VS_CHECK(list != nullptr);
    job->header_list = list;
  }
  Set(easy, CURLOPT_HTTPHEADER, job->header_list);
  return absl::OkStatus();
}

absl::Status CurlJobStatus(CURL* easy, CURLcode code, const CurlJob& job,
                           const CurlTransportOptions& options) {
  const std::string detail =
      WithoutUserInfo(job.curl_error[0] != '\0' ? job.curl_error : curl_easy_strerror(code));
  switch (code) {
    case CURLE_OK:
      // libcurl takes what came before the peer closed for the whole head.
      if (!job.head_complete) {
        return absl::UnavailableError("connection lost (in the head of the answer)");
      }
      return absl::OkStatus();
    case CURLE_COULDNT_RESOLVE_HOST:
      return absl::UnavailableError(absl::StrCat("could not resolve host (", detail, ")"));
    case CURLE_COULDNT_RESOLVE_PROXY:
      return absl::UnavailableError(absl::StrCat("could not resolve proxy (", detail, ")"));
    case CURLE_COULDNT_CONNECT: {
      long os_error = 0;  // NOLINT(google-runtime-int): libcurl's type
      curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_error);
      if (const std::string proxy = ProxyThatFailed(job.request.url, detail); !proxy.empty()) {
        return absl::UnavailableError(
            absl::StrCat("could not connect to the proxy ", proxy, " (", detail, ")"));
      }
      return absl::UnavailableError(os_error == ECONNREFUSED
                                        ? absl::StrCat("connection refused (", detail, ")")
                                        : absl::StrCat("could not connect (", detail, ")"));
    }
    case CURLE_OPERATION_TIMEDOUT:
      return TimeoutStatus(easy, job, options);
    case CURLE_PEER_FAILED_VERIFICATION:
      return absl::FailedPreconditionError(
          absl::StrCat("the server's TLS certificate is not trusted (", detail, ")"));
    case CURLE_SSL_CACERT_BADFILE:
      return absl::FailedPreconditionError(
          absl::StrCat("the CA file cannot be used (", detail, ")"));
    case CURLE_UNSUPPORTED_PROTOCOL:
      // libcurl means the protocol of the answer, too.
      if (absl::StartsWithIgnoreCase(job.request.url, "http")) {
        return absl::UnavailableError(absl::StrCat("the answer is not HTTP (", detail, ")"));
      }
      [[fallthrough]];
    case CURLE_URL_MALFORMAT:
      return absl::InvalidArgumentError(absl::StrCat("unusable URL (", detail, ")"));
    case CURLE_SSL_CERTPROBLEM:
      return absl::FailedPreconditionError(
          absl::StrCat("the TLS client certificate cannot be used (", detail, ")"));
    case CURLE_ABORTED_BY_CALLBACK:
      if (job.gave_up) return absl::CancelledError("the sender gave up");
      return absl::UnavailableError(detail);
    case CURLE_WRITE_ERROR:
      if (job.refused) return absl::CancelledError("the receiver wanted no more");
      if (job.over_cap) {
        return absl::ResourceExhaustedError(absl::StrCat(
            "the answer is longer than ",
            job.request.sink.empty() ? job.request.max_body_bytes : job.request.sink.size(),
            " bytes"));
      }
      return absl::UnavailableError(detail);
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
      // 407: it wants a user name and a password, which waiting does not give.
      if (absl::StrContains(detail, "CONNECT tunnel failed")) {
        const std::string text = absl::StrCat("the proxy refused the connection (", detail, ")");
        return absl::EndsWith(detail, "407") ? absl::FailedPreconditionError(text)
                                             : absl::UnavailableError(text);
      }
      [[fallthrough]];
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
      return absl::UnavailableError(absl::StrCat("connection lost (", detail, ")"));
    default:
      return absl::UnavailableError(detail);
  }
}

}  // namespace volstream
