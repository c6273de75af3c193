// StsClient: temporary credentials from a Security Token Service, AWS's or another provider's.
// Spec: AssumeRole and AssumeRoleWithWebIdentity of the AWS STS API reference, version 2011-06-15.
//
// Errors have ErrorKind::kS3, name the role and the endpoint and hold no secret; kUnavailable and
// kDeadlineExceeded are those that may pass by themselves.
// Threads: safe for concurrent calls. Each call waits for the network, for under a minute.
#ifndef VOLSTREAM_STAGES_STS_CLIENT_H_
#define VOLSTREAM_STAGES_STS_CLIENT_H_

#include <string>

#include "absl/status/statusor.h"
#include "stages/credential_context.h"
#include "stages/credentials.h"
#include "stages/sigv4.h"

namespace volstream {

struct RoleRequest {
  std::string role_arn;
  std::string session_name;      // empty = made of the time
  std::string external_id;       // empty = none
  std::string duration_seconds;  // empty = the service's default
};

class StsClient {
 public:
  // `endpoint` empty = AWS's own in the region; `region` empty = the global one.
  StsClient(CredentialContext context, std::string endpoint, std::string region);

  absl::StatusOr<Credentials> AssumeRole(const RoleRequest& role, const Credentials& caller) const;
  // The token is read anew each time: Kubernetes replaces it every hour.
  absl::StatusOr<Credentials> AssumeRoleWithWebIdentity(const RoleRequest& role,
                                                        const std::string& token_file) const;

 private:
  // `caller` null = an unsigned request.
  absl::StatusOr<Credentials> Call(const std::string& action, const RoleRequest& role,
                                   std::vector<QueryParam> params, const Credentials* caller) const;

  const CredentialContext context_;
  const std::string endpoint_;
  const std::string region_;
};

// The contents of a small file with a token in it, without white space at its ends.
// kFailedPrecondition if it cannot be read, is empty, or holds what cannot go into a header.
absl::StatusOr<std::string> ReadTokenFile(const std::string& path);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_STS_CLIENT_H_
