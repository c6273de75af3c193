// Sigv4Signer: AWS Signature Version 4 in the Authorization header, as S3 wants it (the path is
// encoded once, not twice). Spec: "Authenticating Requests: Using the Authorization Header" in the
// Amazon S3 API reference, and "Signature Version 4" in the AWS general reference.
#ifndef VOLSTREAM_STAGES_SIGV4_H_
#define VOLSTREAM_STAGES_SIGV4_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "engine/mutex.h"
#include "stages/digest.h"
#include "stages/http_transport.h"

namespace volstream {

// The payload hash that says "the body is not signed"; for https, where TLS guards it.
inline constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";

struct QueryParam {
  std::string name;
  std::string value;  // neither is encoded
};

// RFC 3986: everything but A-Z a-z 0-9 - . _ ~ becomes %XX. Slashes stay if keep_slash.
std::string UriEncode(std::string_view text, bool keep_slash);

// name=value&..., encoded and in the order that the signature needs: the query to send and to sign.
std::string CanonicalQuery(std::vector<QueryParam> params);

// 20130524T000000Z
std::string AmzDate(absl::Time time);

// What is signed. Borrowed for the call.
struct SigningInput {
  HttpMethod method = HttpMethod::kGet;
  std::string_view path;                             // encoded, begins with '/'
  std::string_view query;                            // from CanonicalQuery
  const std::vector<HttpHeader>* headers = nullptr;  // all of them are signed; must hold Host and
                                                     // X-Amz-Date
  std::string_view payload_hash;                     // lower-case hex, or kUnsignedPayload
  absl::Time time;                                   // the one in X-Amz-Date
};

// Safe for concurrent calls. Holds the secret key, wipes it at the end, and puts it in no message.
class Sigv4Signer {
 public:
  Sigv4Signer(std::string access_key_id, std::string secret_access_key, std::string region,
              std::string service);
  ~Sigv4Signer();
  Sigv4Signer(const Sigv4Signer&) = delete;
  Sigv4Signer& operator=(const Sigv4Signer&) = delete;

  // The value of the Authorization header.
  std::string Authorization(const SigningInput& input) const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  // The key for one day, made of four HMACs, is kept until the day changes.
  Sha256Digest KeyFor(const std::string& date) const ABSL_LOCKS_EXCLUDED(mu_);

  const std::string access_key_id_;
  std::string secret_access_key_;
  const std::string region_;
  const std::string service_;

  mutable Mutex mu_;
  mutable std::string key_date_ ABSL_GUARDED_BY(mu_);
  mutable Sha256Digest key_ ABSL_GUARDED_BY(mu_){};
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_SIGV4_H_
