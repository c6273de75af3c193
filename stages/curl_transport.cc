#include "stages/curl_transport.h"

#include <curl/curl.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "engine/check.h"
#include "stages/request_queue.h"

namespace volstream {
namespace {

constexpr char kUserAgent[] = "volstream/0.1";
// Header lines beyond this are dropped: an honest answer has some 20 of them.
constexpr size_t kMaxHeaders = 200;
// The longest wait of curl_multi_poll when nothing is due; a wake-up ends it at any time.
constexpr absl::Duration kIdlePoll = absl::Minutes(1);

// A request that has started, with what libcurl's callbacks need of it.
struct Job {
  HttpRequest request;
  HttpTransport::Done done;
  HttpResponse response;
  size_t sent_bytes = 0;  // of request.body, by the current pass over it
  bool over_cap = false;
  curl_slist* header_list = nullptr;
  char curl_error[CURL_ERROR_SIZE] = {};

  ~Job() { curl_slist_free_all(header_list); }
};

size_t OnRead(char* out, size_t size, size_t count, void* context) {
  Job& job = *static_cast<Job*>(context);
  const size_t bytes = std::min(size * count, job.request.body.size() - job.sent_bytes);
  if (bytes > 0) std::memcpy(out, job.request.body.data() + job.sent_bytes, bytes);
  job.sent_bytes += bytes;
  return bytes;
}

// libcurl rewinds when a kept connection turns out to be dead after it took some of the body.
int OnSeek(void* context, curl_off_t offset, int origin) {
  Job& job = *static_cast<Job*>(context);
  if (origin != SEEK_SET || offset < 0 || static_cast<uint64_t>(offset) > job.request.body.size()) {
    return CURL_SEEKFUNC_CANTSEEK;
  }
  job.sent_bytes = static_cast<size_t>(offset);
  return CURL_SEEKFUNC_OK;
}

size_t OnHeader(char* data, size_t size, size_t count, void* context) {
  Job& job = *static_cast<Job*>(context);
  const size_t bytes = size * count;
  const absl::string_view line = absl::StripAsciiWhitespace(absl::string_view(data, bytes));
  if (line.substr(0, 5) == "HTTP/") {
    // A new header block: an interim answer such as 100 may come before the final one.
    job.response = HttpResponse();
    const size_t space = line.find(' ');
    if (space == absl::string_view::npos ||
        !absl::SimpleAtoi(line.substr(space + 1, 3), &job.response.status)) {
      job.response.status = 0;
    }
    return bytes;
  }
  const size_t colon = line.find(':');
  if (colon == absl::string_view::npos || job.response.headers.size() >= kMaxHeaders) return bytes;
  job.response.headers.push_back(
      {std::string(line.substr(0, colon)),
       std::string(absl::StripLeadingAsciiWhitespace(line.substr(colon + 1)))});
  return bytes;
}

size_t OnBody(char* data, size_t size, size_t count, void* context) {
  Job& job = *static_cast<Job*>(context);
  const size_t bytes = size * count;
  HttpResponse& response = job.response;
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

absl::Status TimeoutStatus(CURL* easy, const Job& job, const CurlTransportOptions& options) {
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

absl::Status TransferStatus(CURL* easy, CURLcode code, const Job& job,
                            const CurlTransportOptions& options) {
  const std::string detail(job.curl_error[0] != '\0' ? job.curl_error : curl_easy_strerror(code));
  switch (code) {
    case CURLE_OK:
      return absl::OkStatus();
    case CURLE_COULDNT_RESOLVE_HOST:
      return absl::UnavailableError(absl::StrCat("could not resolve host (", detail, ")"));
    case CURLE_COULDNT_RESOLVE_PROXY:
      return absl::UnavailableError(absl::StrCat("could not resolve proxy (", detail, ")"));
    case CURLE_COULDNT_CONNECT: {
      long os_error = 0;  // NOLINT(google-runtime-int): libcurl's type
      curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_error);
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
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return absl::InvalidArgumentError(absl::StrCat("unusable URL (", detail, ")"));
    case CURLE_WRITE_ERROR:
      if (job.over_cap) {
        return absl::ResourceExhaustedError(absl::StrCat(
            "the answer is longer than ",
            job.request.sink.empty() ? job.request.max_body_bytes : job.request.sink.size(),
            " bytes"));
      }
      return absl::UnavailableError(detail);
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
      return absl::UnavailableError(absl::StrCat("connection lost (", detail, ")"));
    default:
      return absl::UnavailableError(detail);
  }
}

// libcurl's options and details are longs.
long Long(int64_t value) { return static_cast<long>(value); }  // NOLINT(google-runtime-int)

template <typename Value>
void Set(CURL* easy, CURLoption option, Value value) {
  VS_CHECK(curl_easy_setopt(easy, option, value) == CURLE_OK);
}

}  // namespace

class CurlTransport::Loop {
 public:
  explicit Loop(const CurlTransportOptions& options);
  ~Loop();

  // Ends all requests and joins the I/O thread. Once.
  void Shutdown();

  void Submit(HttpRequest request, Done done) {
    queue_.Push(std::move(request), std::move(done), RequestQueue::Clock::now());
    curl_multi_wakeup(multi_);
  }
  void Sweep() {
    queue_.Sweep();
    curl_multi_wakeup(multi_);
  }
  void CancelAll() {
    queue_.CancelAll();
    curl_multi_wakeup(multi_);
  }
  Usage usage() const {
    return {requests_.load(), connections_.load(), bytes_sent_.load(), bytes_received_.load()};
  }

 private:
  // All of these on the I/O thread.
  void Run();
  void EndCancelled(bool active_too);
  void StartDue();
  void Start(QueuedRequest queued);
  absl::Status Prepare(CURL* easy, Job& job);
  void ReadMessages();
  // Takes the transfer out of the multi, which lets go of its buffers.
  std::unique_ptr<Job> Detach(CURL* easy);
  void Complete(std::unique_ptr<Job> job, absl::Status status);
  bool HasFreeConnection() const {
    return active_.size() < static_cast<size_t>(options_.connections);
  }
  int PollTimeoutMs() const;

  const CurlTransportOptions options_;
  CURLM* const multi_;
  RequestQueue queue_;

  // I/O thread only.
  std::unordered_map<CURL*, std::unique_ptr<Job>> active_;
  std::vector<CURL*> idle_handles_;

  std::atomic<uint64_t> requests_{0};
  std::atomic<uint64_t> connections_{0};
  std::atomic<uint64_t> bytes_sent_{0};
  std::atomic<uint64_t> bytes_received_{0};

  std::thread thread_;  // last: it uses all of the above
};

CurlTransport::Loop::Loop(const CurlTransportOptions& options)
    : options_(options), multi_([] {
        static std::once_flag once;
        std::call_once(once, [] { VS_CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK); });
        return curl_multi_init();
      }()) {
  VS_CHECK(multi_ != nullptr);
  VS_CHECK(options_.connections > 0);
  // Every connection is kept for the next request.
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, Long(options_.connections));
  thread_ = std::thread([this] { Run(); });
}

CurlTransport::Loop::~Loop() {
  for (CURL* easy : idle_handles_) curl_easy_cleanup(easy);
  curl_multi_cleanup(multi_);
}

void CurlTransport::Loop::Shutdown() {
  queue_.Stop();
  curl_multi_wakeup(multi_);
  thread_.join();
}

void CurlTransport::Loop::Run() {
  while (true) {
    const RequestQueue::Signals signals = queue_.Collect();
    if (signals.stop && queue_.empty() && active_.empty()) return;
    EndCancelled(signals.look_for_cancelled);
    StartDue();
    int running = 0;
    curl_multi_perform(multi_, &running);
    ReadMessages();
    // All requests end in these rounds, and nobody wakes the loop when the last one has.
    if (signals.stop) continue;
    // A finished transfer frees a connection, which the next in the queue takes before any wait.
    if (HasFreeConnection() &&
        queue_.UntilDue(RequestQueue::Clock::now()) <= absl::ZeroDuration()) {
      continue;
    }
    curl_multi_poll(multi_, nullptr, 0, PollTimeoutMs(), nullptr);
  }
}

void CurlTransport::Loop::EndCancelled(bool active_too) {
  for (QueuedRequest& queued : queue_.TakeCancelled()) {
    ++requests_;
    const Done done = std::move(queued.done);
    done(absl::CancelledError("cancelled"));
  }
  if (!active_too) return;
  std::vector<CURL*> ending;
  for (const auto& [easy, job] : active_) {
    if (queue_.IsCancelled(job->request)) ending.push_back(easy);
  }
  for (CURL* easy : ending) Complete(Detach(easy), absl::CancelledError("cancelled"));
}

void CurlTransport::Loop::StartDue() {
  while (HasFreeConnection()) {
    std::optional<QueuedRequest> queued = queue_.TakeDue(RequestQueue::Clock::now());
    if (!queued.has_value()) return;
    Start(*std::move(queued));
  }
}

void CurlTransport::Loop::Start(QueuedRequest queued) {
  auto job = std::make_unique<Job>();
  job->request = std::move(queued.request);
  job->done = std::move(queued.done);
  if (queue_.IsCancelled(job->request)) {
    Complete(std::move(job), absl::CancelledError("cancelled"));
    return;
  }
  CURL* easy = nullptr;
  if (!idle_handles_.empty()) {
    easy = idle_handles_.back();
    idle_handles_.pop_back();
    curl_easy_reset(easy);
  } else {
    easy = curl_easy_init();
    VS_CHECK(easy != nullptr);
  }
  if (job->request.prepare) job->request.prepare(job->request);
  absl::Status status = Prepare(easy, *job);
  if (!status.ok()) {
    idle_handles_.push_back(easy);
    Complete(std::move(job), std::move(status));
    return;
  }
  active_.emplace(easy, std::move(job));
  VS_CHECK(curl_multi_add_handle(multi_, easy) == CURLM_OK);
}

absl::Status CurlTransport::Loop::Prepare(CURL* easy, Job& job) {
  const HttpRequest& request = job.request;
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
  Set(easy, CURLOPT_USERAGENT, kUserAgent);
  Set(easy, CURLOPT_ERRORBUFFER, job.curl_error);
  Set(easy, CURLOPT_CONNECTTIMEOUT_MS, Long(absl::ToInt64Milliseconds(options_.connect_timeout)));
  const absl::Duration stall =
      request.stall_timeout > absl::ZeroDuration() ? request.stall_timeout : options_.stall_timeout;
  Set(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
  Set(easy, CURLOPT_LOW_SPEED_TIME, Long(std::max<int64_t>(1, absl::ToInt64Seconds(stall))));
  if (request.deadline != absl::InfiniteDuration()) {
    Set(easy, CURLOPT_TIMEOUT_MS,
        Long(std::max<int64_t>(1, absl::ToInt64Milliseconds(request.deadline))));
  }
  if (!options_.ca_file.empty()) Set(easy, CURLOPT_CAINFO, options_.ca_file.c_str());

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
      Set(easy, CURLOPT_INFILESIZE_LARGE, body_bytes);
      // libcurl allocates this a transfer, so a small body gets a small one.
      Set(easy, CURLOPT_UPLOAD_BUFFERSIZE,
          Long(std::clamp<size_t>(request.body.size(), 16 * kKiB, options_.upload_buffer_bytes)));
      break;
    case HttpMethod::kPost:
      Set(easy, CURLOPT_POST, 1L);
      Set(easy, CURLOPT_POSTFIELDSIZE_LARGE, body_bytes);
      break;
  }
  Set(easy, CURLOPT_READFUNCTION, OnRead);
  Set(easy, CURLOPT_READDATA, static_cast<void*>(&job));
  Set(easy, CURLOPT_SEEKFUNCTION, OnSeek);
  Set(easy, CURLOPT_SEEKDATA, static_cast<void*>(&job));
  Set(easy, CURLOPT_HEADERFUNCTION, OnHeader);
  Set(easy, CURLOPT_HEADERDATA, static_cast<void*>(&job));
  Set(easy, CURLOPT_WRITEFUNCTION, OnBody);
  Set(easy, CURLOPT_WRITEDATA, static_cast<void*>(&job));

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
    curl_slist* const list = curl_slist_append(job.header_list, line.c_str());
    VS_CHECK(list != nullptr);
    job.header_list = list;
  }
  Set(easy, CURLOPT_HTTPHEADER, job.header_list);
  return absl::OkStatus();
}

