// AwsStandIn: what gives out credentials in AWS, in one local server: STS, the container endpoint
// and EC2's instance metadata. None of the real ones can be had on a test's machine. It knows as
// much of each as volstream asks, checks the tokens that they want, and numbers the keys it gives:
// ISSUEDKEY1, issued-secret-1, issued-token-1, ...
//
// Threads: all methods may be called while a client is at work.
#ifndef VOLSTREAM_TESTS_SUPPORT_AWS_STAND_IN_H_
#define VOLSTREAM_TESTS_SUPPORT_AWS_STAND_IN_H_

#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "engine/mutex.h"
#include "tests/support/http_server.h"

namespace volstream {

class AwsStandIn {
 public:
  static constexpr char kContainerPath[] = "/v2/credentials/task";
  static constexpr char kContainerToken[] = "container-token";
  static constexpr char kInstanceRole[] = "instance role";

  AwsStandIn();

  // http://127.0.0.1:port and the path.
  std::string Url(const std::string& path = "") const { return server_.Url(path); }

  // When keys given from now on expire.
  void SetExpiration(absl::Time expires) ABSL_LOCKS_EXCLUDED(mu_);
  // The next answers, each for one request, in place of what would be right.
  void FailNext(int status, std::string body, int times = 1) ABSL_LOCKS_EXCLUDED(mu_);
  void RemoveInstanceRole() ABSL_LOCKS_EXCLUDED(mu_);

  int issued() const ABSL_LOCKS_EXCLUDED(mu_);
  std::vector<ServedRequest> Requests() const ABSL_LOCKS_EXCLUDED(mu_);
  // A parameter of a form that was posted to STS.
  static std::string FormValue(const ServedRequest& request, const std::string& name);
  static std::string Header(const ServedRequest& request, const std::string& name);

 private:
  ServedReply Serve(const ServedRequest& request) ABSL_LOCKS_EXCLUDED(mu_);
  ServedReply Sts(const ServedRequest& request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::string IssuedJson() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable Mutex mu_;
  absl::Time expires_ ABSL_GUARDED_BY(mu_) = absl::FromUnixSeconds(4'000'000'000);
  int issued_ ABSL_GUARDED_BY(mu_) = 0;
  bool has_instance_role_ ABSL_GUARDED_BY(mu_) = true;
  int failures_ ABSL_GUARDED_BY(mu_) = 0;
  ServedReply failure_ ABSL_GUARDED_BY(mu_);
  std::vector<ServedRequest> requests_ ABSL_GUARDED_BY(mu_);
  HttpServer server_;  // last: it uses all of the above
};

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_AWS_STAND_IN_H_
