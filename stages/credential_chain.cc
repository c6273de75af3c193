#include "stages/credential_chain.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/aws_config.h"
#include "stages/credential_json.h"
#include "stages/error_kind.h"
#include "stages/metadata_credentials.h"
#include "stages/profile_credentials.h"

namespace volstream {
namespace {

absl::StatusOr<Credentials> Checked(Credentials credentials) {
  VS_RETURN_IF_ERROR(CheckCredentials(credentials));
  return credentials;
}

absl::Status None(const CredentialContext& context, const std::string& message) {
  return MakeError(
      ErrorKind::kS3,
      context.renewing ? absl::StatusCode::kUnavailable : absl::StatusCode::kUnauthenticated,
      absl::StrCat("no S3 credentials: ", message));
}

}  // namespace

absl::StatusOr<Credentials> FindCredentials(const CredentialContext& context,
                                            const std::string& profile) {
  VS_ASSIGN_OR_RETURN(const AwsConfig config, AwsConfig::Load(context.environment));
  if (!profile.empty()) {
    VS_RETURN_IF_ERROR(config.CheckProfile(profile));
    VS_ASSIGN_OR_RETURN(std::optional<Credentials> found,
                        FetchProfileCredentials(context, config, profile));
    if (found.has_value()) return *std::move(found);
    return None(context, absl::StrCat("profile ", profile, " has neither keys nor role_arn, ",
                                      "credential_process or web_identity_token_file; see ",
                                      config.Files()));
  }
  const std::string chosen = DefaultProfile(context.environment);
  // Keys in the environment do not make up for a profile that is not there.
  const bool named = !context.environment("AWS_PROFILE").empty();
  if (named) VS_RETURN_IF_ERROR(config.CheckProfile(chosen));

  VS_ASSIGN_OR_RETURN(std::optional<Credentials> found, FetchEnvironmentCredentials(context));
  if (found.has_value()) return *std::move(found);
  VS_ASSIGN_OR_RETURN(found, FetchWebIdentityCredentials(context, config, chosen));
  if (found.has_value()) return *std::move(found);
  VS_ASSIGN_OR_RETURN(found, FetchProfileCredentials(context, config, chosen));
  if (found.has_value()) return *std::move(found);
  if (HasContainerEndpoint(context)) {
    VS_ASSIGN_OR_RETURN(Credentials credentials, FetchContainerCredentials(context));
    return Checked(std::move(credentials));
  }
  absl::StatusOr<Credentials> instance = FetchInstanceCredentials(context);
  if (instance.ok()) return Checked(*std::move(instance));
  if (!absl::IsNotFound(instance.status())) return instance.status();
  return None(
      context,
      absl::StrCat(
          "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or --profile; looked at: environment "
          "(unset), AWS_WEB_IDENTITY_TOKEN_FILE (unset), profile ",
          chosen,
          config.HasProfile(chosen) ? " (no keys in it)"
                                    : absl::StrCat(" (not in ", config.Files(), ")"),
          ", container endpoint (unset), EC2 metadata (", instance.status().message(), ")"));
}

}  // namespace volstream
