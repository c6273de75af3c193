// S3Operation: the requests of S3's REST interface that volstream makes, and how to tell them
// apart.
#ifndef VOLSTREAM_TESTS_SUPPORT_S3_OPERATION_H_
#define VOLSTREAM_TESTS_SUPPORT_S3_OPERATION_H_

#include <map>
#include <string>
#include <string_view>

namespace volstream {

enum class S3Operation {
  kCreateMultipartUpload,
  kUploadPart,
  kCompleteMultipartUpload,
  kAbortMultipartUpload,
  kPutObject,
  kGetObject,
  kHeadObject,
  kDeleteObject,
  kDeleteObjects,
  kListObjects,
  kListMultipartUploads,
  kListParts,
  kHeadBucket,
  // Of the lock of a name, kept apart so that a fault of other objects does not meet it.
  kPutLock,
  kGetLock,
  kDeleteLock,
  kUnknown,
};

// As S3's documentation writes it: "UploadPart".
std::string_view S3OperationName(S3Operation operation);

using S3Query = std::multimap<std::string, std::string>;

// The value of a query parameter; empty if there is none.
std::string QueryValue(const S3Query& query, const std::string& name);

// What a request asks for; `key` is empty for a request to the bucket itself.
S3Operation ClassifyS3Request(const std::string& method, const std::string& key,
                              const S3Query& query);

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_S3_OPERATION_H_
