// S3Proof: what a HEAD of an object says, held against what was sent. Pure; sends nothing.
#ifndef VOLSTREAM_STAGES_S3_PROOF_H_
#define VOLSTREAM_STAGES_S3_PROOF_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "stages/http_transport.h"
#include "stages/s3_object.h"

namespace volstream {

// Whether the answer's ETag is the MD5 of the bytes, or that of the parts' MD5s: it is not under
// SSE-KMS and SSE-C.
bool IsMd5Etag(const HttpResponse& response, std::string_view etag);

// "SSE-S3", "SSE-KMS", "SSE-C", or empty: how the server says that it encrypts an object.
std::string_view EncryptionOf(const HttpResponse& response);

// Fails unless the answer to the request that makes `url` confirms the encryption asked for.
absl::Status ConfirmEncryption(S3Encryption asked, const HttpResponse& created,
                               const std::string& url);

struct S3Expectation {
  uint64_t bytes = 0;
  std::string etag;                // where ETags are MD5s
  std::string checksum;            // base64; empty = none was sent
  std::string checksum_header;     // where the server tells its own
  std::string checksum_algorithm;  // for people
};

struct S3Proof {
  bool same = false;
  std::string difference;  // unless same: "the object has 3 bytes, not 4"
  std::string etag;        // the server's, without quotes
  // If same: "proof", and "encryption", "checksum", "version_id", "locked_until" where they apply.
  std::vector<std::pair<std::string, std::string>> facts;
};

S3Proof ProveByHead(const HttpResponse& head, const S3Expectation& expected);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_S3_PROOF_H_
