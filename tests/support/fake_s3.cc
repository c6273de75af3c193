#include "tests/support/fake_s3.h"

#include <httplib.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "engine/check.h"
#include "engine/mutex.h"
#include "stages/digest.h"
#include "tests/support/fake_s3_store.h"
#include "tests/support/sockets.h"

namespace volstream {
namespace {

constexpr absl::Duration kWaitLimit = absl::Seconds(10);
// How much of a body is read before a reset: well inside of a part.
constexpr size_t kBytesBeforeReset = 64 * 1024;

bool EndsWith(std::string_view text, std::string_view suffix) {
  return text.size() >= suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
}

}  // namespace

struct FakeS3::State {
  struct Rule {
    Fault fault;
    int matched = 0;
  };

  // The rule that decides about this request, if any.
  std::optional<Fault> Decide(const Request& request) {
    std::optional<Fault> decision;
    for (Rule& rule : rules) {
      const Fault& fault = rule.fault;
      if (fault.operation != request.operation) continue;
      if (fault.part_number != 0 && fault.part_number != request.part_number) continue;
      if (!EndsWith(request.key, fault.key_suffix)) continue;
      ++rule.matched;
      const bool now = rule.matched >= fault.first && rule.matched - fault.first < fault.times;
      if (now && !decision.has_value()) decision = fault;
    }
    return decision;
  }

  mutable Mutex mu;
  S3Store store;
  std::vector<Rule> rules;
  std::vector<Request> requests;
  int hanging = 0;
  const int gate_fd = eventfd(0, EFD_CLOEXEC);  // readable once the gate is open
};

class FakeS3::Server {
 public:
  explicit Server(State* state) : state_(state) {
    // A connection holds its thread while it is alive.
    http_.new_task_queue = [] { return new httplib::ThreadPool(64); };
    http_.set_keep_alive_max_count(1'000'000);
    http_.set_tcp_nodelay(true);
    http_.set_read_timeout(60);
    using httplib::ContentReader;
    using httplib::Request;
    using httplib::Response;
    const auto with_body = [this](const Request& request, Response& response,
                                  const ContentReader& reader) {
      Serve(request, response, &reader);
    };
    const auto without_body = [this](const Request& request, Response& response) {
      Serve(request, response, nullptr);
    };
    http_.Put("/.*", with_body);
    http_.Post("/.*", with_body);
    http_.Get("/.*", without_body);
    http_.Delete("/.*", without_body);
    port_ = http_.bind_to_any_port("127.0.0.1");
    VS_CHECK(port_ > 0);
    thread_ = std::thread([this] { http_.listen_after_bind(); });
    // stop() has no effect on a server that does not listen yet.
    while (!http_.is_running()) std::this_thread::yield();
  }

  ~Server() {
    http_.stop();
    thread_.join();
  }

  int port() const { return port_; }

 private:
  // A request with what was read of it.
  struct Call {
    Request request;
    std::optional<Fault> fault;
    bool in_bucket = false;
    S3Query query;
    std::string body;
  };

  Call Begin(const httplib::Request& http) {
    Call call;
    const std::string path = http.path.substr(1);
    const size_t slash = path.find('/');
    call.in_bucket = path.substr(0, slash) == kBucket;
    if (slash != std::string::npos) call.request.key = path.substr(slash + 1);
    call.query.insert(http.params.begin(), http.params.end());
    call.request.operation = ClassifyS3Request(http.method, call.request.key, call.query);
    call.request.part_number = std::atoi(QueryValue(call.query, "partNumber").c_str());
    MutexLock lock(&state_->mu);
    call.fault = state_->Decide(call.request);
    call.request.faulty = call.fault.has_value();
    state_->requests.push_back(call.request);
    return call;
  }

  void Serve(const httplib::Request& http, httplib::Response& response,
             const httplib::ContentReader* reader) {
    Call call = Begin(http);
    const auto has = [&call](FaultAction action) {
      return call.fault.has_value() && call.fault->action == action;
    };
    const bool reset = has(FaultAction::kResetInBody);
    // httplib waits for a body in vain where no length is given.
    if (reader != nullptr && http.has_header("Content-Length")) {
      (*reader)([&](const char* data, size_t length) {
        call.body.append(data, length);
        return !reset || call.body.size() < kBytesBeforeReset;
      });
    }
    if (reset) return ResetConnection(FindSocket(port_, http.remote_port));
    if (has(FaultAction::kClose)) {
      shutdown(FindSocket(port_, http.remote_port), SHUT_RDWR);
      return;
    }
    if (has(FaultAction::kHang) && !Hang(FindSocket(port_, http.remote_port))) return;

    S3Answer answer = Answer(http, call);
    if (has(FaultAction::kLoseAnswer)) {
      shutdown(FindSocket(port_, http.remote_port), SHUT_RDWR);
      return;
    }
    if (has(FaultAction::kStatus) && call.fault->retry_after_seconds >= 0) {
      response.set_header("Retry-After", std::to_string(call.fault->retry_after_seconds));
    }
    if (has(FaultAction::kWrongEtag) || has(FaultAction::kNoEtag)) Tamper(*call.fault, answer);
    Send(http, answer, response);
  }

