#include "stages/s3_sink.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "engine/check.h"
#include "engine/status_macros.h"
#include "stages/absl_text.h"
#include "stages/digest.h"
#include "stages/error_kind.h"
#include "stages/s3_settings.h"

namespace volstream {
namespace {

using Found = S3Inspection::Found;

// A part whose stored bytes differ is sent again, but not for ever: memory may be at fault.
constexpr int kMaxSends = 3;
// A server joins the parts before it answers, and some say nothing meanwhile.
constexpr int kCompleteStallFactor = 5;

absl::Status Integrity(const std::string& message) {
  return MakeError(ErrorKind::kIntegrity, absl::StatusCode::kDataLoss, message);
}

}  // namespace

std::string MultipartEtag(const std::vector<PartRecord>& parts) {
  Md5Stream md5;
  for (const PartRecord& part : parts) md5.Update(part.digest.md5);
  return absl::StrCat(ToHex(md5.Finish()), "-", parts.size());
}

struct S3Sink::PutJob {
  std::shared_ptr<const Part> part;
  Done done;
  uint64_t crc = 0;
  int sends = 0;

  // Drops the part first, as PartSink::Put promises.
  void End(absl::Status status) {
    part.reset();
    done(std::move(status));
  }
};

S3Sink::S3Sink(S3Client* client, std::string key, const S3ObjectOptions& object,
               const S3Provider& provider)
    : client_(client),
      key_(std::move(key)),
      object_(object),
      provider_(provider),
      checksum_(object.checksum, provider),
      url_(client->UrlOf(key_)),
      cleanup_(client, key_),
      cancelled_(std::make_shared<CancelFlag>(false)),
      inspector_(client, key_, object_.KeyHeaders(), cancelled_) {}

absl::Status S3Sink::Begin(const StreamShape& shape) {
  VS_CHECK(shape.part_bytes > 0);
  begun_at_ = absl::Now();
  single_ = shape.max_stream_bytes > 0 && shape.max_stream_bytes <= shape.part_bytes;
  if (single_) return absl::OkStatus();
  if (shape.part_bytes < kS3MinPartBytes) {
    return MakeError(ErrorKind::kS3, absl::StatusCode::kInvalidArgument,
                     absl::StrCat(url_, ": parts of ", shape.part_bytes,
                                  " bytes are under S3's minimum of 5 MiB; raise --part-size"));
  }
  if (shape.max_stream_bytes > provider_.max_parts * shape.part_bytes) {
    return MakeError(ErrorKind::kS3, absl::StatusCode::kResourceExhausted,
                     absl::StrCat(url_, ": up to ", shape.max_stream_bytes, " bytes in parts of ",
                                  shape.part_bytes, " are more than the provider's ",
                                  provider_.max_parts, " parts; raise --part-size"));
  }
  S3Request request = CreateUploadRequest(key_);
  request.what = absl::StrCat("begin of the upload of ", url_);
  request.cancelled = cancelled_;
  request.AddHeaders(object_.CreateHeaders(begun_at_, /*archive=*/true));
  if (checksum_.enabled()) {
    request.AddHeaders({{"x-amz-checksum-algorithm", std::string(checksum_.algorithm())},
                        {"x-amz-checksum-type", "FULL_OBJECT"}});
  }
  const uint64_t retries = client_->retries();
  const absl::StatusOr<HttpResponse> response = client_->Call(std::move(request));
  // Others that use this client may have counted as well; then there is nothing to be found.
  begin_unclear_ = client_->retries() != retries || absl::IsUnavailable(response.status()) ||
                   absl::IsCancelled(response.status());
  if (!response.ok()) return WithCleanup(response.status(), AbortUpload());
  absl::StatusOr<std::string> upload_id = ParseUploadId(response->body);
  if (!upload_id.ok()) {
    begin_unclear_ = true;
    return WithCleanup(WithContext(upload_id.status(), url_), AbortUpload());
  }
  upload_id_ = *std::move(upload_id);
  absl::Status encrypted = ConfirmEncryption(object_.encryption, *response, url_);
  return encrypted.ok() ? encrypted : WithCleanup(std::move(encrypted), AbortUpload());
}

void S3Sink::Put(std::shared_ptr<const Part> part, Done done) {
  auto job = std::make_shared<PutJob>();
  job->part = std::move(part);
  job->done = std::move(done);
  if (job->part->number() > provider_.max_parts) {
    job->End(
        MakeError(ErrorKind::kS3, absl::StatusCode::kResourceExhausted,
                  absl::StrCat(url_, ": part ", job->part->number(), " is beyond the provider's ",
                               provider_.max_parts, " parts; raise --part-size")));
    return;
  }
  if (single_ && job->part->index != 0) {
    job->End(absl::InternalError(
        absl::StrCat(url_, ": the stream is longer than its upper bound said")));
    return;
  }
  if (checksum_.enabled()) job->crc = checksum_.Of(job->part->data());
  Send(job);
}

void S3Sink::Send(const std::shared_ptr<PutJob>& job) {
  const Part& part = *job->part;
  ++job->sends;
  S3Request request;
  if (single_) {
    request = PutObjectRequest(key_, part.data(), part.digest.md5);
    request.what = url_;
    request.AddHeaders(object_.CreateHeaders(begun_at_, /*archive=*/true));
    // Sent again, it replaces what it has made itself.
    if (provider_.conditional_puts && job->sends == 1) {
      request.AddHeaders({{"If-None-Match", "*"}});
    }
    S3Expectation expected;
    expected.bytes = part.bytes;
    expected.etag = ToHex(part.digest.md5);
    MutexLock lock(&mu_);
    single_sent_ = std::move(expected);
  } else {
    request = UploadPartRequest(key_, upload_id_, part.number(), part.data(), part.digest.md5);
    request.what = absl::StrCat("part ", part.number(), " of ", url_);
    request.AddHeaders(object_.KeyHeaders());
  }
  if (checksum_.enabled()) {
    request.AddHeaders({{std::string(checksum_.header()), checksum_.Text(job->crc)}});
  }
  if (part.digest.sha256 != Sha256Digest{}) request.body_sha256 = part.digest.sha256;
  request.patient = true;
  request.cancelled = cancelled_;
  client_->Submit(std::move(request), [this, job](absl::StatusOr<HttpResponse> result) {
    OnPut(job, std::move(result));
  });
}

void S3Sink::OnPut(const std::shared_ptr<PutJob>& job, absl::StatusOr<HttpResponse> result) {
  if (!result.ok()) {
    if (single_ && IsConditionFailed(result.status())) {
      // Finish finds out whose object it is.
      result = HttpResponse();
    } else {
      job->End(result.status());
      return;
    }
  } else if (single_) {
    {
      MutexLock lock(&mu_);
      made_ = true;
      version_id_ = std::string(result->Header("x-amz-version-id"));
    }
    if (absl::Status encrypted = ConfirmEncryption(object_.encryption, *result, url_);
        !encrypted.ok()) {
      job->End(std::move(encrypted));
      return;
    }
  }
  const Part& part = *job->part;
  const std::string md5 = ToHex(part.digest.md5);
  std::string etag = PlainEtag(result->Header("ETag"));
  // Without an ETag the server has at least checked Content-MD5, and Complete takes the MD5.
  if (etag.empty()) etag = md5;
  if (IsMd5Etag(*result, etag) && !absl::EqualsIgnoreCase(etag, md5)) {
    if (job->sends < kMaxSends && !cancelled_->load()) {
      Send(job);
      return;
    }
    job->End(Integrity(absl::StrCat(
        "part ", part.number(), " of ", url_, ": bytes differ: the server has MD5 ", etag, ", not ",
        md5, ", after ", job->sends, " sends; check this machine's memory ", "and the provider")));
    return;
  }
  {
    MutexLock lock(&mu_);
    if (stored_.size() <= part.index) stored_.resize(part.index + 1);
    stored_[part.index] = {std::move(etag), job->crc};
  }
  job->End(absl::OkStatus());
}

void S3Sink::Cancel() {
  cancelled_->store(true);
  client_->Sweep();
}

std::string S3Sink::PredictedEtag(const StreamSummary& summary) const {
  if (!single_) return MultipartEtag(summary.parts);
  return summary.parts.empty() ? "" : ToHex(summary.parts.front().digest.md5);
}

absl::StatusOr<std::string> S3Sink::Finish(const StreamSummary& summary) {
  if (absl::Status status = CheckParts(summary); !status.ok()) {
    return WithCleanup(std::move(status), Abort());
  }
  return single_ ? FinishSingle(summary) : FinishUpload(summary);
}

absl::Status S3Sink::CheckParts(const StreamSummary& summary) const {
  if (summary.parts.empty()) return absl::InternalError(absl::StrCat(url_, ": an empty stream"));
  MutexLock lock(&mu_);
  const bool all = stored_.size() == summary.parts.size() &&
                   std::none_of(stored_.begin(), stored_.end(),
                                [](const StoredPart& part) { return part.etag.empty(); });
  if (all) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat(url_, ": not every one of the ", summary.parts.size(), " parts was stored"));
}

