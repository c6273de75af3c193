// S3Store: what FakeS3 keeps and how S3's operations change it, without any HTTP around it. One
// bucket, in memory. A fake: see fake_s3.h for what it is good for.
// Threads: one thread at a time; FakeS3 holds its lock.
#ifndef VOLSTREAM_TESTS_SUPPORT_FAKE_S3_STORE_H_
#define VOLSTREAM_TESTS_SUPPORT_FAKE_S3_STORE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "tests/support/s3_operation.h"

namespace volstream {

struct S3Answer {
  int status = 200;
  std::string etag;  // without quotes; sent as a header, and in the body where S3 does
  std::string body;
  std::shared_ptr<const std::string> object;  // the body of a GET or HEAD instead
  absl::Time modified;
};

// An answer with S3's <Error> document.
S3Answer S3Error(int status, std::string_view code, std::string_view message);

class S3Store {
 public:
  // S3's least size of every part but the last.
  static constexpr uint64_t kLeastPartBytes = 5 << 20;

  struct Object {
    std::shared_ptr<const std::string> bytes;
    std::string etag;
    absl::Time modified;
  };
  struct Part {
    std::string bytes;
    std::string md5;  // 16 raw bytes
  };
  struct Upload {
    std::string key;
    absl::Time initiated;
    std::map<int, Part> parts;
  };

  S3Answer CreateUpload(const std::string& key);
  S3Answer PutPart(const std::string& upload_id, int part_number, std::string bytes);
  // `keep` is false for the fault that loses the object.
  S3Answer Complete(const std::string& key, const std::string& upload_id, const std::string& body,
                    bool keep);
  S3Answer Abort(const std::string& upload_id);
  S3Answer ListParts(const std::string& upload_id) const;
  S3Answer ListUploads(const S3Query& query) const;

  S3Answer Put(const std::string& key, std::string bytes, bool keep);
  S3Answer Get(const std::string& key) const;  // HEAD as well
  S3Answer Delete(const std::string& key);
  S3Answer DeleteMany(const std::string& body);
  S3Answer List(const S3Query& query) const;

  const std::map<std::string, Object>& objects() const { return objects_; }
  const std::map<std::string, Upload>& uploads() const { return uploads_; }
  void AddUpload(const std::string& key, absl::Time initiated);

 private:
  S3Answer NoSuchUpload(const std::string& upload_id) const;

  std::map<std::string, Object> objects_;
  std::map<std::string, Upload> uploads_;  // by upload id
  int next_upload_ = 1;
};

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_FAKE_S3_STORE_H_
