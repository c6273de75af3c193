#include "stages/credential_json.h"

#include <string>

#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/absl_text.h"
#include "stages/error_kind.h"

namespace volstream {
namespace {

using Json = nlohmann::json;

std::string Text(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

bool FitsAHeader(const std::string& text) {
  for (const char c : text) {
    if (!absl::ascii_isgraph(static_cast<unsigned char>(c))) return false;
  }
  return true;
}

}  // namespace

absl::StatusOr<Credentials> ParseCredentialJson(std::string_view text, CredentialFormat format) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return absl::InvalidArgumentError("the answer is no JSON object");
  const bool process = format == CredentialFormat::kProcess;
  if (process) {
    const auto version = json.find("Version");
    if (version == json.end() || !version->is_number_integer() || *version != 1) {
      return absl::InvalidArgumentError("the answer lacks \"Version\": 1");
    }
  } else if (const std::string code = Text(json, "Code"); !code.empty() && code != "Success") {
    return absl::FailedPreconditionError(
        "the service has no credentials to give (its \"Code\" is not \"Success\")");
  }
  Credentials credentials;
  credentials.access_key_id = Text(json, "AccessKeyId");
  credentials.secret_access_key = Text(json, "SecretAccessKey");
  credentials.session_token = Text(json, process ? "SessionToken" : "Token");
  if (credentials.access_key_id.empty() || credentials.secret_access_key.empty()) {
    return absl::InvalidArgumentError("the answer lacks AccessKeyId or SecretAccessKey");
  }
  if (const std::string expires = Text(json, "Expiration"); !expires.empty()) {
    VS_ASSIGN_OR_RETURN(credentials.expires, ParseExpiration(expires));
  }
  return credentials;
}

absl::StatusOr<absl::Time> ParseExpiration(std::string_view text) {
  absl::Time time;
  std::string error;
  if (absl::ParseTime(absl::RFC3339_full, ToAbsl(text), &time, &error)) return time;
  return absl::InvalidArgumentError("the time at which the credentials expire is no RFC 3339 time");
}

absl::Status CheckCredentials(const Credentials& credentials) {
  if (credentials.access_key_id.empty() || credentials.secret_access_key.empty()) {
    return MakeError(
        ErrorKind::kS3, absl::StatusCode::kUnauthenticated,
        absl::StrCat("half a key pair in ", credentials.source, ": it has no ",
                     credentials.access_key_id.empty() ? "access key id" : "secret access key"));
  }
  if (FitsAHeader(credentials.access_key_id) && FitsAHeader(credentials.session_token)) {
    return absl::OkStatus();
  }
  return MakeError(ErrorKind::kS3, absl::StatusCode::kInvalidArgument,
                   absl::StrCat("a blank or a control character in the access key id or session "
                                "token of ",
                                credentials.source));
}

}  // namespace volstream
