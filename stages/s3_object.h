// S3ObjectOptions: how objects are stored beyond their bytes: encryption, checksum, storage class,
// tags, metadata, Object Lock; and the request headers that say so (Amazon S3 API reference,
// PutObject and CreateMultipartUpload).
#ifndef VOLSTREAM_STAGES_S3_OBJECT_H_
#define VOLSTREAM_STAGES_S3_OBJECT_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "stages/http_transport.h"

namespace volstream {

enum class S3Encryption {
  kDefault,      // the bucket's
  kS3,           // SSE-S3: keys of the provider's
  kKms,          // SSE-KMS
  kCustomerKey,  // SSE-C: the key goes with every request, and the provider keeps none
};

enum class S3Checksum {
  kAuto,  // CRC64NVME where the provider is known to take it
  kNone,
  kCrc32c,
  kCrc64Nvme,
};

struct S3ObjectOptions {
  S3Encryption encryption = S3Encryption::kDefault;
  std::string kms_key_id;    // empty = the provider's own for the bucket
  std::string customer_key;  // 32 bytes; of SSE-C alone
  S3Checksum checksum = S3Checksum::kAuto;
  std::string storage_class;  // of archives; empty = the bucket's
  std::vector<std::pair<std::string, std::string>> tags;
  std::vector<std::pair<std::string, std::string>> metadata;
  std::string lock_mode;  // "GOVERNANCE" or "COMPLIANCE"; empty = the bucket's default
  absl::Duration lock_for = absl::ZeroDuration();  // with lock_mode

  S3ObjectOptions() = default;
  S3ObjectOptions(const S3ObjectOptions&) = default;
  S3ObjectOptions(S3ObjectOptions&&) = default;
  S3ObjectOptions& operator=(const S3ObjectOptions&) = default;
  S3ObjectOptions& operator=(S3ObjectOptions&&) = default;
  // Wipes the key.
  ~S3ObjectOptions();

  // ErrorKind::kS3, naming the option, when the options cannot work together or would end a
  // header; `https` is the endpoint's.
  absl::Status Validate(bool https) const;

  // For the request that makes an object. Volstream's small objects stay in the bucket's class,
  // as the cheaper ones bill a minimum size.
  std::vector<HttpHeader> CreateHeaders(absl::Time now, bool archive) const;
  // For every request that reads or writes an object's bytes or asks for its properties.
  std::vector<HttpHeader> KeyHeaders() const;
};

// The key in a file: 32 bytes as they are, or in base64. Errors name the file, never its contents.
absl::StatusOr<std::string> ReadCustomerKey(const std::string& path);

// "NAME=VALUE" for --tag and --metadata; `option` names it in the error.
absl::StatusOr<std::pair<std::string, std::string>> ParseNameValue(std::string_view text,
                                                                   std::string_view option);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_S3_OBJECT_H_
