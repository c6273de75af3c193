// Credentials from the services that answer on a machine or container of a cloud: the ECS and EKS
// container endpoint, and EC2's instance metadata (IMDSv2; version 1 is never asked). Specs:
// "Container credential provider" and "IMDS credential provider" of the AWS SDKs and Tools
// Reference Guide.
//
// Never through a proxy. Errors have ErrorKind::kS3 and hold no secret.
// Threads: safe for concurrent calls, which wait for the network.
#ifndef VOLSTREAM_STAGES_METADATA_CREDENTIALS_H_
#define VOLSTREAM_STAGES_METADATA_CREDENTIALS_H_

#include "absl/status/statusor.h"
#include "stages/credential_context.h"
#include "stages/credentials.h"

namespace volstream {

// Whether AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI is set.
bool HasContainerEndpoint(const CredentialContext& context);

// By AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, else AWS_CONTAINER_CREDENTIALS_FULL_URI, whose host
// must be this machine, ECS's or EKS's unless the URL is https; with the token of
// AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE, else AWS_CONTAINER_AUTHORIZATION_TOKEN.
absl::StatusOr<Credentials> FetchContainerCredentials(const CredentialContext& context);

// By AWS_EC2_METADATA_SERVICE_ENDPOINT, else that of EC2. kNotFound where nobody answers, there is
// no role, or AWS_EC2_METADATA_DISABLED is true; kUnavailable in the first two where the context is
// renewing.
absl::StatusOr<Credentials> FetchInstanceCredentials(const CredentialContext& context);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_METADATA_CREDENTIALS_H_