S3Expectation S3Sink::Expected(const StreamSummary& summary) const {
  S3Expectation expected;
  expected.bytes = summary.bytes;
  expected.etag = PredictedEtag(summary);
  if (!checksum_.enabled()) return expected;
  std::vector<uint64_t> crcs;
  {
    MutexLock lock(&mu_);
    for (const StoredPart& part : stored_) crcs.push_back(part.crc);
  }
  expected.checksum = checksum_.Text(checksum_.Combine(crcs, summary.parts));
  expected.checksum_header = std::string(checksum_.header());
  expected.checksum_algorithm = std::string(checksum_.algorithm());
  return expected;
}

absl::StatusOr<std::string> S3Sink::Proven(S3Inspection inspection, const S3Expectation& expected) {
  const HttpResponse& head = inspection.head;
  {
    MutexLock lock(&mu_);
    if (version_id_.empty()) version_id_ = std::string(head.Header("x-amz-version-id"));
  }
  const absl::StatusOr<bool> locked =
      EnsureLock(client_, key_, object_, head, begun_at_ + object_.lock_for, cancelled_);
  if (!locked.ok()) {
    // What is held already, if not for as long, cannot be removed.
    const bool held = !head.Header("x-amz-object-lock-retain-until-date").empty();
    return WithCleanup(locked.status(), held ? absl::OkStatus() : DeleteMade());
  }
  const absl::StatusOr<bool> tagged = EnsureTags(client_, key_, object_, head, cancelled_);
  if (*locked) {
    if (S3Inspection again = inspector_.Look(expected, /*bounded=*/true);
        again.found == Found::kOurs) {
      inspection = std::move(again);
    }
  }
  facts_ = std::move(inspection.facts);
  // The backup is as good without them.
  if (!tagged.ok()) {
    facts_.emplace_back("tags", absl::StrCat("not stored: ", tagged.status().message()));
  }
  return std::move(inspection.etag);
}

