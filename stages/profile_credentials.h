// Credentials of a profile in the shared config files: static keys, a role that another profile or
// service assumes, a web identity, or a process that prints them. Spec: "Assume role", "Process"
// and "Static credentials" of the AWS SDKs and Tools Reference Guide.
#ifndef VOLSTREAM_STAGES_PROFILE_CREDENTIALS_H_
#define VOLSTREAM_STAGES_PROFILE_CREDENTIALS_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "stages/aws_config.h"
#include "stages/credential_context.h"
#include "stages/credentials.h"

namespace volstream {

// Nothing where the profile holds no credentials at all. Roles come first, then web identity,
// static keys, and credential_process. Errors have ErrorKind::kS3 and hold no secret. Any thread;
// waits for networks and processes.
absl::StatusOr<std::optional<Credentials>> FetchProfileCredentials(const CredentialContext& context,
                                                                   const AwsConfig& config,
                                                                   const std::string& profile);

// By AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN; nothing where the first two
// are unset.
absl::StatusOr<std::optional<Credentials>> FetchEnvironmentCredentials(
    const CredentialContext& context);

// By AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN; nothing where the first is unset.
absl::StatusOr<std::optional<Credentials>> FetchWebIdentityCredentials(
    const CredentialContext& context, const AwsConfig& config, const std::string& profile);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_PROFILE_CREDENTIALS_H_