  // True if the gate opened, false if the client went away first.
  bool Hang(int fd) {
    {
      MutexLock lock(&state_->mu);
      ++state_->hanging;
    }
    pollfd events[2] = {{state_->gate_fd, POLLIN, 0}, {fd, POLLRDHUP, 0}};
    poll(events, 2, -1);
    MutexLock lock(&state_->mu);
    --state_->hanging;
    return events[0].revents != 0;
  }

  S3Answer Answer(const httplib::Request& http, Call& call) {
    if (!http.has_header("Authorization")) {
      return S3Error(403, "AccessDenied", "the request is not signed");
    }
    if (call.fault.has_value() && call.fault->action == FaultAction::kStatus) {
      return S3Error(call.fault->status, call.fault->code, "a fault of the test");
    }
    if (!call.in_bucket) return S3Error(404, "NoSuchBucket", "no such bucket");
    if (call.fault.has_value() && call.fault->action == FaultAction::kErrorIn200) {
      return S3Error(200, call.fault->code, "a fault of the test");
    }
    const std::string md5 = http.get_header_value("Content-MD5");
    if (!md5.empty() && md5 != ToBase64(Md5Of(AsBytes(call.body)))) {
      return S3Error(400, "BadDigest", "Content-MD5 does not fit the body");
    }
    const std::string sha256 = http.get_header_value("x-amz-content-sha256");
    const bool signed_body = sha256.size() == 2 * sizeof(Sha256Digest);
    if (signed_body && sha256 != ToHex(Sha256Of(AsBytes(call.body)))) {
      return S3Error(400, "XAmzContentSHA256Mismatch", "the hash does not fit the body");
    }
    return Apply(http, call);
  }

  // If-None-Match: * and If-Match; nothing if they hold.
  std::optional<S3Answer> Refuse(const httplib::Request& http, const std::string& key)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_->mu) {
    const auto found = state_->store.objects().find(key);
    const bool there = found != state_->store.objects().end();
    const std::string match = http.get_header_value("If-Match");
    if (!match.empty() && !there) return S3Error(404, "NoSuchKey", "no object " + key);
    if (match.empty() ? !there || !http.has_header("If-None-Match") : found->second.etag == match) {
      return std::nullopt;
    }
    return S3Error(412, "PreconditionFailed", "the condition does not hold");
  }

  S3Answer Apply(const httplib::Request& http, Call& call) {
    const bool keep = !(call.fault.has_value() && call.fault->action == FaultAction::kLoseObject);
    const std::string upload_id = QueryValue(call.query, "uploadId");
    const std::string& key = call.request.key;
    MutexLock lock(&state_->mu);
    S3Store& store = state_->store;
    switch (call.request.operation) {
      case S3Operation::kCreateMultipartUpload:
        return store.CreateUpload(key);
      case S3Operation::kUploadPart:
        return store.PutPart(upload_id, call.request.part_number, std::move(call.body));
      case S3Operation::kCompleteMultipartUpload:
        return store.Complete(key, upload_id, call.body, keep);
      case S3Operation::kAbortMultipartUpload:
        return store.Abort(upload_id);
      case S3Operation::kPutObject:
      case S3Operation::kPutLock:
        if (std::optional<S3Answer> refusal = Refuse(http, key)) return *std::move(refusal);
        return store.Put(key, std::move(call.body), keep);
      case S3Operation::kGetObject:
      case S3Operation::kGetLock:
      case S3Operation::kHeadObject:
        return store.Get(key);
      case S3Operation::kDeleteObject:
      case S3Operation::kDeleteLock:
        return store.Delete(key);
      case S3Operation::kDeleteObjects:
        return store.DeleteMany(call.body);
      case S3Operation::kListObjects:
        return store.List(call.query);
      case S3Operation::kListMultipartUploads:
        return store.ListUploads(call.query);
      case S3Operation::kListParts:
        return store.ListParts(upload_id);
      case S3Operation::kHeadBucket:
        return S3Answer();
      case S3Operation::kUnknown:
        break;
    }
    return S3Error(501, "NotImplemented", "the fake does not know this request");
  }

  // Replaces the ETag by a false one, or by none, in the header and in the body.
  static void Tamper(const Fault& fault, S3Answer& answer) {
    const std::string etag = answer.etag;
    if (etag.empty()) return;
    answer.etag = fault.action == FaultAction::kNoEtag ? "" : std::string(32, 'd');
    const size_t at = answer.body.find(etag);
    if (at != std::string::npos) answer.body.replace(at, etag.size(), answer.etag);
  }