absl::StatusOr<std::string> S3Sink::FinishSingle(const StreamSummary& summary) {
  const S3Expectation expected = Expected(summary);
  bool made;
  {
    MutexLock lock(&mu_);
    made = made_;
  }
  S3Inspection inspection = inspector_.LookTwice(expected);
  if (inspection.found == Found::kOurs && !made) {
    // Only its bytes are known to be ours.
    VS_RETURN_IF_ERROR(ConfirmEncryption(object_.encryption, inspection.head, url_));
  }
  if (inspection.found == Found::kOurs) return Proven(std::move(inspection), expected);
  // The PUT's own ETag was compared already; a key that may only write can prove no more.
  if (made && absl::IsPermissionDenied(inspection.status)) {
    facts_ = {{"proof", "Content-MD5 and the ETag of the answer; the key may not read"}};
    return expected.etag;
  }
  return WithCleanup(std::move(inspection.status), DeleteSingle());
}

absl::StatusOr<HttpResponse> S3Sink::Complete(const S3Expectation& expected) {
  std::vector<UploadedPart> parts;
  {
    MutexLock lock(&mu_);
    parts.reserve(stored_.size());
    for (const StoredPart& part : stored_) {
      parts.push_back({part.etag, checksum_.enabled() ? checksum_.Text(part.crc) : ""});
    }
  }
  S3Request request = CompleteUploadRequest(key_, upload_id_, parts, checksum_.element());
  request.what = absl::StrCat("end of the upload of ", url_);
  request.stall_timeout = kCompleteStallFactor * client_->stall_timeout();
  request.patient = true;
  request.cancelled = cancelled_;
  request.AddHeaders(object_.KeyHeaders());
  if (checksum_.enabled()) {
    request.AddHeaders({{std::string(checksum_.header()), expected.checksum},
                        {"x-amz-checksum-type", "FULL_OBJECT"}});
  }
  if (provider_.conditional_puts) request.AddHeaders({{"If-None-Match", "*"}});
  return client_->Call(std::move(request));
}

