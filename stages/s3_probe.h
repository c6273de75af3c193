// S3Probe: requests under a key prefix of its own, with a memory of all that they made, so that all
// of it can be taken away again: objects version by version, and uploads.
//
// Threads: one thread at a time; Cancel from any.
// Lifetime: the client must outlive it. Clean must have run before it goes.
#ifndef VOLSTREAM_STAGES_S3_PROBE_H_
#define VOLSTREAM_STAGES_S3_PROBE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "stages/http_transport.h"
#include "stages/s3_client.h"
#include "stages/s3_object.h"
#include "stages/s3_requests.h"

namespace volstream {

class S3Probe {
 public:
  // Keys begin with `base`. Objects are stored as `object` says, but in the bucket's storage class
  // and without Object Lock, so that they can go again.
  S3Probe(S3Client* client, std::string base, const S3ObjectOptions& object);

  const std::string& base() const { return base_; }
  std::string KeyOf(std::string_view suffix) const;

  absl::StatusOr<HttpResponse> Call(S3Request request, std::string_view what);
  // A PUT of an object, with these headers besides its own.
  absl::StatusOr<HttpResponse> Put(const std::string& key, ByteSpan body,
                                   std::vector<HttpHeader> headers = {});
  absl::StatusOr<HttpResponse> Head(const std::string& key, std::vector<HttpHeader> headers = {});
  absl::StatusOr<std::string> Get(const std::string& key, size_t max_bytes);

  absl::StatusOr<std::string> BeginUpload(const std::string& key);
  // The same bytes as each of `count` parts, all at once, as a backup does.
  absl::StatusOr<std::vector<UploadedPart>> SendParts(const std::string& key,
                                                      const std::string& upload_id, ByteSpan bytes,
                                                      int count);
  absl::Status Complete(const std::string& key, const std::string& upload_id,
                        const std::vector<UploadedPart>& parts);
  // Whether the object is `count` times `bytes`; ranges of their size are read all at once.
  absl::Status ReadBack(const std::string& key, ByteSpan bytes, int count);

  // As retention removes: one request for all objects made. Where versions stay, Clean takes them.
  absl::Status RemoveObjects();
  // Takes away all that is left, also after Cancel. Tells what stays.
  std::vector<std::string> Clean();

  void Cancel();
  bool cancelled() const { return cancelled_->load(); }

 private:
  struct Object {
    std::string key;
    std::string version_id;  // empty = unversioned, or not known
  };

  S3Request Prepare(S3Request request, std::string_view what) const;
  void Remember(const std::string& key, const HttpResponse& answer);

  S3Client* const client_;
  const std::string base_;
  const S3ObjectOptions object_;
  const std::shared_ptr<CancelFlag> cancelled_;
  std::vector<Object> objects_;
  std::vector<std::pair<std::string, std::string>> uploads_;  // key and id
  std::vector<std::string> unclear_keys_;  // of begins whose answers may have been lost
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_S3_PROBE_H_
