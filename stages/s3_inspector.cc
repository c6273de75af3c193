#include "stages/s3_inspector.h"

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "stages/error_kind.h"
#include "stages/s3_cleanup.h"

namespace volstream {

using Found = S3Inspection::Found;

S3Inspector::S3Inspector(S3Client* client, std::string key, std::vector<HttpHeader> key_headers,
                         std::shared_ptr<const CancelFlag> cancelled)
    : client_(client),
      key_(std::move(key)),
      url_(client->UrlOf(key_)),
      key_headers_(std::move(key_headers)),
      cancelled_(std::move(cancelled)) {}

S3Inspection S3Inspector::LookTwice(const S3Expectation& expected) const {
  S3Inspection inspection = Look(expected, /*bounded=*/false);
  // Cancelled meanwhile: the answer is still worth asking for.
  if (absl::IsCancelled(inspection.status) || inspection.found == Found::kOther) {
    inspection = Look(expected, /*bounded=*/true);
  }
  return inspection;
}

S3Inspection S3Inspector::Look(const S3Expectation& expected, bool bounded) const {
  const std::string what = absl::StrCat("check of ", url_);
  S3Request request = HeadObjectRequest(key_);
  request.headers = key_headers_;
  if (!expected.checksum.empty()) request.headers.push_back({"x-amz-checksum-mode", "ENABLED"});
  if (bounded) {
    request = S3Cleanup::Bounded(std::move(request), what);
  } else {
    request.what = what;
    request.cancelled = cancelled_;
    request.patient = true;
  }
  S3Inspection result;
  absl::StatusOr<HttpResponse> head = client_->Call(std::move(request));
  if (!head.ok()) {
    result.status = head.status();
    result.found = absl::IsNotFound(head.status()) ? Found::kNothing : Found::kUnknown;
    return result;
  }
  S3Proof proof = ProveByHead(*head, expected);
  result.etag = std::move(proof.etag);
  result.facts = std::move(proof.facts);
  result.found = proof.same ? Found::kOurs : Found::kOther;
  if (!proof.same) {
    result.status = MakeError(ErrorKind::kIntegrity, absl::StatusCode::kDataLoss,
                              absl::StrCat(url_, ": bytes differ: ", proof.difference));
  }
  result.head = *std::move(head);
  return result;
}

}  // namespace volstream