  static void Send(const httplib::Request& http, const S3Answer& answer,
                   httplib::Response& response) {
    response.status = answer.status;
    response.set_header("x-amz-request-id", "FAKE0000");
    if (!answer.etag.empty()) response.set_header("ETag", "\"" + answer.etag + "\"");
    if (answer.object == nullptr) {
      if (!answer.body.empty()) response.set_content(answer.body, "application/xml");
      return;
    }
    response.set_header("Last-Modified", absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT",
                                                          answer.modified, absl::UTCTimeZone()));
    response.set_header("Accept-Ranges", "bytes");
    if (http.ranges.empty()) {
      return response.set_content(*answer.object, "application/octet-stream");
    }
    // httplib would answer a range beyond the end with a Content-Range that is not true; without
    // `ranges` it leaves the work to us. The request is not const where httplib made it.
    const auto [first, last] = http.ranges.front();
    const_cast<httplib::Request&>(http).ranges.clear();
    const int64_t size = static_cast<int64_t>(answer.object->size());
    const int64_t begin = first < 0 ? std::max<int64_t>(0, size - last) : first;
    const int64_t end = first < 0 || last < 0 ? size : std::min<int64_t>(size, last + 1);
    if (begin >= end) {
      response.status = 416;
      const S3Answer error = S3Error(416, "InvalidRange", "beyond the end");
      return response.set_content(error.body, "application/xml");
    }
    response.status = 206;
    response.set_header("Content-Range", "bytes " + std::to_string(begin) + "-" +
                                             std::to_string(end - 1) + "/" + std::to_string(size));
    response.set_content(
        answer.object->substr(static_cast<size_t>(begin), static_cast<size_t>(end - begin)),
        "application/octet-stream");
  }

  State* const state_;
  httplib::Server http_;
  int port_ = 0;
  std::thread thread_;
};

FakeS3::FakeS3() : state_(std::make_unique<State>()) {
  server_ = std::make_unique<Server>(state_.get());
}

FakeS3::~FakeS3() {
  OpenGate();
  server_.reset();
  close(state_->gate_fd);
}

std::string FakeS3::endpoint() const {
  return "http://127.0.0.1:" + std::to_string(server_->port());
}

Command FakeS3::Volstream(std::vector<std::string> args) const {
  Command command = volstream::Volstream(std::move(args));
  command.Env("AWS_ENDPOINT_URL", endpoint())
      .Env("AWS_ACCESS_KEY_ID", kAccessKey)
      .Env("AWS_SECRET_ACCESS_KEY", kSecretKey);
  return command;
}

void FakeS3::AddFault(Fault fault) {
  MutexLock lock(&state_->mu);
  state_->rules.push_back({std::move(fault), 0});
}

void FakeS3::OpenGate() { VS_CHECK(eventfd_write(state_->gate_fd, 1) == 0); }

bool FakeS3::WaitUntilHanging(int count) {
  MutexLock lock(&state_->mu);
  const auto enough = [this, count] { return state_->hanging >= count; };
  return state_->mu.AwaitWithTimeout(enough, kWaitLimit);
}

bool FakeS3::WaitForRequests(S3Operation operation, int count) {
  MutexLock lock(&state_->mu);
  const auto enough = [this, operation, count] {
    return std::count_if(state_->requests.begin(), state_->requests.end(),
                         [operation](const Request& request) {
                           return request.operation == operation;
                         }) >= count;
  };
  return state_->mu.AwaitWithTimeout(enough, kWaitLimit);
}

std::map<std::string, std::string> FakeS3::Objects() const {
  MutexLock lock(&state_->mu);
  std::map<std::string, std::string> objects;
  for (const auto& [key, object] : state_->store.objects()) objects[key] = *object.bytes;
  return objects;
}

std::vector<std::string> FakeS3::Keys() const {
  MutexLock lock(&state_->mu);
  std::vector<std::string> keys;
  for (const auto& [key, object] : state_->store.objects()) keys.push_back(key);
  return keys;
}

void FakeS3::PutObject(const std::string& key, std::string bytes) {
  MutexLock lock(&state_->mu);
  state_->store.Put(key, std::move(bytes), true);
}

std::vector<FakeS3::Upload> FakeS3::OpenUploads() const {
  MutexLock lock(&state_->mu);
  std::vector<Upload> uploads;
  for (const auto& [id, upload] : state_->store.uploads()) {
    Upload seen{upload.key, id, upload.initiated, {}};
    for (const auto& [number, part] : upload.parts) seen.part_bytes[number] = part.bytes.size();
    uploads.push_back(std::move(seen));
  }
  return uploads;
}

void FakeS3::AddUpload(const std::string& key, absl::Time initiated) {
  MutexLock lock(&state_->mu);
  state_->store.AddUpload(key, initiated);
}

std::vector<FakeS3::Request> FakeS3::Requests() const {
  MutexLock lock(&state_->mu);
  return state_->requests;
}

int FakeS3::Count(S3Operation operation) const {
  MutexLock lock(&state_->mu);
  int count = 0;
  for (const Request& request : state_->requests) count += request.operation == operation ? 1 : 0;
  return count;
}

}  // namespace volstream
