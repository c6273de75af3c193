#include "stages/profile_credentials.h"

#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/credential_json.h"
#include "stages/error_kind.h"
#include "stages/host_command.h"
#include "stages/metadata_credentials.h"
#include "stages/sts_client.h"

namespace volstream {
namespace {

using Found = absl::StatusOr<std::optional<Credentials>>;

constexpr absl::Duration kProcessTimeout = absl::Minutes(1);
constexpr size_t kMaxProcessBytes = 64 * kKiB;

absl::Status Error(absl::StatusCode code, const std::string& message) {
  return MakeError(ErrorKind::kS3, code, message);
}

std::string FirstSet(const Environment& environment, std::initializer_list<const char*> names) {
  for (const char* const name : names) {
    if (std::string value = environment(name); !value.empty()) return value;
  }
  return "";
}

StsClient StsOf(const CredentialContext& context, const AwsConfig& config,
                const std::string& profile) {
  std::string region = FirstSet(context.environment, {"AWS_REGION", "AWS_DEFAULT_REGION"});
  if (region.empty()) region = config.Get(profile, "region");
  std::string endpoint;
  if (!absl::EqualsIgnoreCase(context.environment("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), "true")) {
    endpoint = FirstSet(context.environment, {"AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"});
    if (endpoint.empty()) endpoint = config.EndpointFor(profile, "sts");
  }
  return StsClient(context, std::move(endpoint), std::move(region));
}

// One way from a profile to credentials, through profiles that it names as its source.
class ProfileResolver {
 public:
  ProfileResolver(const CredentialContext& context, const AwsConfig& config)
      : context_(context), config_(config) {}

  Found Fetch(const std::string& profile) {
    if (Has(profile, "role_arn") && Has(profile, "web_identity_token_file")) {
      return Named(StsOf(context_, config_, profile)
                       .AssumeRoleWithWebIdentity(RoleOf(profile),
                                                  config_.Get(profile, "web_identity_token_file")),
                   profile, "role_arn");
    }
    if (Has(profile, "role_arn")) return AssumeRole(profile);
    if (HasKeys(profile)) return Keys(profile);
    if (Has(profile, "credential_process")) return Process(profile);
    for (const char* const setting : {"sso_session", "sso_start_url", "login_session"}) {
      if (!Has(profile, setting)) continue;
      return Error(absl::StatusCode::kUnimplemented,
                   absl::StrCat(config_.Describe(profile, setting), " signs in by ", setting,
                                ", which volstream leaves to AWS's own tool: use a profile with "
                                "credential_process = aws configure export-credentials --profile ",
                                profile, " --format process"));
    }
    return std::optional<Credentials>();
  }

 private:
  bool Has(const std::string& profile, const char* setting) const {
    return !config_.Get(profile, setting).empty();
  }
  bool HasKeys(const std::string& profile) const {
    return Has(profile, "aws_access_key_id") || Has(profile, "aws_secret_access_key");
  }

  // With a name for people, and checked.
  Found Named(absl::StatusOr<Credentials> credentials, const std::string& profile,
              const char* setting) const {
    const std::string where = config_.Describe(profile, setting);
    if (!credentials.ok()) return WithContext(credentials.status(), where);
    credentials->source =
        credentials->source.empty() ? where : absl::StrCat(credentials->source, " by ", where);
    VS_RETURN_IF_ERROR(CheckCredentials(*credentials));
    return std::optional<Credentials>(*std::move(credentials));
  }

  RoleRequest RoleOf(const std::string& profile) const {
    RoleRequest role;
    role.role_arn = config_.Get(profile, "role_arn");
    role.session_name = config_.Get(profile, "role_session_name");
    role.external_id = config_.Get(profile, "external_id");
    role.duration_seconds = config_.Get(profile, "duration_seconds");
    return role;
  }

  Found Keys(const std::string& profile) const {
    Credentials credentials;
    credentials.access_key_id = config_.Get(profile, "aws_access_key_id");
    credentials.secret_access_key = config_.Get(profile, "aws_secret_access_key");
    credentials.session_token = config_.Get(profile, "aws_session_token");
    return Named(std::move(credentials), profile, "aws_access_key_id");
  }

  Found Process(const std::string& profile) const {
    // The file's owner wrote the command line for a shell; nothing is put into it here.
    HostCommand command(config_.Get(profile, "credential_process"), {});
    const StopSignal::Listener listener(context_.stop, [&command] { command.Cancel(); });
    absl::StatusOr<std::string> output = command.Capture(kProcessTimeout, kMaxProcessBytes);
    const auto failed = [&](const absl::Status& status) {
      return Error(
          context_.renewing ? absl::StatusCode::kUnavailable : absl::StatusCode::kUnauthenticated,
          absl::StrCat("the credential_process of ",
                       config_.Describe(profile, "credential_process"), ": ", status.message()));
    };
    if (!output.ok()) return failed(output.status());
    absl::StatusOr<Credentials> credentials =
        ParseCredentialJson(*output, CredentialFormat::kProcess);
    WipeSecret(*output);
    if (!credentials.ok()) return failed(credentials.status());
    return Named(std::move(credentials), profile, "credential_process");
  }

  Found AssumeRole(const std::string& profile) {
    const std::string where = config_.Describe(profile, "role_arn");
    if (Has(profile, "mfa_serial")) {
      return Error(absl::StatusCode::kUnimplemented,
                   absl::StrCat(where,
                                " needs a code of mfa_serial, which nobody can type into a "
                                "backup: use a role without, or credential_process"));
    }
    VS_ASSIGN_OR_RETURN(std::optional<Credentials> caller, CallerOf(profile));
    if (!caller.has_value()) {
      return Error(absl::StatusCode::kUnauthenticated,
                   absl::StrCat("the source of ", where, " holds no credentials"));
    }
    return Named(StsOf(context_, config_, profile).AssumeRole(RoleOf(profile), *caller), profile,
                 "role_arn");
  }

  // Who asks for the role.
  Found CallerOf(const std::string& profile) {
    const std::string where = config_.Describe(profile, "role_arn");
    const std::string kind = config_.Get(profile, "credential_source");
    const std::string source = config_.Get(profile, "source_profile");
    if (kind.empty() == source.empty()) {
      return Error(absl::StatusCode::kInvalidArgument,
                   absl::StrCat(where, " needs either source_profile or credential_source"));
    }
    if (kind == "Environment") return FetchEnvironmentCredentials(context_);
    if (kind == "EcsContainer") return Optional(FetchContainerCredentials(context_));
    if (kind == "Ec2InstanceMetadata") return Optional(FetchInstanceCredentials(context_));
    if (!kind.empty()) {
      return Error(absl::StatusCode::kInvalidArgument,
                   absl::StrCat(where,
                                ": credential_source is Environment, EcsContainer or "
                                "Ec2InstanceMetadata"));
    }
    VS_RETURN_IF_ERROR(WithContext(config_.CheckProfile(source), where));
    // Its own keys serve a profile that is its own source, and end a chain.
    if (HasKeys(source)) return Keys(source);
    if (source == profile || !visited_.insert(profile).second || visited_.count(source) != 0) {
      return Error(absl::StatusCode::kInvalidArgument,
                   absl::StrCat(where, ": source_profile leads back to itself"));
    }
    return Fetch(source);
  }

  static Found Optional(absl::StatusOr<Credentials> credentials) {
    if (!credentials.ok()) return credentials.status();
    return std::optional<Credentials>(*std::move(credentials));
  }

  const CredentialContext& context_;
  const AwsConfig& config_;
  std::set<std::string> visited_;
};

}  // namespace

Found FetchProfileCredentials(const CredentialContext& context, const AwsConfig& config,
                              const std::string& profile) {
  return ProfileResolver(context, config).Fetch(profile);
}

Found FetchEnvironmentCredentials(const CredentialContext& context) {
  Credentials credentials;
  credentials.access_key_id = context.environment("AWS_ACCESS_KEY_ID");
  credentials.secret_access_key = context.environment("AWS_SECRET_ACCESS_KEY");
  credentials.session_token = context.environment("AWS_SESSION_TOKEN");
  credentials.source = "environment";
  const bool has_id = !credentials.access_key_id.empty();
  const bool has_secret = !credentials.secret_access_key.empty();
  if (!has_id && !has_secret) return std::optional<Credentials>();
  if (!has_id || !has_secret) {
    return Error(absl::StatusCode::kUnauthenticated,
                 absl::StrCat("no S3 credentials: set ",
                              has_id ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID", " as well"));
  }
  VS_RETURN_IF_ERROR(CheckCredentials(credentials));
  return std::optional<Credentials>(std::move(credentials));
}

Found FetchWebIdentityCredentials(const CredentialContext& context, const AwsConfig& config,
                                  const std::string& profile) {
  const std::string token_file = context.environment("AWS_WEB_IDENTITY_TOKEN_FILE");
  if (token_file.empty()) return std::optional<Credentials>();
  RoleRequest role;
  role.role_arn = context.environment("AWS_ROLE_ARN");
  role.session_name = context.environment("AWS_ROLE_SESSION_NAME");
  if (role.role_arn.empty()) {
    return Error(absl::StatusCode::kInvalidArgument,
                 "AWS_WEB_IDENTITY_TOKEN_FILE is set and AWS_ROLE_ARN is not: set both");
  }
  VS_ASSIGN_OR_RETURN(Credentials credentials,
                      StsOf(context, config, profile).AssumeRoleWithWebIdentity(role, token_file));
  absl::StrAppend(&credentials.source, " by web identity token");
  VS_RETURN_IF_ERROR(CheckCredentials(credentials));
  return std::optional<Credentials>(std::move(credentials));
}

}  // namespace volstream
