#include "stages/s3_cleanup.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "engine/status_macros.h"
#include "stages/error_kind.h"
#include "stages/s3_error.h"

namespace volstream {
namespace {

constexpr int kBoundedTries = 3;
constexpr absl::Duration kBoundedDeadline = absl::Seconds(10);
constexpr int kMaxAborts = 3;
constexpr absl::Duration kAbortBudget = absl::Seconds(30);
constexpr int kMaxStrayPages = 3;

}  // namespace

S3Cleanup::S3Cleanup(S3Client* client, std::string key)
    : client_(client), key_(std::move(key)), url_(client->UrlOf(key_)) {}

absl::Status S3Cleanup::AbortUpload(const std::string& upload_id) const {
  if (upload_id.empty()) return absl::OkStatus();
  const std::string what = absl::StrCat("abort of the upload of ", url_);
  const absl::Time give_up = absl::Now() + kAbortBudget;
  // Parts that a server was still taking in when the abort came can land after it.
  for (int round = 0; round < kMaxAborts && absl::Now() < give_up; ++round) {
    const absl::Status aborted =
        client_->Call(Bounded(AbortUploadRequest(key_, upload_id), what)).status();
    if (!aborted.ok() && !IsGone(aborted)) {
      return WithContext(aborted,
                         "parts of an unfinished upload may stay (a later prune finds "
                         "them)");
    }
    const absl::Status left =
        client_->Call(Bounded(ListPartsRequest(key_, upload_id), what)).status();
    // Any other answer than a list means that there is nothing, or nothing to be seen with this
    // key; the abort itself went well.
    if (!left.ok()) return absl::OkStatus();
  }
  return MakeError(ErrorKind::kS3, absl::StatusCode::kUnavailable,
                   absl::StrCat(what, ": the upload is still listed; a later prune removes it"));
}

absl::Status S3Cleanup::AbortOthers(const std::string& upload_id) const {
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
      if (upload.key != key_ || upload.upload_id == upload_id) continue;
      const absl::Status aborted =
          client_->Call(Bounded(AbortUploadRequest(key_, upload.upload_id), what)).status();
      if (!aborted.ok() && !IsGone(aborted)) return aborted;
    }
  }
  return absl::OkStatus();
}

absl::Status S3Cleanup::DeleteObject(std::string_view version_id) const {
  const absl::Status deleted =
      client_
          ->Call(Bounded(DeleteObjectRequest(key_, version_id), absl::StrCat("removal of ", url_)))
          .status();
  return absl::IsNotFound(deleted) ? absl::OkStatus() : deleted;
}

S3Request S3Cleanup::Bounded(S3Request request, std::string what) {
  request.what = std::move(what);
  request.max_tries = kBoundedTries;
  request.deadline = kBoundedDeadline;
  request.cancelled = nullptr;
  return request;
}

}  // namespace volstream