void CurlTransport::Loop::ReadMessages() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    // Detach frees the message.
    CURL* const easy = message->easy_handle;
    const CURLcode code = message->data.result;
    const Job& job = *active_.at(easy);
    long new_connections = 0;  // NOLINT(google-runtime-int)
    curl_off_t sent = 0;
    curl_off_t received = 0;
    curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &new_connections);
    curl_easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    curl_easy_getinfo(easy, CURLINFO_SIZE_DOWNLOAD_T, &received);
    connections_ += static_cast<uint64_t>(new_connections);
    bytes_sent_ += static_cast<uint64_t>(sent);
    bytes_received_ += static_cast<uint64_t>(received);
    absl::Status status = TransferStatus(easy, code, job, options_);
    Complete(Detach(easy), std::move(status));
  }
}

std::unique_ptr<Job> CurlTransport::Loop::Detach(CURL* easy) {
  VS_CHECK(curl_multi_remove_handle(multi_, easy) == CURLM_OK);
  auto node = active_.extract(easy);
  VS_CHECK(!node.empty());
  idle_handles_.push_back(easy);
  // The handle keeps pointers into the job; the reset before its next use drops them, and nothing
  // looks at them in between.
  return std::move(node.mapped());
}

void CurlTransport::Loop::Complete(std::unique_ptr<Job> job, absl::Status status) {
  ++requests_;
  Done done = std::move(job->done);
  absl::StatusOr<HttpResponse> result = status.ok()
                                            ? absl::StatusOr<HttpResponse>(std::move(job->response))
                                            : absl::StatusOr<HttpResponse>(std::move(status));
  job.reset();
  done(std::move(result));
}

int CurlTransport::Loop::PollTimeoutMs() const {
  // With all connections in use, a due request has to wait for one, not for a timer.
  if (!HasFreeConnection()) return static_cast<int>(absl::ToInt64Milliseconds(kIdlePoll));
  const absl::Duration wait = std::min(kIdlePoll, queue_.UntilDue(RequestQueue::Clock::now()));
  // Rounded up, lest the loop spin through the last millisecond.
  return static_cast<int>(absl::ToInt64Milliseconds(wait + absl::Milliseconds(1)));
}

CurlTransport::CurlTransport(const CurlTransportOptions& options)
    : loop_(std::make_unique<Loop>(options)) {}
CurlTransport::~CurlTransport() {
  // While loop_ still stands: a `done` may call Submit.
  loop_->Shutdown();
}

void CurlTransport::Submit(HttpRequest request, Done done) {
  loop_->Submit(std::move(request), std::move(done));
}
void CurlTransport::Sweep() { loop_->Sweep(); }
void CurlTransport::CancelAll() { loop_->CancelAll(); }
CurlTransport::Usage CurlTransport::usage() const { return loop_->usage(); }

}  // namespace volstream
