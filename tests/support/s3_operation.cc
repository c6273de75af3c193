#include "tests/support/s3_operation.h"

#include <utility>

namespace volstream {
namespace {

constexpr std::pair<S3Operation, std::string_view> kNames[] = {
    {S3Operation::kCreateMultipartUpload, "CreateMultipartUpload"},
    {S3Operation::kUploadPart, "UploadPart"},
    {S3Operation::kCompleteMultipartUpload, "CompleteMultipartUpload"},
    {S3Operation::kAbortMultipartUpload, "AbortMultipartUpload"},
    {S3Operation::kPutObject, "PutObject"},
    {S3Operation::kGetObject, "GetObject"},
    {S3Operation::kHeadObject, "HeadObject"},
    {S3Operation::kDeleteObject, "DeleteObject"},
    {S3Operation::kDeleteObjects, "DeleteObjects"},
    {S3Operation::kListObjects, "ListObjectsV2"},
    {S3Operation::kListMultipartUploads, "ListMultipartUploads"},
    {S3Operation::kListParts, "ListParts"},
    {S3Operation::kHeadBucket, "HeadBucket"},
    {S3Operation::kPutLock, "PutObject of a lock"},
    {S3Operation::kGetLock, "GetObject of a lock"},
    {S3Operation::kDeleteLock, "DeleteObject of a lock"},
};

}  // namespace

std::string_view S3OperationName(S3Operation operation) {
  for (const auto& [value, name] : kNames) {
    if (value == operation) return name;
  }
  return "an unknown operation";
}

std::string QueryValue(const S3Query& query, const std::string& name) {
  const auto found = query.find(name);
  return found == query.end() ? "" : found->second;
}

S3Operation ClassifyS3Request(const std::string& method, const std::string& key,
                              const S3Query& query) {
  const bool upload = query.contains("uploadId");
  if (key.empty()) {
    if (method == "HEAD") return S3Operation::kHeadBucket;
    if (method == "POST" && query.contains("delete")) return S3Operation::kDeleteObjects;
    if (method != "GET" || query.contains("object-lock") || query.contains("versioning")) {
      return S3Operation::kUnknown;
    }
    return query.contains("uploads") ? S3Operation::kListMultipartUploads
                                     : S3Operation::kListObjects;
  }
  if (key.ends_with(".volstream-lock")) {
    if (method == "PUT") return S3Operation::kPutLock;
    if (method == "GET") return S3Operation::kGetLock;
    if (method == "DELETE") return S3Operation::kDeleteLock;
  }
  if (method == "POST" && query.contains("uploads")) return S3Operation::kCreateMultipartUpload;
  if (method == "POST" && upload) return S3Operation::kCompleteMultipartUpload;
  if (method == "PUT") return upload ? S3Operation::kUploadPart : S3Operation::kPutObject;
  if (method == "GET") return upload ? S3Operation::kListParts : S3Operation::kGetObject;
  if (method == "HEAD") return S3Operation::kHeadObject;
  if (method == "DELETE") {
    return upload ? S3Operation::kAbortMultipartUpload : S3Operation::kDeleteObject;
  }
  return S3Operation::kUnknown;
}

}  // namespace volstream
