// Credentials as JSON, as AWS's metadata services and credential processes give them. Specs: "Use
// IAM roles to grant permissions to applications running on Amazon EC2 instances", "Container
// credential provider" and "Process credential provider" of the AWS guides.
#ifndef VOLSTREAM_STAGES_CREDENTIAL_JSON_H_
#define VOLSTREAM_STAGES_CREDENTIAL_JSON_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "stages/credentials.h"

namespace volstream {

enum class CredentialFormat {
  kMetadata,  // "Token"; "Code", where it is there, is "Success"
  kProcess,   // "SessionToken"; "Version" is 1
};

// The error says what is missing and repeats nothing of the text. `source` is left empty.
absl::StatusOr<Credentials> ParseCredentialJson(std::string_view text, CredentialFormat format);

// "2025-01-01T12:00:00Z"; kInvalidArgument for anything else.
absl::StatusOr<absl::Time> ParseExpiration(std::string_view text);

// kInvalidArgument unless a key pair is there and can go into a header. Names `source`.
absl::Status CheckCredentials(const Credentials& credentials);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_CREDENTIAL_JSON_H_
