#include "stages/s3_settings.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/absl_text.h"
#include "stages/digest.h"

namespace volstream {
namespace {

S3Request PutPart(std::string_view key, std::string_view version_id, std::string_view part,
                  std::string body) {
  S3Request request;
  request.method = HttpMethod::kPut;
  request.key = std::string(key);
  request.query = {{std::string(part), ""}};
  if (!version_id.empty()) request.query.push_back({"versionId", std::string(version_id)});
  request.headers = {{"Content-MD5", ToBase64(Md5Of(AsBytes(body)))},
                     {"Content-Type", "application/xml"}};
  request.owned_body = std::move(body);
  return request;
}

bool IsHeld(const HttpResponse& head, absl::Time until) {
  absl::Time held;
  // Dates are sent in whole seconds.
  return absl::ParseTime(absl::RFC3339_full,
                         ToAbsl(head.Header("x-amz-object-lock-retain-until-date")), &held,
                         nullptr) &&
         held + absl::Seconds(1) >= until;
}

// A server that does not tell is taken to have them.
bool HasTags(const S3ObjectOptions& options, const HttpResponse& head) {
  size_t count = 0;
  return !absl::SimpleAtoi(ToAbsl(head.Header("x-amz-tagging-count")), &count) ||
         count == options.tags.size();
}

}  // namespace

S3Request PutRetentionRequest(std::string_view key, std::string_view version_id,
                              const std::string& mode, absl::Time until) {
  return PutPart(key, version_id, "retention",
                 absl::StrCat("<Retention xmlns=\"", kS3XmlNamespace, "\"><Mode>", mode,
                              "</Mode><RetainUntilDate>",
                              absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", until, absl::UTCTimeZone()),
                              "</RetainUntilDate></Retention>"));
}

S3Request PutTaggingRequest(std::string_view key, std::string_view version_id,
                            const std::vector<std::pair<std::string, std::string>>& tags) {
  std::string body = absl::StrCat("<Tagging xmlns=\"", kS3XmlNamespace, "\"><TagSet>");
  for (const auto& [name, value] : tags) {
    absl::StrAppend(&body, "<Tag><Key>", S3XmlText(name), "</Key><Value>", S3XmlText(value),
                    "</Value></Tag>");
  }
  body += "</TagSet></Tagging>";
  return PutPart(key, version_id, "tagging", std::move(body));
}

absl::StatusOr<bool> EnsureLock(S3Client* client, const std::string& key,
                                const S3ObjectOptions& options, const HttpResponse& head,
                                absl::Time until, std::shared_ptr<const CancelFlag> cancelled) {
  if (options.lock_mode.empty() || IsHeld(head, until)) return false;
  S3Request request =
      PutRetentionRequest(key, head.Header("x-amz-version-id"), options.lock_mode, until);
  request.what = absl::StrCat("Object Lock of ", client->UrlOf(key));
  request.patient = true;
  request.cancelled = std::move(cancelled);
  VS_RETURN_IF_ERROR(client->Call(std::move(request)).status());
  return true;
}

absl::StatusOr<bool> EnsureTags(S3Client* client, const std::string& key,
                                const S3ObjectOptions& options, const HttpResponse& head,
                                std::shared_ptr<const CancelFlag> cancelled) {
  if (options.tags.empty() || HasTags(options, head)) return false;
  S3Request request = PutTaggingRequest(key, head.Header("x-amz-version-id"), options.tags);
  request.what = absl::StrCat("tags of ", client->UrlOf(key));
  request.patient = true;
  request.cancelled = std::move(cancelled);
  VS_RETURN_IF_ERROR(client->Call(std::move(request)).status());
  return true;
}

}  // namespace volstream
