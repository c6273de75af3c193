#include "stages/s3_probe.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "engine/mutex.h"
#include "engine/notification.h"
#include "engine/status_macros.h"
#include "stages/absl_text.h"
#include "stages/error_kind.h"
#include "stages/s3_cleanup.h"
#include "stages/s3_error.h"

namespace volstream {
namespace {

// What a doctor asks is answered at once or not at all.
constexpr int kTries = 2;

S3ObjectOptions Removable(S3ObjectOptions object) {
  object.lock_mode.clear();
  object.lock_for = absl::ZeroDuration();
  object.storage_class.clear();
  return object;
}

// Sends all of them and gives their answers in the same order.
std::vector<absl::StatusOr<HttpResponse>> CallAll(S3Client* client,
                                                  std::vector<S3Request> requests) {
  std::vector<absl::StatusOr<HttpResponse>> answers(requests.size(), absl::UnknownError(""));
  std::vector<Notification> done(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    client->Submit(std::move(requests[i]), [&answers, &done, i](auto answer) {
      answers[i] = std::move(answer);
      done[i].Notify();
    });
  }
  for (Notification& one : done) one.WaitForNotification();
  return answers;
}

}  // namespace

S3Probe::S3Probe(S3Client* client, std::string base, const S3ObjectOptions& object)
    : client_(client),
      base_(std::move(base)),
      object_(Removable(object)),
      cancelled_(std::make_shared<CancelFlag>(false)) {}

std::string S3Probe::KeyOf(std::string_view suffix) const {
  return absl::StrCat(base_, "-", ToAbsl(suffix));
}

void S3Probe::Cancel() {
  cancelled_->store(true);
  client_->Sweep();
}

S3Request S3Probe::Prepare(S3Request request, std::string_view what) const {
  request.what = std::string(what);
  request.max_tries = kTries;
  request.cancelled = cancelled_;
  return request;
}

absl::StatusOr<HttpResponse> S3Probe::Call(S3Request request, std::string_view what) {
  return client_->Call(Prepare(std::move(request), what));
}

void S3Probe::Remember(const std::string& key, const HttpResponse& answer) {
  objects_.push_back({key, std::string(answer.Header("x-amz-version-id"))});
}

absl::StatusOr<HttpResponse> S3Probe::Put(const std::string& key, ByteSpan body,
                                          std::vector<HttpHeader> headers) {
  S3Request request = PutObjectRequest(key, body, Md5Of(body));
  request.AddHeaders(object_.CreateHeaders(absl::Now(), /*archive=*/false));
  request.AddHeaders(std::move(headers));
  const absl::StatusOr<HttpResponse> answer = Call(std::move(request), client_->UrlOf(key));
  if (answer.ok()) {
    Remember(key, *answer);
  } else if (absl::IsUnavailable(answer.status()) || absl::IsCancelled(answer.status())) {
    // The answer may have been lost.
    Remember(key, HttpResponse());
  }
  return answer;
}

absl::StatusOr<HttpResponse> S3Probe::Head(const std::string& key,
                                           std::vector<HttpHeader> headers) {
  S3Request request = HeadObjectRequest(key);
  request.headers = object_.KeyHeaders();
  request.AddHeaders(std::move(headers));
  return Call(std::move(request), client_->UrlOf(key));
}

absl::StatusOr<std::string> S3Probe::Get(const std::string& key, size_t max_bytes) {
  S3Request request = GetObjectRequest(key, max_bytes);
  request.headers = object_.KeyHeaders();
  VS_ASSIGN_OR_RETURN(HttpResponse answer, Call(std::move(request), client_->UrlOf(key)));
  return std::move(answer.body);
}

absl::StatusOr<std::string> S3Probe::BeginUpload(const std::string& key) {
  S3Request request = CreateUploadRequest(key);
  request.headers = object_.CreateHeaders(absl::Now(), /*archive=*/false);
  const uint64_t retries = client_->retries();
  const absl::StatusOr<HttpResponse> result =
      Call(std::move(request), absl::StrCat("begin of an upload of ", client_->UrlOf(key)));
  if (client_->retries() != retries || absl::IsUnavailable(result.status()) ||
      absl::IsCancelled(result.status())) {
    unclear_keys_.push_back(key);
  }
  if (!result.ok()) return result.status();
  VS_ASSIGN_OR_RETURN(std::string upload_id, ParseUploadId(result->body));
  uploads_.emplace_back(key, upload_id);
  return upload_id;
}

absl::StatusOr<std::vector<UploadedPart>> S3Probe::SendParts(const std::string& key,
                                                             const std::string& upload_id,
                                                             ByteSpan bytes, int count) {
  const Md5Digest md5 = Md5Of(bytes);
  std::vector<S3Request> requests;
  for (int i = 1; i <= count; ++i) {
    S3Request request = UploadPartRequest(key, upload_id, static_cast<uint64_t>(i), bytes, md5);
    request.AddHeaders(object_.KeyHeaders());
    requests.push_back(
        Prepare(std::move(request), absl::StrCat("part ", i, " of ", client_->UrlOf(key))));
  }
  std::vector<UploadedPart> parts;
  for (const absl::StatusOr<HttpResponse>& answer : CallAll(client_, std::move(requests))) {
    if (!answer.ok()) return answer.status();
    parts.push_back({PlainEtag(answer->Header("ETag")), ""});
  }
  return parts;
}

absl::Status S3Probe::Complete(const std::string& key, const std::string& upload_id,
                               const std::vector<UploadedPart>& parts) {
  S3Request request = CompleteUploadRequest(key, upload_id, parts);
  request.AddHeaders(object_.KeyHeaders());
  // Before it is sent: whatever becomes of the answer, the object may be there.
  const size_t index = objects_.size();
  objects_.push_back({key, ""});
  VS_ASSIGN_OR_RETURN(
      const HttpResponse answer,
      Call(std::move(request), absl::StrCat("end of the upload of ", client_->UrlOf(key))));
  objects_[index].version_id = std::string(answer.Header("x-amz-version-id"));
  uploads_.erase(std::remove(uploads_.begin(), uploads_.end(), std::make_pair(key, upload_id)),
                 uploads_.end());
  return absl::OkStatus();
}

absl::Status S3Probe::ReadBack(const std::string& key, ByteSpan bytes, int count) {
  std::vector<std::vector<uint8_t>> buffers(static_cast<size_t>(count),
                                            std::vector<uint8_t>(bytes.size()));
  std::vector<S3Request> requests;
  for (size_t i = 0; i < buffers.size(); ++i) {
    S3Request request = GetRangeRequest(key, i * bytes.size(), MutableByteSpan(buffers[i]));
    request.AddHeaders(object_.KeyHeaders());
    requests.push_back(Prepare(std::move(request), client_->UrlOf(key)));
  }
  for (const absl::StatusOr<HttpResponse>& answer : CallAll(client_, std::move(requests))) {
    if (!answer.ok()) return answer.status();
  }
  for (const std::vector<uint8_t>& buffer : buffers) {
    if (std::memcmp(buffer.data(), bytes.data(), bytes.size()) != 0) {
      return MakeError(ErrorKind::kIntegrity, absl::StatusCode::kDataLoss,
                       absl::StrCat(client_->UrlOf(key), ": bytes differ from those sent"));
    }
  }
  return absl::OkStatus();
}

absl::Status S3Probe::RemoveObjects() {
  std::map<std::string, bool> versioned;
  for (const Object& object : objects_) versioned[object.key] |= !object.version_id.empty();
  std::vector<std::string> keys;
  for (const auto& entry : versioned) keys.push_back(entry.first);
  VS_ASSIGN_OR_RETURN(const HttpResponse answer,
                      Call(DeleteObjectsRequest(keys, /*quiet=*/false),
                           absl::StrCat("removal of ", keys.size(), " objects at once")));
  VS_ASSIGN_OR_RETURN(const std::vector<DeleteFailure> failures, ParseDeleteFailures(answer.body));
  if (!failures.empty()) {
    S3Failure failure;
    failure.http_status = 200;
    failure.code = failures.front().code;
    failure.message = failures.front().message;
    return S3StatusOf(failure, absl::StrCat("removal of ", client_->UrlOf(failures.front().key)),
                      "");
  }
  VS_ASSIGN_OR_RETURN(const std::vector<DeletedMarker> markers, ParseDeleteMarkers(answer.body));
  std::vector<Object> left;
  for (Object& object : objects_) {
    if (versioned[object.key]) left.push_back(std::move(object));
  }
  for (const DeletedMarker& marker : markers) left.push_back({marker.key, marker.version_id});
  objects_ = std::move(left);
  return absl::OkStatus();
}

std::vector<std::string> S3Probe::Clean() {
  std::vector<std::string> left;
  for (const auto& [key, upload_id] : uploads_) {
    const absl::Status status = S3Cleanup(client_, key).AbortUpload(upload_id);
    if (!status.ok()) left.push_back(std::string(status.message()));
  }
  for (const std::string& key : unclear_keys_) {
    const absl::Status status = S3Cleanup(client_, key).AbortOthers("");
    if (!status.ok()) left.push_back(std::string(status.message()));
  }
  for (const Object& object : objects_) {
    const absl::Status status = S3Cleanup(client_, object.key).DeleteObject(object.version_id);
    if (!status.ok()) left.push_back(std::string(status.message()));
  }
  uploads_.clear();
  objects_.clear();
  return left;
}

}  // namespace volstream
