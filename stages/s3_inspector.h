// S3Inspector: asks the server what it has under a key, and says whether that is what was sent.
//
// Safe for concurrent calls. Lifetime: the client must outlive it.
#ifndef VOLSTREAM_STAGES_S3_INSPECTOR_H_
#define VOLSTREAM_STAGES_S3_INSPECTOR_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "stages/s3_client.h"
#include "stages/s3_proof.h"

namespace volstream {

struct S3Inspection {
  enum class Found { kOurs, kOther, kNothing, kUnknown };
  Found found = Found::kUnknown;
  std::string etag;
  absl::Status status;                                     // why it is not kOurs
  std::vector<std::pair<std::string, std::string>> facts;  // S3Proof's
  HttpResponse head;                                       // unless nothing came
};

class S3Inspector {
 public:
  // The headers go with every request: see S3ObjectOptions::KeyHeaders.
  S3Inspector(S3Client* client, std::string key, std::vector<HttpHeader> key_headers,
              std::shared_ptr<const CancelFlag> cancelled);

  // One that is bounded ends soon whatever the network does, and does not mind the cancel flag.
  S3Inspection Look(const S3Expectation& expected, bool bounded) const;
  // Looks again at an object that seems to be another, as an answer may be damaged too, and after
  // a cancellation, as what became of the object is still worth knowing.
  S3Inspection LookTwice(const S3Expectation& expected) const;

 private:
  S3Client* const client_;
  const std::string key_;
  const std::string url_;
  const std::vector<HttpHeader> key_headers_;
  const std::shared_ptr<const CancelFlag> cancelled_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_S3_INSPECTOR_H_
