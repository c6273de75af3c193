// S3Provider: what is known of an S3 provider beyond the API that all of them share: how its
// buckets are addressed, its limits, and which newer parts of S3 it takes. Found by the endpoint's
// host name, or named by the user. A table; nothing here sends anything.
//
// Sources: the providers' compatibility pages, and threads where users met the limits: Scaleway's
// 1,000 parts (rclone#4159), R2's equal parts (opendal#2904; its multipart page), B2's refusal of
// checksum headers (velero#7534) and of conditional writes, Ceph's of checksum trailers
// (velero#9804). Where nothing is known, nothing beyond plain S3 is asked for.
#ifndef VOLSTREAM_STAGES_S3_PROVIDER_H_
#define VOLSTREAM_STAGES_S3_PROVIDER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace volstream {

enum class S3Addressing {
  kAuto,         // the provider's
  kPath,         // https://endpoint/bucket/key
  kVirtualHost,  // https://bucket.endpoint/key
};

struct S3Provider {
  std::string_view name = {};   // as --provider takes it
  std::string_view title = {};  // for people
  S3Addressing addressing = S3Addressing::kPath;
  uint64_t max_parts = 10'000;    // of one upload
  bool equal_parts = false;       // every part but the last must have one size
  bool checksums = false;         // takes and keeps a CRC64NVME of the whole object
  bool conditional_puts = false;  // honours If-None-Match and If-Match on PUT
  std::string_view region = {};   // what to sign with when nobody says; empty = us-east-1
  std::string_view note = {};     // what people should know; may be empty
};

// The provider called `name`; by the endpoint's host when that is empty or "auto" (an empty host is
// AWS). kInvalidArgument, with all names, when there is no such one.
absl::StatusOr<const S3Provider*> FindS3Provider(std::string_view name, std::string_view host);

// All of them, in the order of the help text.
const std::vector<S3Provider>& S3Providers();
// "aws, hetzner, ..."
std::string S3ProviderNames();

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_S3_PROVIDER_H_