absl::StatusOr<std::string> S3Sink::FinishUpload(const StreamSummary& summary) {
  const S3Expectation expected = Expected(summary);
  // What it could not remove is no reason to give up the upload.
  AbortStrays().IgnoreError();
  const uint64_t retries = client_->retries();
  const absl::StatusOr<HttpResponse> completed = Complete(expected);
  if (!completed.ok()) {
    const absl::Status& status = completed.status();
    // NoSuchUpload: an earlier try whose answer was lost may have done it all.
    const bool unclear = absl::IsUnavailable(status) || absl::IsCancelled(status) ||
                         IsGone(status) || IsConditionFailed(status) ||
                         client_->retries() != retries;
    if (unclear) return ResolveUnclear(expected, status);
    return WithCleanup(status, AbortUpload());
  }
  {
    MutexLock lock(&mu_);
    version_id_ = std::string(completed->Header("x-amz-version-id"));
  }
  S3Inspection inspection = inspector_.LookTwice(expected);
  if (inspection.found == Found::kOurs) return Proven(std::move(inspection), expected);
  // Whoever said that it was complete.
  if (inspection.found == Found::kNothing) {
    return WithCleanup(std::move(inspection.status), AbortUpload());
  }
  // A key that may not read proves the object by the ETag in Complete's answer, if that has one.
  if (absl::IsPermissionDenied(inspection.status) &&
      absl::StrContains(completed->body, expected.etag)) {
    facts_ = {{"proof", "Content-MD5 and the ETag of the answer; the key may not read"}};
    return expected.etag;
  }
  return WithCleanup(std::move(inspection.status), DeleteMade());
}

absl::StatusOr<std::string> S3Sink::ResolveUnclear(const S3Expectation& expected,
                                                   absl::Status cause) {
  S3Inspection inspection = inspector_.Look(expected, /*bounded=*/true);
  if (inspection.found == Found::kOurs) return Proven(std::move(inspection), expected);
  const absl::Status aborted = AbortUpload();
  // Complete may have been at work until the abort came; only now is its outcome settled.
  if (inspection.found == Found::kNothing) inspection = inspector_.Look(expected, /*bounded=*/true);
  switch (inspection.found) {
    case Found::kOurs:
      return Proven(std::move(inspection), expected);
    case Found::kNothing:
      return WithCleanup(std::move(cause), aborted);
    case Found::kOther:
      // Perhaps an older object of that name: not ours to delete.
      return WithCleanup(std::move(cause),
                         absl::InternalError(absl::StrCat("an object with other bytes is at ", url_,
                                                          "; left as it is")));
    case Found::kUnknown:
      break;
  }
  return WithCleanup(std::move(cause),
                     absl::UnknownError(absl::StrCat("whether ", url_, " exists is not known")));
}

absl::Status S3Sink::Abort() { return single_ ? DeleteSingle() : AbortUpload(); }

absl::Status S3Sink::AbortStrays() {
  if (!std::exchange(begin_unclear_, false)) return absl::OkStatus();
  return cleanup_.AbortOthers(upload_id_);
}

absl::Status S3Sink::AbortUpload() {
  const absl::Status strays = AbortStrays();
  if (upload_id_.empty()) return strays;
  absl::Status status = cleanup_.AbortUpload(upload_id_);
  status.Update(strays);
  return status;
}

absl::Status S3Sink::DeleteMade() {
  std::string version_id;
  {
    MutexLock lock(&mu_);
    version_id = version_id_;
  }
  return cleanup_.DeleteObject(version_id);
}

absl::Status S3Sink::DeleteSingle() {
  std::optional<S3Expectation> unsure;
  {
    MutexLock lock(&mu_);
    if (!single_sent_.has_value()) return absl::OkStatus();
    if (!made_) unsure = single_sent_;
  }
  if (unsure.has_value()) {
    const S3Inspection inspection = inspector_.Look(*unsure, /*bounded=*/true);
    if (inspection.found == Found::kNothing) return absl::OkStatus();
    if (inspection.found == Found::kOther) {
      return absl::InternalError(
          absl::StrCat("an object with other bytes is at ", url_, "; left as it is"));
    }
    if (inspection.found == Found::kUnknown) {
      return absl::UnknownError(absl::StrCat("whether ", url_, " exists is not known"));
    }
  }
  return DeleteMade();
}

absl::Status S3Sink::WithCleanup(absl::Status status, const absl::Status& cleanup) const {
  if (!cleanup.ok()) status = WithSequel(status, cleanup.message());
  // A cancelled Finish keeps its own kind: the interruption is the cause.
  return absl::IsCancelled(status) ? status : WithKind(std::move(status), ErrorKind::kS3);
}

}  // namespace volstream
