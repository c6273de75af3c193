// What some servers leave out of a multipart upload that was begun with it: Object Lock and tags
// (Ceph 16 takes both from single PUTs alone). Held against the HEAD of the finished object, and
// asked for once more where that says that they are not there.
// Spec: Amazon S3 API reference, PutObjectRetention and PutObjectTagging.
#ifndef VOLSTREAM_STAGES_S3_SETTINGS_H_
#define VOLSTREAM_STAGES_S3_SETTINGS_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "stages/http_transport.h"
#include "stages/s3_client.h"
#include "stages/s3_object.h"
#include "stages/s3_requests.h"

namespace volstream {

// Of one version, unless `version_id` is empty.
S3Request PutRetentionRequest(std::string_view key, std::string_view version_id,
                              const std::string& mode, absl::Time until);
S3Request PutTaggingRequest(std::string_view key, std::string_view version_id,
                            const std::vector<std::pair<std::string, std::string>>& tags);

// Ask again for what the options ask for and `head`, the object's HEAD answer, contradicts; true if
// there was such a thing. The lock has to last until `until`. They wait out outages, and end soon
// once `cancelled` is set.
absl::StatusOr<bool> EnsureLock(S3Client* client, const std::string& key,
                                const S3ObjectOptions& options, const HttpResponse& head,
                                absl::Time until, std::shared_ptr<const CancelFlag> cancelled);
absl::StatusOr<bool> EnsureTags(S3Client* client, const std::string& key,
                                const S3ObjectOptions& options, const HttpResponse& head,
                                std::shared_ptr<const CancelFlag> cancelled);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_S3_SETTINGS_H_
