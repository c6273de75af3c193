#include "stages/s3_error.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "stages/absl_text.h"
#include "stages/error_kind.h"
#include "stages/retry_policy.h"

namespace volstream {
namespace {

constexpr char kCodePayload[] = "volstream/s3_code";
// A server's own words are cut here, so that the error stays one line.
constexpr size_t kMaxServerText = 200;

struct KnownCode {
  std::string_view code;
  absl::StatusCode status;
  std::string_view remedy;  // empty: the server's message says it all
};

constexpr std::string_view kSetRegion =
    "the bucket is in another region: set AWS_REGION, or AWS_ENDPOINT_URL, to the bucket's own";
constexpr std::string_view kNewToken =
    "the temporary keys are no longer valid: get new ones and set AWS_ACCESS_KEY_ID, "
    "AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN together";
constexpr std::string_view kFull = "the destination is full: prune old backups or raise the quota";
constexpr std::string_view kDamaged =
    "the bytes were damaged on their way: check the network hardware and any proxy";
constexpr std::string_view kGone =
    "the upload was aborted by someone else: look for a lifecycle rule or another cleaner";

constexpr std::string_view kOptions =
    "it does not take something that was asked for: see --storage-class, --sse, --checksum, --tag "
    "and --object-lock-mode";

constexpr std::string_view kNoObject = "there is no such object";

constexpr std::string_view kNotS3 = "the answer is not from an S3 server: check AWS_ENDPOINT_URL ";

// What is in the transport's message, and what to do then; the first that is in it. The endpoint
// follows.
constexpr std::pair<std::string_view, std::string_view> kTransportRemedies[] = {
    {"proxy", "check http_proxy, HTTPS_PROXY and NO_PROXY for the endpoint "},
    {"connection refused", "nothing listens there: check AWS_ENDPOINT_URL "},
    {"could not resolve host", "check the host name in AWS_ENDPOINT_URL, and DNS "},
    {"client certificate", "give a PEM file and its key with --client-cert and --client-key "},
    {"certificate has expired", "renew the certificate, or set this machine's clock "},
    {"certificate is not yet valid", "set this machine's clock "},
    {"target host name", "the certificate is for another host: correct AWS_ENDPOINT_URL "},
    {"CA file", "give a PEM file with --ca-file or AWS_CA_BUNDLE "},
    {"certificate required", "give a client certificate with --client-cert and --client-key "},
    {"certificate", "give the CA that signed it with --ca-file or AWS_CA_BUNDLE "},
    {"wrong version number",
     "the endpoint does not speak TLS: write http:// in AWS_ENDPOINT_URL, or correct it "},
    {"not HTTP", kNotS3},
    {"HTML page", kNotS3},
};

constexpr KnownCode kKnownCodes[] = {
    {"NoSuchBucket", absl::StatusCode::kFailedPrecondition,
     "create the bucket, or correct the destination"},
    {"InvalidBucketName", absl::StatusCode::kInvalidArgument, "correct the destination"},
    {"AccessDenied", absl::StatusCode::kPermissionDenied,
     "allow this key s3:PutObject, s3:GetObject, s3:DeleteObject, s3:AbortMultipartUpload and "
     "s3:ListBucket in the bucket's policy"},
    {"AllAccessDisabled", absl::StatusCode::kPermissionDenied, "the provider has shut the bucket"},
    {"AccountProblem", absl::StatusCode::kPermissionDenied, "ask the provider about the account"},
    {"InvalidAccessKeyId", absl::StatusCode::kUnauthenticated,
     "the endpoint does not know the access key: check AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL"},
    {"SignatureDoesNotMatch", absl::StatusCode::kUnauthenticated,
     "AWS_SECRET_ACCESS_KEY does not belong to AWS_ACCESS_KEY_ID, or a proxy changes requests"},
    {"ExpiredToken", absl::StatusCode::kUnauthenticated, kNewToken},
    {"InvalidToken", absl::StatusCode::kUnauthenticated, kNewToken},
    {"TokenRefreshRequired", absl::StatusCode::kUnauthenticated, kNewToken},
    {"RequestTimeTooSkewed", absl::StatusCode::kFailedPrecondition,
     "set this machine's clock (NTP)"},
    {"RequestExpired", absl::StatusCode::kFailedPrecondition, "set this machine's clock (NTP)"},
    {"PermanentRedirect", absl::StatusCode::kFailedPrecondition, kSetRegion},
    {"TemporaryRedirect", absl::StatusCode::kFailedPrecondition, kSetRegion},
    {"Redirect", absl::StatusCode::kFailedPrecondition, kSetRegion},
    {"AuthorizationHeaderMalformed", absl::StatusCode::kFailedPrecondition, kSetRegion},
    {"IllegalLocationConstraintException", absl::StatusCode::kFailedPrecondition, kSetRegion},
    {"EntityTooSmall", absl::StatusCode::kInvalidArgument,
     "a part that is not the last is under the provider's minimum (5 MiB): raise --part-size"},
    {"EntityTooLarge", absl::StatusCode::kInvalidArgument,
     "over the provider's limit: lower --part-size"},
    {"NoSuchKey", absl::StatusCode::kNotFound, kNoObject},
    {"NoSuchVersion", absl::StatusCode::kNotFound, kNoObject},
    {"NoSuchUpload", absl::StatusCode::kAborted, kGone},
    {"InvalidPart", absl::StatusCode::kAborted, kGone},
    {"InvalidPartOrder", absl::StatusCode::kAborted, ""},
    {"PreconditionFailed", absl::StatusCode::kAborted, ""},
    {"ConditionalRequestConflict", absl::StatusCode::kAborted, ""},
    {"QuotaExceeded", absl::StatusCode::kResourceExhausted, kFull},
    {"InsufficientStorage", absl::StatusCode::kResourceExhausted, kFull},
    {"XMinioStorageFull", absl::StatusCode::kResourceExhausted, kFull},
    {"InvalidRange", absl::StatusCode::kOutOfRange, ""},
    {"BadDigest", absl::StatusCode::kDataLoss, kDamaged},
    {"XAmzContentSHA256Mismatch", absl::StatusCode::kDataLoss, kDamaged},
    {"InvalidArgument", absl::StatusCode::kFailedPrecondition, kOptions},
    {"InvalidRequest", absl::StatusCode::kFailedPrecondition, kOptions},
    {"InvalidStorageClass", absl::StatusCode::kFailedPrecondition, kOptions},
    {"KeyTooLongError", absl::StatusCode::kInvalidArgument, "shorten the prefix"},
    {"NotImplemented", absl::StatusCode::kUnimplemented, "the provider does not offer this"},
    {"MethodNotAllowed", absl::StatusCode::kUnimplemented,
     "the endpoint does not take this request: check AWS_ENDPOINT_URL"},
    {"InvalidObjectState", absl::StatusCode::kFailedPrecondition,
     "the object is in an archive class: restore it to a readable class first"},
    {"SlowDown", absl::StatusCode::kUnavailable,
     "the provider limits the request rate: use fewer --connections"},
};

// For answers without a known code: those of HEAD, and of servers that are no S3.
KnownCode ByHttpStatus(const S3Failure& failure) {
  const int status = failure.http_status;
  if (status == 407) {
    return {"", absl::StatusCode::kFailedPrecondition,
            "the proxy wants a user name and a password: put them into http_proxy"};
  }
  if (status / 100 == 3) return {"", absl::StatusCode::kFailedPrecondition, kSetRegion};
  if (failure.foreign_body && failure.code.empty()) {
    return {"", absl::StatusCode::kFailedPrecondition,
            "the answer is not from an S3 server: check AWS_ENDPOINT_URL"};
  }
  switch (status) {
    case 401:
    case 403:
      return {"", absl::StatusCode::kPermissionDenied,
              "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the key's permissions"};
    case 404:
      return {"", absl::StatusCode::kNotFound, kNoObject};
    case 405:
      return {"", absl::StatusCode::kUnimplemented, "the provider does not offer this"};
    case 412:
      return {"", absl::StatusCode::kAborted, ""};
    case 416:
      return {"", absl::StatusCode::kOutOfRange, ""};
    case 501:
      return {"", absl::StatusCode::kUnimplemented, "the provider does not offer this"};
    case 507:
      return {"", absl::StatusCode::kResourceExhausted, kFull};
    default:
      return {"", absl::StatusCode::kFailedPrecondition, ""};
  }
}

KnownCode Lookup(const S3Failure& failure) {
  for (const KnownCode& known : kKnownCodes) {
    if (known.code == failure.code) return known;
  }
  // What may pass by itself: 5xx, and codes that have no line of their own, such as InternalError.
  if (RetryPolicy::Classify({absl::OkStatus(), failure.http_status, failure.code}) ==
      RetryVerdict::kOutage) {
    return {"", absl::StatusCode::kUnavailable, "try again later"};
  }
  return ByHttpStatus(failure);
}

absl::Status TransportStatus(const S3Failure& failure, std::string_view what,
                             const std::string& after, std::string_view endpoint) {
  const absl::Status& cause = failure.transport;
  const std::string text(cause.message());
  if (absl::IsCancelled(cause)) {
    return absl::CancelledError(absl::StrCat(ToAbsl(what), ": cancelled"));
  }
  absl::string_view remedy = "check the network and the endpoint ";
  for (const auto& [sign, advice] : kTransportRemedies) {
    if (!absl::StrContains(text, ToAbsl(sign))) continue;
    remedy = ToAbsl(advice);
    break;
  }
  if (absl::IsResourceExhausted(cause)) remedy = ToAbsl(kNotS3);
  const absl::StatusCode code =
      absl::IsDeadlineExceeded(cause) ? absl::StatusCode::kUnavailable : cause.code();
  return MakeError(
      ErrorKind::kS3, code,
      absl::StrCat(ToAbsl(what), ": ", text, after, "; ", remedy, "(", ToAbsl(endpoint), ")"));
}

}  // namespace

std::string ServerText(std::string_view text) {
  std::string line(text);
  for (char& c : line) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) c = ' ';
  }
  absl::RemoveExtraAsciiWhitespace(&line);
  if (line.size() > kMaxServerText) line = absl::StrCat(line.substr(0, kMaxServerText), "...");
  while (absl::EndsWith(line, ".") && !absl::EndsWith(line, "...")) line.pop_back();
  return line;
}

