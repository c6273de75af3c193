// The order in which credentials are looked for, that of AWS's SDKs: environment, web identity
// token, profile, container endpoint, EC2 instance metadata. A source that is set up and fails ends
// the search: what comes behind it might be somebody else's role.
#ifndef VOLSTREAM_STAGES_CREDENTIAL_CHAIN_H_
#define VOLSTREAM_STAGES_CREDENTIAL_CHAIN_H_

#include <string>

#include "absl/status/statusor.h"
#include "stages/credential_context.h"
#include "stages/credentials.h"

namespace volstream {

// The first credentials that there are; of `profile` alone if it is not empty. Files are read anew
// at each call. kUnauthenticated (kUnavailable where the context is renewing), with a word on each
// source, where there are none; all errors have ErrorKind::kS3 and hold no secret. Any thread;
// waits for networks and processes.
absl::StatusOr<Credentials> FindCredentials(const CredentialContext& context,
                                            const std::string& profile);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_CREDENTIAL_CHAIN_H_
