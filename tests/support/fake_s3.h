// FakeS3: a small S3 server inside the test process, for the faults that a real server does not
// produce on demand: an error on just this part, a reset in mid-body, an error inside a 200, a
// wrong ETag, silence. What works is tested against a real server (rgw.h); this one only knows as
// much of S3 as volstream speaks: path-style addresses, one bucket, multipart uploads, listing
// with prefix and delimiter, ranged GET. It wants an Authorization header but does not check it.
// It does check Content-MD5, x-amz-content-sha256, part sizes and part lists as S3 does.
//
// Threads: all methods may be called while a client is at work. Objects live in memory.
// Lifetime: the destructor opens the gate and waits for the requests that are being served.
#ifndef VOLSTREAM_TESTS_SUPPORT_FAKE_S3_H_
#define VOLSTREAM_TESTS_SUPPORT_FAKE_S3_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "tests/support/cli.h"
#include "tests/support/s3_operation.h"

namespace volstream {

enum class FaultAction {
  kStatus,       // answers `status` and `code`, once the body was read
  kResetInBody,  // reads a part of the body, then resets the connection
  kClose,        // reads the request, then closes without an answer
  kHang,        // reads the request, then is silent until OpenGate() or until the client goes away;
                // after OpenGate() the request is served
  kErrorIn200,  // Complete: status 200 with an <Error> of `code` inside; nothing is completed
  kWrongEtag,   // does the work, but names a different ETag
  kNoEtag,      // does the work, but names none (Ceph 16 at Complete)
  kLoseObject,  // Complete, PutObject: answers well, but keeps nothing
  kLoseAnswer,  // does the work, then closes without an answer
};

// A rule: the requests `first`, first + 1, ... (counted from 1, `times` of them) of those that
// match meet with `action`. The first rule that has a say decides.
struct Fault {
  static constexpr int kAlways = 1 << 30;

  S3Operation operation = S3Operation::kUnknown;
  FaultAction action = FaultAction::kStatus;
  int part_number = 0;     // UploadPart only; 0 = every part
  std::string key_suffix;  // only keys that end so
  int first = 1;
  int times = kAlways;
  int status = 503;
  std::string code = "SlowDown";
  int retry_after_seconds = -1;  // sends Retry-After if it is not negative
};

class FakeS3 {
 public:
  static constexpr char kBucket[] = "bucket";
  static constexpr char kAccessKey[] = "FAKEACCESSKEY";
  static constexpr char kSecretKey[] = "fakeSecretKeyThatMustNeverBePrinted";

  // Listens on a free port of 127.0.0.1.
  FakeS3();
  ~FakeS3();
  FakeS3(const FakeS3&) = delete;
  FakeS3& operator=(const FakeS3&) = delete;

  std::string endpoint() const;
  // `volstream` with these arguments, this server's endpoint and credentials in the environment.
  Command Volstream(std::vector<std::string> args) const;

  void AddFault(Fault fault);
  // Lets go of all that hang, and of all that would from now on.
  void OpenGate();
  // Waits until `count` requests hang at the gate; false if that takes longer than ten seconds.
  bool WaitUntilHanging(int count);
  // Waits until `count` requests of this kind were received, answered or not; false as above.
  bool WaitForRequests(S3Operation operation, int count);

  // State. Keys are without the bucket.
  std::map<std::string, std::string> Objects() const;
  std::vector<std::string> Keys() const;
  void PutObject(const std::string& key, std::string bytes);

  struct Upload {
    std::string key;
    std::string upload_id;
    absl::Time initiated;
    std::map<int, uint64_t> part_bytes;  // by part number
  };
  std::vector<Upload> OpenUploads() const;
  void AddUpload(const std::string& key, absl::Time initiated);

  struct Request {
    S3Operation operation = S3Operation::kUnknown;
    std::string key;
    int part_number = 0;
    bool faulty = false;  // met with a fault
  };
  std::vector<Request> Requests() const;
  int Count(S3Operation operation) const;

 private:
  struct State;
  class Server;
  std::unique_ptr<State> state_;
  std::unique_ptr<Server> server_;
};

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_FAKE_S3_H_