absl::Status S3StatusOf(const S3Failure& failure, std::string_view what,
                        std::string_view endpoint) {
  const std::string after =
      failure.tries > 1 ? absl::StrCat(" after ", failure.tries, " tries") : "";
  if (!failure.transport.ok()) return TransportStatus(failure, what, after, endpoint);

  const KnownCode known = Lookup(failure);
  std::string text = absl::StrCat(ToAbsl(what), ": HTTP ", failure.http_status);
  if (!failure.code.empty()) absl::StrAppend(&text, " ", ServerText(failure.code));
  absl::StrAppend(&text, after);
  const std::string server_text = ServerText(failure.message);
  if (!server_text.empty() && server_text != failure.code) {
    absl::StrAppend(&text, ": ", server_text);
  }
  if (!failure.bucket_region.empty() && known.remedy == kSetRegion) {
    absl::StrAppend(&text, "; the bucket is in ", ServerText(failure.bucket_region),
                    ": set AWS_REGION to that");
  } else if (!known.remedy.empty()) {
    absl::StrAppend(&text, "; ", ToAbsl(known.remedy));
  }
  const bool damaged = known.status == absl::StatusCode::kDataLoss;
  absl::Status status =
      MakeError(damaged ? ErrorKind::kIntegrity : ErrorKind::kS3, known.status, text);
  if (!failure.code.empty()) status.SetPayload(kCodePayload, absl::Cord(failure.code));
  return status;
}

std::string S3CodeOf(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kCodePayload);
  return payload.has_value() ? std::string(*payload) : "";
}

bool IsConditionFailed(const absl::Status& status) {
  const std::string code = S3CodeOf(status);
  // A 412 may come without a document.
  return code == "PreconditionFailed" || code == "ConditionalRequestConflict" ||
         (code.empty() && absl::IsAborted(status));
}

bool IsGone(const absl::Status& status) {
  return S3CodeOf(status) == "NoSuchUpload" || absl::IsNotFound(status);
}

}  // namespace volstream
