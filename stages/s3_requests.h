// The S3 requests that volstream sends, and the XML that comes back. Pure: nothing here signs or
// sends; S3Client does. Spec: the Amazon S3 API reference, by the operation's name.
#ifndef VOLSTREAM_STAGES_S3_REQUESTS_H_
#define VOLSTREAM_STAGES_S3_REQUESTS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/bytes.h"
#include "stages/digest.h"
#include "stages/http_transport.h"
#include "stages/sigv4.h"

namespace volstream {

// S3's limits.
inline constexpr uint64_t kS3MinPartBytes = 5 * kMiB;  // of every part but the last
inline constexpr size_t kS3MaxDeleteBatch = 1000;

inline constexpr char kS3XmlNamespace[] = "http://s3.amazonaws.com/doc/2006-03-01/";
// As the text of an XML element.
std::string S3XmlText(std::string_view text);

// One request to a bucket, before it is signed.
struct S3Request {
  HttpMethod method = HttpMethod::kGet;
  std::string key;  // not encoded; empty = the bucket itself
  std::vector<QueryParam> query;
  std::vector<HttpHeader> headers;
  std::string owned_body;                   // the body, unless empty
  ByteSpan body;                            // else this one; borrowed until done
  std::optional<Sha256Digest> body_sha256;  // of the body where it is known already
  MutableByteSpan sink;                     // see HttpRequest
  size_t max_response_bytes = kMiB;
  bool error_in_ok_body = false;  // a 200 may hold an error document
  std::string what;               // names the request in errors: "part 17 of s3://b/x.tar.gz"
  int max_tries = 0;              // 0 = the client's
  bool patient = false;           // an outage is waited out for S3Options::retry_for
  absl::Duration deadline = absl::InfiniteDuration();   // of one try
  absl::Duration stall_timeout = absl::ZeroDuration();  // 0 = the client's
  std::shared_ptr<const CancelFlag> cancelled;          // may be null

  void AddHeaders(std::vector<HttpHeader> more) {
    for (HttpHeader& header : more) headers.push_back(std::move(header));
  }
  ByteSpan payload() const { return owned_body.empty() ? body : AsBytes(owned_body); }
};

S3Request HeadObjectRequest(std::string_view key);
S3Request GetObjectRequest(std::string_view key, size_t max_bytes);
// Bytes [offset, offset + sink.size()) go to `sink`. REQUIRES: !sink.empty().
S3Request GetRangeRequest(std::string_view key, uint64_t offset, MutableByteSpan sink);
// `body` is borrowed until the request is done.
S3Request PutObjectRequest(std::string_view key, ByteSpan body, const Md5Digest& md5);
// Small objects whose body the request owns: always, only if there is none of that name
// (If-None-Match), only if it is still the one of that ETag (If-Match; without quotes, as Ceph
// knows no others). The server says PreconditionFailed where the condition does not hold.
S3Request PutSmallObjectRequest(std::string_view key, std::string body);
S3Request PutIfAbsentRequest(std::string_view key, std::string body);
S3Request PutIfMatchRequest(std::string_view key, std::string body, std::string_view etag);
// Of a version, which is then gone for good, unless `version_id` is empty.
S3Request DeleteObjectRequest(std::string_view key, std::string_view version_id = "");
// At most kS3MaxDeleteBatch keys. `quiet`: the answer names those that failed and no others.
S3Request DeleteObjectsRequest(const std::vector<std::string>& keys, bool quiet = true);
S3Request HeadBucketRequest();
// Keys that begin with prefix and hold no '/' behind it. `token` is empty for the first page.
S3Request ListObjectsRequest(std::string_view prefix, std::string_view token, int max_keys);

S3Request CreateUploadRequest(std::string_view key);
// `body` is borrowed until the request is done.
S3Request UploadPartRequest(std::string_view key, std::string_view upload_id, uint64_t part_number,
                            ByteSpan body, const Md5Digest& md5);
struct UploadedPart {
  std::string etag;      // as the server gave it but without quotes
  std::string checksum;  // in base64; empty = none
};
// parts[i] is part number i + 1. `checksum_element` names its checksum, where there is one.
S3Request CompleteUploadRequest(std::string_view key, std::string_view upload_id,
                                const std::vector<UploadedPart>& parts,
                                std::string_view checksum_element = "");
S3Request AbortUploadRequest(std::string_view key, std::string_view upload_id);
S3Request ListPartsRequest(std::string_view key, std::string_view upload_id);
S3Request ListUploadsRequest(std::string_view prefix, std::string_view key_marker,
                             std::string_view upload_id_marker);

// The error document (<Error>). Nothing if the text is none.
struct S3ErrorDocument {
  std::string code;
  std::string message;
};
std::optional<S3ErrorDocument> ParseErrorDocument(std::string_view xml);

struct ListedObject {
  std::string key;
  uint64_t bytes = 0;
  absl::Time modified;
  std::string etag;  // without quotes
};
struct ObjectPage {
  std::vector<ListedObject> objects;
  std::string next_token;  // empty = the last page
};
struct ListedUpload {
  std::string key;
  std::string upload_id;
  absl::Time initiated;
};
struct UploadPage {
  std::vector<ListedUpload> uploads;
  bool truncated = false;
  std::string next_key_marker;
  std::string next_upload_id_marker;
};
struct DeletedMarker {
  std::string key;
  std::string version_id;
};
struct DeleteFailure {
  std::string key;
  std::string code;
  std::string message;
};

// kInternal, with what is wrong, if the answer is not the document that S3 specifies.
absl::StatusOr<std::string> ParseUploadId(std::string_view xml);
absl::StatusOr<ObjectPage> ParseObjectPage(std::string_view xml);
absl::StatusOr<UploadPage> ParseUploadPage(std::string_view xml);
absl::StatusOr<size_t> ParsePartCount(std::string_view xml);
absl::StatusOr<std::vector<DeleteFailure>> ParseDeleteFailures(std::string_view xml);
// What a versioned bucket put in the place of the objects.
absl::StatusOr<std::vector<DeletedMarker>> ParseDeleteMarkers(std::string_view xml);

// An ETag without its quotes and without a weak mark.
std::string PlainEtag(std::string_view etag);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_S3_REQUESTS_H_
