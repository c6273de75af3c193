#include "stages/curl_transport.h"

#include <curl/curl.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <limits>
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
#include "stages/curl_job.h"
#include "stages/curl_sockets.h"
#include "stages/request_queue.h"

namespace volstream {
namespace {

// The longest wait of curl_multi_poll when nothing is due; a wake-up ends it at any time.
constexpr absl::Duration kIdlePoll = absl::Minutes(1);

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
  void Wake() {
    woken_ = true;
    curl_multi_wakeup(multi_);
  }
  void CancelAll() {
    queue_.CancelAll();
    curl_multi_wakeup(multi_);
  }
  void SetConcurrency(int transfers) {
    concurrency_ = transfers;
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
  // Lets servers that have sent the head of an answer go on with its content.
  void AcknowledgeHeads();
  void ReadMessages();
  // Lets transfers go on whose rate limit has something for them; returns until when the others
  // have to wait.
  absl::Duration ResumePaused();
  // After a Wake: lets transfers go on whose body had nothing to send.
  void ResumeStarved();
  // Takes the transfer out of the multi, which lets go of its buffers.
  std::unique_ptr<CurlJob> Detach(CURL* easy);
  void Complete(std::unique_ptr<CurlJob> job, absl::Status status);
  bool HasFreeConnection() const {
    return active_.size() <
           static_cast<size_t>(std::min(options_.connections, concurrency_.load()));
  }
  int PollTimeoutMs();

  const CurlTransportOptions options_;
  CurlSockets sockets_;  // I/O thread only; before multi_, whose end closes them
  CURLM* const multi_;
  RequestQueue queue_;

  // I/O thread only.
  std::unordered_map<CURL*, std::unique_ptr<CurlJob>> active_;
  std::vector<CURL*> idle_handles_;

  std::atomic<int> concurrency_{std::numeric_limits<int>::max()};
  std::atomic<bool> woken_{false};
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
    ResumeStarved();
    ResumePaused();
    curl_multi_perform(multi_, &running);
    AcknowledgeHeads();
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
  auto job = std::make_unique<CurlJob>();
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
  absl::Status status = PrepareCurlJob(easy, options_, job.get());
  sockets_.Watch(easy);
  if (!status.ok()) {
    idle_handles_.push_back(easy);
    Complete(std::move(job), std::move(status));
    return;
  }
  active_.emplace(easy, std::move(job));
  VS_CHECK(curl_multi_add_handle(multi_, easy) == CURLM_OK);
}

void CurlTransport::Loop::AcknowledgeHeads() {
  bool new_head = false;
  for (const auto& [easy, job] : active_) {
    if (job->head_complete && !std::exchange(job->head_acknowledged, true)) new_head = true;
  }
  if (new_head) sockets_.Acknowledge();
}

void CurlTransport::Loop::ReadMessages() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    // Detach frees the message.
    CURL* const easy = message->easy_handle;
    const CURLcode code = message->data.result;
    const CurlJob& job = *active_.at(easy);
    long new_connections = 0;  // NOLINT(google-runtime-int)
    curl_off_t sent = 0;
    curl_off_t received = 0;
    curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &new_connections);
    curl_easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    curl_easy_getinfo(easy, CURLINFO_SIZE_DOWNLOAD_T, &received);
    connections_ += static_cast<uint64_t>(new_connections);
    bytes_sent_ += static_cast<uint64_t>(sent);
    bytes_received_ += static_cast<uint64_t>(received);
    absl::Status status = CurlJobStatus(easy, code, job, options_);
    Complete(Detach(easy), std::move(status));
  }
}

std::unique_ptr<CurlJob> CurlTransport::Loop::Detach(CURL* easy) {
  VS_CHECK(curl_multi_remove_handle(multi_, easy) == CURLM_OK);
  auto node = active_.extract(easy);
  VS_CHECK(!node.empty());
  idle_handles_.push_back(easy);
  // The handle keeps pointers into the job; the reset before its next use drops them, and nothing
  // looks at them in between.
  return std::move(node.mapped());
}

void CurlTransport::Loop::Complete(std::unique_ptr<CurlJob> job, absl::Status status) {
  ++requests_;
  Done done = std::move(job->done);
  absl::StatusOr<HttpResponse> result = status.ok()
                                            ? absl::StatusOr<HttpResponse>(std::move(job->response))
                                            : absl::StatusOr<HttpResponse>(std::move(status));
  job.reset();
  done(std::move(result));
}

absl::Duration CurlTransport::Loop::ResumePaused() {
  if (options_.send_limit == nullptr) return absl::InfiniteDuration();
  absl::Duration wait = absl::InfiniteDuration();
  const RateLimit::TimePoint now = std::chrono::steady_clock::now();
  for (const auto& [easy, job] : active_) {
    if (!job->paused) continue;
    if (job->resume_at > now) {
      wait = std::min(wait, absl::FromChrono(job->resume_at - now));
      continue;
    }
    job->paused = false;
    // May call the read callback, which may pause it again.
    curl_easy_pause(easy, CURLPAUSE_CONT);
    if (job->paused) wait = std::min(wait, absl::FromChrono(job->resume_at - now));
  }
  return wait;
}

void CurlTransport::Loop::ResumeStarved() {
  // Before the bodies are asked: one that has nothing even now is woken again.
  if (!woken_.exchange(false)) return;
  for (const auto& [easy, job] : active_) {
    if (!std::exchange(job->starved, false)) continue;
    // May call the read callback.
    curl_easy_pause(easy, CURLPAUSE_CONT);
  }
}

int CurlTransport::Loop::PollTimeoutMs() {
  absl::Duration wait = std::min(kIdlePoll, ResumePaused());
  // With all connections in use, a due request has to wait for one, not for a timer.
  if (HasFreeConnection()) {
    wait = std::min(wait, queue_.UntilDue(RequestQueue::Clock::now()));
  }
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
void CurlTransport::Wake() { loop_->Wake(); }
void CurlTransport::SetConcurrency(int transfers) { loop_->SetConcurrency(transfers); }
void CurlTransport::CancelAll() { loop_->CancelAll(); }
CurlTransport::Usage CurlTransport::usage() const { return loop_->usage(); }

}  // namespace volstream
