#include "stages/s3_storage.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "engine/mutex.h"
#include "engine/status_macros.h"
#include "stages/absl_text.h"
#include "stages/archive_name.h"
#include "stages/curl_transport.h"
#include "stages/digest.h"
#include "stages/error_kind.h"
#include "stages/retry_policy.h"
#include "stages/s3_bucket.h"
#include "stages/s3_lock.h"
#include "stages/s3_requests.h"
#include "stages/s3_sink.h"

namespace volstream {
namespace {

constexpr int kPageKeys = 1000;
// Receipts are a few KiB; ReadAll is not for archives.
constexpr size_t kMaxReadAllBytes = 64 * kMiB;

class S3Storage : public Storage {
 public:
  S3Storage(const S3Location& location, const S3Provider& provider, const S3ObjectOptions& object,
            std::unique_ptr<HttpTransport> transport, std::unique_ptr<S3Client> client,
            std::function<absl::Time()> clock)
      : location_(location),
        provider_(provider),
        object_(object),
        client_(std::move(client)),
        transport_(std::move(transport)),
        cancelled_(std::make_shared<CancelFlag>(false)),
        clock_(std::move(clock)) {}

  StorageKind kind() const override { return StorageKind::kS3; }
  std::string Url() const override { return location_.Url(); }
  std::string UrlOf(std::string_view name) const override { return client_->UrlOf(KeyOf(name)); }

  PartLimits part_limits() const override {
    return PartLimits{provider_.max_parts, provider_.equal_parts};
  }

  void Cancel() override {
    cancelled_->store(true);
    client_->Sweep();
  }
  absl::Status Check() override;
  absl::Status ForEach(std::string_view name_prefix, const ObjectVisitor& visit) override;
  absl::StatusOr<ObjectInfo> Stat(std::string_view name) override;
  absl::StatusOr<std::unique_ptr<PartSink>> NewSink(std::string_view name) override;
  absl::StatusOr<std::string> ReadAll(std::string_view name) override;
  absl::Status Write(std::string_view name, std::string_view contents) override;
  absl::StatusOr<size_t> ReadAt(std::string_view name, uint64_t offset,
                                MutableByteSpan out) override;
  absl::Status RemoveEach(const std::vector<std::string>& names,
                          const RemovalFailure& failed) override;
  absl::StatusOr<std::string> HeldBy(std::string_view name) override;
  std::string RemovalNote() override;
  absl::StatusOr<std::unique_ptr<StorageLock>> Lock(std::string_view stem) override {
    return TakeS3Lock(LockPlace(stem));
  }
  absl::StatusOr<std::vector<LockInfo>> Locks(std::string_view stem) override;
  absl::Status BreakLock(std::string_view stem) override;
  absl::StatusOr<std::vector<std::string>> RemoveStale(std::string_view stem,
                                                       absl::Time older_than) override;

 private:
  std::string KeyOf(std::string_view name) const {
    return absl::StrCat(location_.prefix, ToAbsl(name));
  }
  absl::Status ValidateName(std::string_view name) const;
  // Sends a request that Cancel ends.
  absl::StatusOr<HttpResponse> Call(S3Request request) {
    request.cancelled = cancelled_;
    return client_->Call(std::move(request));
  }
  // As ForEach, locks included.
  absl::Status ForEachKey(std::string_view name_prefix, const ObjectVisitor& visit);
  absl::Status RemoveBatch(const std::vector<std::string>& names, const RemovalFailure& failed);
  absl::StatusOr<bool> MayHoldObjects() ABSL_LOCKS_EXCLUDED(mu_);
  S3LockPlace LockPlace(std::string_view stem) const;
  // kInternal of the parsers, with the place and kind of error.
  absl::Status Located(const absl::Status& status) const {
    return WithKind(WithContext(status, Url()), ErrorKind::kS3);
  }

