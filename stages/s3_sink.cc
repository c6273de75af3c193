#include "stages/s3_sink.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "engine/check.h"
#include "engine/status_macros.h"
#include "stages/absl_text.h"
#include "stages/digest.h"
#include "stages/error_kind.h"

namespace volstream {
namespace {

// A part whose stored bytes differ is sent again, but not for ever: memory may be at fault.
constexpr int kMaxSends = 3;
constexpr int kBoundedTries = 3;
constexpr absl::Duration kBoundedDeadline = absl::Seconds(10);
constexpr int kMaxAborts = 3;
constexpr absl::Duration kAbortBudget = absl::Seconds(30);
constexpr int kMaxStrayPages = 3;
// A server joins the parts before it answers, and some say nothing meanwhile.
constexpr int kCompleteStallFactor = 5;

// Whether the ETag is the MD5 (of the MD5s) of the bytes.
bool IsMd5Etag(const HttpResponse& response, const std::string& etag) {
  const std::string_view sse = response.Header("x-amz-server-side-encryption");
  if (absl::StartsWith(ToAbsl(sse), "aws:kms") ||
      !response.Header("x-amz-server-side-encryption-customer-algorithm").empty()) {
    return false;
  }
  const absl::string_view text(etag);
  const absl::string_view hash = text.substr(0, text.find('-'));
  if (hash.size() != 32) return false;
  return std::all_of(hash.begin(), hash.end(),
                     [](char c) { return absl::ascii_isxdigit(static_cast<unsigned char>(c)); });
}

bool IsGone(const absl::Status& status) {
  return S3CodeOf(status) == "NoSuchUpload" || absl::IsNotFound(status);
}

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
      url_(client->UrlOf(key_)),
      cancelled_(std::make_shared<CancelFlag>(false)) {}

absl::Status S3Sink::Begin(const StreamShape& shape) {
  VS_CHECK(shape.part_bytes > 0);
  single_ = shape.max_stream_bytes > 0 && shape.max_stream_bytes <= shape.part_bytes;
  if (single_) return absl::OkStatus();
  if (shape.part_bytes < kS3MinPartBytes) {
    return MakeError(ErrorKind::kS3, absl::StatusCode::kInvalidArgument,
                     absl::StrCat(url_, ": parts of ", shape.part_bytes,
                                  " bytes are under S3's minimum of 5 MiB; raise --part-size"));
  }
  if (shape.max_stream_bytes > kS3MaxParts * shape.part_bytes) {
    return MakeError(ErrorKind::kS3, absl::StatusCode::kResourceExhausted,
                     absl::StrCat(url_, ": up to ", shape.max_stream_bytes, " bytes in parts of ",
                                  shape.part_bytes, " are more than S3's ", kS3MaxParts,
                                  " parts; raise --part-size"));
  }
  S3Request request = CreateUploadRequest(key_);
  request.what = absl::StrCat("begin of the upload of ", url_);
  request.cancelled = cancelled_;
  const uint64_t retries = client_->retries();
  const absl::StatusOr<HttpResponse> response = client_->Call(std::move(request));
  // Of this client nothing else is under way.
  begin_unclear_ = client_->retries() != retries || absl::IsUnavailable(response.status()) ||
                   absl::IsCancelled(response.status());
  if (!response.ok()) return WithCleanup(response.status(), AbortStrays());
  absl::StatusOr<std::string> upload_id = ParseUploadId(response->body);
  if (!upload_id.ok()) {
    begin_unclear_ = true;
    return WithCleanup(WithContext(upload_id.status(), url_), AbortStrays());
  }
  upload_id_ = *std::move(upload_id);
  return absl::OkStatus();
}

void S3Sink::Put(std::shared_ptr<const Part> part, Done done) {
  auto job = std::make_shared<PutJob>();
  job->part = std::move(part);
  job->done = std::move(done);
  if (job->part->number() > kS3MaxParts) {
    job->End(MakeError(ErrorKind::kS3, absl::StatusCode::kResourceExhausted,
                       absl::StrCat(url_, ": part ", job->part->number(), " is beyond S3's ",
                                    kS3MaxParts, " parts; raise --part-size")));
    return;
  }
  if (single_ && job->part->index != 0) {
    job->End(absl::InternalError(
        absl::StrCat(url_, ": the stream is longer than its upper bound said")));
    return;
  }
  Send(job);
}

void S3Sink::Send(const std::shared_ptr<PutJob>& job) {
  const Part& part = *job->part;
  ++job->sends;
  S3Request request;
  if (single_) {
    MutexLock lock(&mu_);
    single_sent_ = true;
    request = PutObjectRequest(key_, part.data(), part.digest.md5);
    request.what = url_;
  } else {
    request = UploadPartRequest(key_, upload_id_, part.number(), part.data(), part.digest.md5);
    request.what = absl::StrCat("part ", part.number(), " of ", url_);
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
    job->End(result.status());
    return;
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
    if (etags_.size() <= part.index) etags_.resize(part.index + 1);
    etags_[part.index] = std::move(etag);
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
  const bool all = etags_.size() == summary.parts.size() &&
                   std::none_of(etags_.begin(), etags_.end(),
                                [](const std::string& etag) { return etag.empty(); });
  if (all) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat(url_, ": not every one of the ", summary.parts.size(), " parts was stored"));
}

absl::StatusOr<std::string> S3Sink::FinishSingle(const StreamSummary& summary) {
  Inspection inspection = Inspect(summary, /*bounded=*/false);
  if (inspection.found == Found::kOurs) return inspection.etag;
  // The PUT's own ETag was compared already; a key that may only write can prove no more.
  if (absl::IsPermissionDenied(inspection.status)) return PredictedEtag(summary);
  return WithCleanup(std::move(inspection.status), DeleteObject());
}

absl::StatusOr<std::string> S3Sink::FinishUpload(const StreamSummary& summary) {
  std::vector<std::string> etags;
  {
    MutexLock lock(&mu_);
    etags = etags_;
  }
  // What it could not remove is no reason to give up the upload.
  AbortStrays().IgnoreError();
  S3Request request = CompleteUploadRequest(key_, upload_id_, etags);
  request.what = absl::StrCat("end of the upload of ", url_);
  request.stall_timeout = kCompleteStallFactor * client_->stall_timeout();
  request.patient = true;
  request.cancelled = cancelled_;
  const absl::StatusOr<HttpResponse> completed = client_->Call(std::move(request));
  if (!completed.ok()) {
    const absl::Status& status = completed.status();
    // NoSuchUpload: an earlier try whose answer was lost may have done it all.
    const bool unclear = absl::IsUnavailable(status) || absl::IsCancelled(status) || IsGone(status);
    if (unclear) return ResolveUnclear(summary, status);
    return WithCleanup(status, AbortUpload());
  }
  Inspection inspection = Inspect(summary, /*bounded=*/false);
  // Cancelled between the two: the answer is still worth asking for.
  if (absl::IsCancelled(inspection.status)) inspection = Inspect(summary, /*bounded=*/true);
  if (inspection.found == Found::kOurs) return inspection.etag;
  // Whoever said that it was complete.
  if (inspection.found == Found::kNothing) {
    return WithCleanup(std::move(inspection.status), AbortUpload());
  }
  // A key that may not read proves the object by the ETag in Complete's answer, if that has one.
  if (absl::IsPermissionDenied(inspection.status) &&
      absl::StrContains(completed->body, PredictedEtag(summary))) {
    return PredictedEtag(summary);
  }
  return WithCleanup(std::move(inspection.status), DeleteObject());
}

absl::StatusOr<std::string> S3Sink::ResolveUnclear(const StreamSummary& summary,
                                                   absl::Status cause) {
  Inspection inspection = Inspect(summary, /*bounded=*/true);
  if (inspection.found == Found::kOurs) return inspection.etag;
  const absl::Status aborted = AbortUpload();
  // Complete may have been at work until the abort came; only now is its outcome settled.
  if (inspection.found == Found::kNothing) inspection = Inspect(summary, /*bounded=*/true);
  switch (inspection.found) {
    case Found::kOurs:
      return inspection.etag;
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

S3Sink::Inspection S3Sink::Inspect(const StreamSummary& summary, bool bounded) {
  const std::string what = absl::StrCat("check of ", url_);
  S3Request request = HeadObjectRequest(key_);
  if (bounded) {
    request = Bounded(std::move(request), what);
  } else {
    request.what = what;
    request.cancelled = cancelled_;
    request.patient = true;
  }
  Inspection result;
  const absl::StatusOr<HttpResponse> head = client_->Call(std::move(request));
  if (!head.ok()) {
    result.status = head.status();
    result.found = absl::IsNotFound(head.status()) ? Found::kNothing : Found::kUnknown;
    return result;
  }
  result.etag = PlainEtag(head->Header("ETag"));
  uint64_t bytes = 0;
  if (!absl::SimpleAtoi(ToAbsl(head->Header("Content-Length")), &bytes) || bytes != summary.bytes) {
    result.found = Found::kOther;
    result.status = Integrity(absl::StrCat(url_, ": bytes differ: the object has ",
                                           ToAbsl(head->Header("Content-Length")), " bytes, not ",
                                           summary.bytes));
    return result;
  }
  const std::string predicted = PredictedEtag(summary);
  if (IsMd5Etag(*head, result.etag) && !absl::EqualsIgnoreCase(result.etag, predicted)) {
    result.found = Found::kOther;
    result.status = Integrity(absl::StrCat(url_, ": bytes differ: the object has ETag ",
                                           result.etag, ", not ", predicted));
    return result;
  }
  result.found = Found::kOurs;
  return result;
}

absl::Status S3Sink::Abort() {
  if (!single_) return AbortUpload();
  {
    MutexLock lock(&mu_);
    if (!single_sent_) return absl::OkStatus();
  }
  return DeleteObject();
}

absl::Status S3Sink::AbortUpload() {
  const absl::Status strays = AbortStrays();
  if (upload_id_.empty()) return strays;
  const std::string what = absl::StrCat("abort of the upload of ", url_);
  const absl::Time give_up = absl::Now() + kAbortBudget;
  // Parts that a server was still taking in when the abort came can land after it.
  for (int round = 0; round < kMaxAborts && absl::Now() < give_up; ++round) {
    const absl::Status aborted =
        client_->Call(Bounded(AbortUploadRequest(key_, upload_id_), what)).status();
    if (!aborted.ok() && !IsGone(aborted)) {
      return WithContext(aborted,
                         "parts of an unfinished upload may stay (a later prune finds "
                         "them)");
    }
    const absl::Status left =
        client_->Call(Bounded(ListPartsRequest(key_, upload_id_), what)).status();
    // Any other answer than a list means that there is nothing, or nothing to be seen with this
    // key; the abort itself went well.
    if (!left.ok()) return strays;
  }
  return MakeError(ErrorKind::kS3, absl::StatusCode::kUnavailable,
                   absl::StrCat(what, ": the upload is still listed; a later prune removes it"));
}

absl::Status S3Sink::AbortStrays() {
  if (!std::exchange(begin_unclear_, false)) return absl::OkStatus();
  const std::string what =
      absl::StrCat("an unfinished upload of ", url_, " may stay (a later prune finds it)");
  const absl::Time give_up = absl::Now() + kAbortBudget;
  UploadPage page;
  page.truncated = true;
  for (int i = 0; page.truncated && i < kMaxStrayPages && absl::Now() < give_up; ++i) {
    VS_ASSIGN_OR_RETURN(
        const HttpResponse response,
        client_->Call(Bounded(
            ListUploadsRequest(key_, page.next_key_marker, page.next_upload_id_marker), what)));
    VS_ASSIGN_OR_RETURN(page, ParseUploadPage(response.body));
    for (const ListedUpload& upload : page.uploads) {
      if (upload.key != key_ || upload.upload_id == upload_id_) continue;
      const absl::Status aborted =
          client_->Call(Bounded(AbortUploadRequest(key_, upload.upload_id), what)).status();
      if (!aborted.ok() && !IsGone(aborted)) return aborted;
    }
  }
  return absl::OkStatus();
}

absl::Status S3Sink::DeleteObject() {
  const absl::Status deleted =
      client_->Call(Bounded(DeleteObjectRequest(key_), absl::StrCat("removal of ", url_))).status();
  return absl::IsNotFound(deleted) ? absl::OkStatus() : deleted;
}

absl::Status S3Sink::WithCleanup(absl::Status status, absl::Status cleanup) const {
  if (!cleanup.ok()) {
    status = WithSequel(status, cleanup.message());
  }
  // A cancelled Finish keeps its own kind: the interruption is the cause.
  return absl::IsCancelled(status) ? status : WithKind(std::move(status), ErrorKind::kS3);
}

S3Request S3Sink::Bounded(S3Request request, std::string what) const {
  request.what = std::move(what);
  request.max_tries = kBoundedTries;
  request.deadline = kBoundedDeadline;
  request.cancelled = nullptr;
  return request;
}

}  // namespace volstream