  const S3Location location_;
  const S3Provider& provider_;
  const S3ObjectOptions object_;
  std::unique_ptr<S3Client> client_;
  // After the client: the transport's last callbacks reach the client. Null if borrowed.
  std::unique_ptr<HttpTransport> transport_;
  const std::shared_ptr<CancelFlag> cancelled_;
  const std::function<absl::Time()> clock_;
  Mutex mu_;
  std::optional<bool> may_hold_ ABSL_GUARDED_BY(mu_);  // once the bucket was asked
};

absl::Status S3Storage::ValidateName(std::string_view name) const {
  if (!name.empty() && name.find('/') == std::string_view::npos) return absl::OkStatus();
  return MakeError(ErrorKind::kS3, absl::StatusCode::kInvalidArgument,
                   absl::StrCat("\"", ToAbsl(name), "\" is no name of an object under ", Url()));
}

absl::Status S3Storage::Check() {
  // A list and not a HEAD of the bucket, because HEAD's errors have no text. That the bucket can
  // be written to shows when the upload begins, which is also before the source is read.
  S3Request request = ListObjectsRequest(location_.prefix, "", 1);
  request.what = Url();
  VS_ASSIGN_OR_RETURN(const HttpResponse response, Call(std::move(request)));
  const absl::StatusOr<ObjectPage> page = ParseObjectPage(response.body);
  if (page.ok()) return absl::OkStatus();
  return Located(WithContext(page.status(), "is AWS_ENDPOINT_URL an S3 endpoint?"));
}

absl::Status S3Storage::ForEach(std::string_view name_prefix, const ObjectVisitor& visit) {
  return ForEachKey(name_prefix, [&visit](ObjectInfo object) {
    return StemOfLock(object.name).empty() ? visit(std::move(object)) : absl::OkStatus();
  });
}

absl::Status S3Storage::ForEachKey(std::string_view name_prefix, const ObjectVisitor& visit) {
  std::string token;
  do {
    S3Request request = ListObjectsRequest(KeyOf(name_prefix), token, kPageKeys);
    request.what = absl::StrCat("list of ", Url());
    VS_ASSIGN_OR_RETURN(const HttpResponse response, Call(std::move(request)));
    absl::StatusOr<ObjectPage> page = ParseObjectPage(response.body);
    if (!page.ok()) return Located(page.status());
    for (ListedObject& object : page->objects) {
      absl::string_view name = object.key;
      // The prefix itself is listed where someone made a "folder" of it.
      if (!absl::ConsumePrefix(&name, location_.prefix) || name.empty()) continue;
      VS_RETURN_IF_ERROR(
          visit({std::string(name), object.bytes, object.modified, std::move(object.etag)}));
    }
    if (page->next_token == token && !token.empty()) {
      return Located(absl::InternalError("the list repeats a page for ever"));
    }
    token = std::move(page->next_token);
  } while (!token.empty());
  return absl::OkStatus();
}

absl::StatusOr<ObjectInfo> S3Storage::Stat(std::string_view name) {
  VS_RETURN_IF_ERROR(ValidateName(name));
  S3Request request = HeadObjectRequest(KeyOf(name));
  request.what = UrlOf(name);
  request.AddHeaders(object_.KeyHeaders());
  VS_ASSIGN_OR_RETURN(const HttpResponse response, Call(std::move(request)));
  ObjectInfo info;
  info.name = std::string(name);
  info.etag = PlainEtag(response.Header("ETag"));
  const std::optional<absl::Time> modified = ParseHttpDate(response.Header("Last-Modified"));
  if (!modified.has_value() ||
      !absl::SimpleAtoi(ToAbsl(response.Header("Content-Length")), &info.bytes)) {
    return Located(absl::InternalError(
        absl::StrCat("the answer for ", info.name, " lacks Content-Length or Last-Modified")));
  }
  info.modified = *modified;
  return info;
}

absl::StatusOr<std::unique_ptr<PartSink>> S3Storage::NewSink(std::string_view name) {
  VS_RETURN_IF_ERROR(ValidateName(name));
  return std::make_unique<S3Sink>(client_.get(), KeyOf(name), object_, provider_);
}

absl::StatusOr<std::string> S3Storage::ReadAll(std::string_view name) {
  VS_RETURN_IF_ERROR(ValidateName(name));
  S3Request request = GetObjectRequest(KeyOf(name), kMaxReadAllBytes);
  request.what = UrlOf(name);
  request.AddHeaders(object_.KeyHeaders());
  VS_ASSIGN_OR_RETURN(HttpResponse response, Call(std::move(request)));
  return std::move(response.body);
}

absl::Status S3Storage::Write(std::string_view name, std::string_view contents) {
  VS_RETURN_IF_ERROR(ValidateName(name));
  const Md5Digest md5 = Md5Of(AsBytes(contents));
  S3Request request = PutObjectRequest(KeyOf(name), AsBytes(contents), md5);
  request.what = UrlOf(name);
  request.AddHeaders(object_.CreateHeaders(absl::Now(), /*archive=*/false));
  request.patient = true;
  return client_->Call(std::move(request)).status();
}

absl::StatusOr<size_t> S3Storage::ReadAt(std::string_view name, uint64_t offset,
                                         MutableByteSpan out) {
  VS_RETURN_IF_ERROR(ValidateName(name));
  if (out.empty()) return 0;
  S3Request request = GetRangeRequest(KeyOf(name), offset, out);
  request.what = UrlOf(name);
  // Whoever reads an archive has asked for its size before: the server was there.
  request.patient = true;
  request.AddHeaders(object_.KeyHeaders());
  const absl::StatusOr<HttpResponse> response = Call(std::move(request));
  // A range behind the end: nothing to read there.
  if (absl::IsOutOfRange(response.status())) return 0;
  if (!response.ok()) return response.status();
  const std::string wanted = absl::StrCat("bytes ", offset, "-");
  if (response->status != 206 ||
      !absl::StartsWith(ToAbsl(response->Header("Content-Range")), wanted)) {
    return Located(absl::InternalError(
        absl::StrCat("the server does not give the range of ", ToAbsl(name), " it was asked for")));
  }
  return response->sink_bytes;
}

absl::Status S3Storage::RemoveEach(const std::vector<std::string>& names,
                                   const RemovalFailure& failed) {
  for (const std::string& name : names) VS_RETURN_IF_ERROR(ValidateName(name));
  for (size_t first = 0; first < names.size(); first += kS3MaxDeleteBatch) {
    const size_t last = std::min(names.size(), first + kS3MaxDeleteBatch);
    VS_RETURN_IF_ERROR(RemoveBatch({names.begin() + static_cast<ptrdiff_t>(first),
                                    names.begin() + static_cast<ptrdiff_t>(last)},
                                   failed));
  }
  return absl::OkStatus();
}

absl::Status S3Storage::RemoveBatch(const std::vector<std::string>& names,
                                    const RemovalFailure& failed) {
  std::vector<std::string> keys;
  keys.reserve(names.size());
  for (const std::string& name : names) keys.push_back(KeyOf(name));
  S3Request request = DeleteObjectsRequest(keys);
  request.what = absl::StrCat("removal of ", names.size(), " objects under ", Url());
  VS_ASSIGN_OR_RETURN(const HttpResponse response, client_->Call(std::move(request)));
  const absl::StatusOr<std::vector<DeleteFailure>> failures = ParseDeleteFailures(response.body);
  if (!failures.ok()) return Located(failures.status());
  for (const DeleteFailure& failure : *failures) {
    if (failure.code == "NoSuchKey") continue;
    absl::string_view name = failure.key;
    absl::ConsumePrefix(&name, location_.prefix);
    S3Failure reason;
    reason.http_status = 200;
    reason.code = failure.code;
    reason.message = failure.message;
    failed(std::string(name),
           S3StatusOf(reason, absl::StrCat("removal of ", client_->UrlOf(failure.key)), ""));
  }
  return absl::OkStatus();
}

// Whether the bucket has Object Lock; taken for granted where the key may not ask.
absl::StatusOr<bool> S3Storage::MayHoldObjects() {
  {
    MutexLock lock(&mu_);
    if (may_hold_.has_value()) return *may_hold_;
  }
  S3Request request = GetObjectLockRequest();
  request.what = absl::StrCat("Object Lock of ", Url());
  const absl::StatusOr<HttpResponse> response = Call(std::move(request));
  const absl::Status& status = response.status();
  if (absl::IsCancelled(status) || absl::IsUnavailable(status)) return status;
  const bool may_hold = response.ok()
                            ? ParseObjectLock(response->body).value_or(BucketLock()).enabled
                            : absl::IsPermissionDenied(status);
  MutexLock lock(&mu_);
  may_hold_ = may_hold;
  return may_hold;
}

absl::StatusOr<std::string> S3Storage::HeldBy(std::string_view name) {
  VS_RETURN_IF_ERROR(ValidateName(name));
  VS_ASSIGN_OR_RETURN(const bool may_hold, MayHoldObjects());
  if (!may_hold) return std::string();
  S3Request request = HeadObjectRequest(KeyOf(name));
  request.what = UrlOf(name);
  request.AddHeaders(object_.KeyHeaders());
  const absl::StatusOr<HttpResponse> response = Call(std::move(request));
  if (absl::IsNotFound(response.status())) return std::string();
  if (!response.ok()) return response.status();
  if (response->Header("x-amz-object-lock-legal-hold") == "ON") {
    return std::string("locked by a legal hold");
  }
  const std::string_view until = response->Header("x-amz-object-lock-retain-until-date");
  absl::Time time;
  if (!absl::ParseTime(absl::RFC3339_full, ToAbsl(until), &time, nullptr) || time <= clock_()) {
    return std::string();
  }
  return absl::StrCat("locked (Object Lock, ", ToAbsl(response->Header("x-amz-object-lock-mode")),
                      ") until ",
                      absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", time, absl::UTCTimeZone()));
}

std::string S3Storage::RemovalNote() {
  S3Request request = GetVersioningRequest();
  request.what = absl::StrCat("versioning of ", Url());
  request.max_tries = 1;
  const absl::StatusOr<HttpResponse> response = Call(std::move(request));
  if (!response.ok() || ParseVersioning(response->body).value_or(BucketVersioning::kNever) !=
                            BucketVersioning::kEnabled) {
    return "";
  }
  return absl::StrCat("the bucket of ", Url(),
                      " is versioned: what was removed stays there as older versions, and is paid "
                      "for, until a lifecycle rule expires them");
}

S3LockPlace S3Storage::LockPlace(std::string_view stem) const {
  S3LockPlace place;
  place.client = client_.get();
  place.object = &object_;
  place.key = KeyOf(LockNameOf(stem));
  place.stem = std::string(stem);
  place.destination = Url();
  place.clock = clock_;
  place.cancelled = cancelled_;
  return place;
}

absl::StatusOr<std::vector<LockInfo>> S3Storage::Locks(std::string_view stem) {
  std::vector<std::string> stems;
  VS_RETURN_IF_ERROR(ForEachKey(stem, [&](ObjectInfo object) {
    const std::string_view found = StemOfLock(object.name);
    if (!found.empty() && (stem.empty() || found == stem)) stems.emplace_back(found);
    return absl::OkStatus();
  }));
  std::vector<LockInfo> locks;
  for (const std::string& found : stems) {
    absl::StatusOr<LockInfo> lock = ReadS3Lock(LockPlace(found));
    if (absl::IsNotFound(lock.status())) continue;
    if (!lock.ok()) return lock.status();
    locks.push_back(*std::move(lock));
  }
  return locks;
}

absl::Status S3Storage::BreakLock(std::string_view stem) {
  const S3LockPlace place = LockPlace(stem);
  const absl::StatusOr<LockInfo> lock = ReadS3Lock(place);
  if (absl::IsNotFound(lock.status())) return absl::OkStatus();
  if (!lock.ok()) return lock.status();
  if (lock->held && StateOf(lock->owner) == ProcessState::kRuns) {
    LockInfo running = *lock;
    running.expires = absl::InfiniteFuture();
    return LockHeldError(running, Url());
  }
  S3Request request = DeleteObjectRequest(place.key);
  request.what = absl::StrCat("removal of ", lock->url);
  return Call(std::move(request)).status();
}

absl::StatusOr<std::vector<std::string>> S3Storage::RemoveStale(std::string_view stem,
                                                                absl::Time older_than) {
  std::vector<std::string> removed;
  const std::string prefix = KeyOf(stem);
  UploadPage page;
  do {
    S3Request request =
        ListUploadsRequest(prefix, page.next_key_marker, page.next_upload_id_marker);
    request.what = absl::StrCat("list of unfinished uploads under ", Url());
    VS_ASSIGN_OR_RETURN(const HttpResponse response, Call(std::move(request)));
    absl::StatusOr<UploadPage> next = ParseUploadPage(response.body);
    if (!next.ok()) return Located(next.status());
    if (next->truncated && next->next_key_marker == page.next_key_marker &&
        next->next_upload_id_marker == page.next_upload_id_marker) {
      return Located(absl::InternalError("the list of uploads repeats a page for ever"));
    }
    page = *std::move(next);
    for (const ListedUpload& upload : page.uploads) {
      if (!absl::StartsWith(upload.key, location_.prefix) || upload.initiated >= older_than ||
          !BelongsTo(std::string_view(upload.key).substr(location_.prefix.size()), stem)) {
        continue;
      }
      S3Request abort = AbortUploadRequest(upload.key, upload.upload_id);
      abort.what = absl::StrCat("abort of a stale upload of ", client_->UrlOf(upload.key));
      const absl::Status status = client_->Call(std::move(abort)).status();
      if (IsGone(status)) continue;
      VS_RETURN_IF_ERROR(status);
      removed.push_back(absl::StrCat(
          "the unfinished upload of ", client_->UrlOf(upload.key), " begun ",
          absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", upload.initiated, absl::UTCTimeZone())));
    }
  } while (page.truncated);
  return removed;
}

absl::StatusOr<std::unique_ptr<Storage>> Open(std::unique_ptr<HttpTransport> owned,
                                              HttpTransport* transport, const S3Location& location,
                                              const S3Options& options,
                                              const S3ClientHooks& hooks) {
  VS_ASSIGN_OR_RETURN(std::unique_ptr<S3Client> client,
                      S3Client::Create(location.bucket, options, transport, hooks));
  VS_RETURN_IF_ERROR(options.object.Validate(client->https()));
  VS_ASSIGN_OR_RETURN(const S3Provider* provider, S3ProviderOf(options));
  return std::make_unique<S3Storage>(location, *provider, options.object, std::move(owned),
                                     std::move(client), hooks.clock);
}

}  // namespace

std::unique_ptr<HttpTransport> NewS3Transport(const S3Options& options) {
  CurlTransportOptions transport_options;
  transport_options.connections = options.connections;
  transport_options.connect_timeout = options.connect_timeout;
  transport_options.stall_timeout = options.stall_timeout;
  transport_options.ca_file = options.ca_file;
  transport_options.client_cert_file = options.client_cert_file;
  transport_options.client_key_file = options.client_key_file;
  transport_options.send_limit = options.upload_limit;
  if (!options.user_agent.empty()) {
    transport_options.user_agent =
        absl::StrCat("volstream/" VOLSTREAM_VERSION, " ", options.user_agent);
  }
  return std::make_unique<CurlTransport>(transport_options);
}

absl::StatusOr<std::unique_ptr<Storage>> OpenS3Storage(const S3Location& location,
                                                       const S3Options& given) {
  S3Options options = given;
  VS_RETURN_IF_ERROR(ResolveS3Options(&options));
  VS_RETURN_IF_ERROR(ValidateS3Options(options));
  std::unique_ptr<HttpTransport> owned = NewS3Transport(options);
  HttpTransport* const transport = owned.get();
  return Open(std::move(owned), transport, location, options, S3ClientHooks());
}

absl::StatusOr<std::unique_ptr<Storage>> OpenS3StorageOver(HttpTransport* transport,
                                                           const S3Location& location,
                                                           const S3Options& options,
                                                           const S3ClientHooks& hooks) {
  return Open(nullptr, transport, location, options, hooks);
}

}  // namespace volstream
