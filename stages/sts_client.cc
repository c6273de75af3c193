#include "stages/sts_client.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>
#include <vector>

#include <pugixml.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/absl_text.h"
#include "stages/credential_json.h"
#include "stages/error_kind.h"
#include "stages/http_call.h"
#include "stages/retry_policy.h"
#include "stages/s3_error.h"
#include "stages/url.h"

namespace volstream {
namespace {

constexpr int kTries = 3;
constexpr absl::Duration kDeadline = absl::Seconds(15);
constexpr size_t kMaxTokenBytes = 64 * kKiB;
constexpr char kFormType[] = "application/x-www-form-urlencoded; charset=utf-8";

absl::Status Error(absl::StatusCode code, const std::string& message) {
  return MakeError(ErrorKind::kS3, code, message);
}

std::string DefaultEndpoint(const std::string& region) {
  if (region.empty()) return "https://sts.amazonaws.com";
  return absl::StrCat("https://sts.", region, ".amazonaws.com",
                      absl::StartsWith(region, "cn-") ? ".cn" : "");
}

absl::StatusOr<Credentials> ParseAnswer(const std::string& action, const std::string& xml) {
  pugi::xml_document document;
  document.load_buffer(xml.data(), xml.size());
  const pugi::xml_node node = document.document_element()
                                  .child(absl::StrCat(action, "Result").c_str())
                                  .child("Credentials");
  Credentials credentials;
  credentials.access_key_id = node.child_value("AccessKeyId");
  credentials.secret_access_key = node.child_value("SecretAccessKey");
  credentials.session_token = node.child_value("SessionToken");
  if (credentials.access_key_id.empty() || credentials.secret_access_key.empty()) {
    return absl::InvalidArgumentError("the answer holds no credentials; is the endpoint an STS?");
  }
  VS_ASSIGN_OR_RETURN(credentials.expires, ParseExpiration(node.child_value("Expiration")));
  return credentials;
}

absl::Status AnswerError(const std::string& what, const HttpResponse& response) {
  pugi::xml_document document;
  document.load_buffer(response.body.data(), response.body.size());
  const pugi::xml_node error = document.document_element().child("Error");
  const std::string code = error.child_value("Code");
  std::string text = absl::StrCat(what, ": HTTP ", response.status);
  if (!code.empty()) absl::StrAppend(&text, " ", ServerText(code));
  // About a signature AWS says all that it signs, the session token among it.
  const bool tells_secrets = code == "SignatureDoesNotMatch" || code == "IncompleteSignature";
  if (const std::string said = ServerText(error.child_value("Message"));
      !said.empty() && !tells_secrets) {
    absl::StrAppend(&text, ": ", said);
  }
  // STS gives 400 with some codes of what may pass by itself.
  if (response.status >= 500 || code == "IDPCommunicationError" ||
      RetryPolicy::IsThrottle({absl::OkStatus(), response.status, code})) {
    return Error(absl::StatusCode::kUnavailable, text);
  }
  if (code == "AccessDenied") {
    absl::StrAppend(&text, "; allow it in the role's trust policy");
  } else if (code == "ExpiredTokenException" || code == "InvalidIdentityToken") {
    absl::StrAppend(&text, "; the web identity token is not accepted: check who writes its file");
  } else if (code == "InvalidClientTokenId" || code == "SignatureDoesNotMatch") {
    absl::StrAppend(&text, "; check the keys of the source profile");
  }
  return Error(absl::StatusCode::kUnauthenticated, text);
}

}  // namespace

StsClient::StsClient(CredentialContext context, std::string endpoint, std::string region)
    : context_(std::move(context)),
      endpoint_(endpoint.empty() ? DefaultEndpoint(region) : std::move(endpoint)),
      region_(region.empty() ? "us-east-1" : std::move(region)) {}

absl::StatusOr<Credentials> StsClient::AssumeRole(const RoleRequest& role,
                                                  const Credentials& caller) const {
  std::vector<QueryParam> params;
  if (!role.external_id.empty()) params.push_back({"ExternalId", role.external_id});
  return Call("AssumeRole", role, std::move(params), &caller);
}

absl::StatusOr<Credentials> StsClient::AssumeRoleWithWebIdentity(
    const RoleRequest& role, const std::string& token_file) const {
  VS_ASSIGN_OR_RETURN(std::string token, ReadTokenFile(token_file));
  absl::StatusOr<Credentials> credentials =
      Call("AssumeRoleWithWebIdentity", role, {{"WebIdentityToken", token}}, nullptr);
  WipeSecret(token);
  return credentials;
}

absl::StatusOr<Credentials> StsClient::Call(const std::string& action, const RoleRequest& role,
                                            std::vector<QueryParam> params,
                                            const Credentials* caller) const {
  const std::string what = absl::StrCat(action, " of ", role.role_arn, " at ", endpoint_);
  const absl::StatusOr<Url> url = ParseUrl(endpoint_);
  if (!url.ok()) {
    return WithKind(WithContext(url.status(), "the endpoint of STS"), ErrorKind::kS3);
  }
  const absl::Time now = context_.clock();
  params.push_back({"Action", action});
  params.push_back({"Version", "2011-06-15"});
  params.push_back({"RoleArn", role.role_arn});
  params.push_back({"RoleSessionName", role.session_name.empty()
                                           ? absl::StrCat("volstream-", absl::ToUnixSeconds(now))
                                           : role.session_name});
  if (!role.duration_seconds.empty()) {
    params.push_back({"DurationSeconds", role.duration_seconds});
  }
  std::string body = CanonicalQuery(std::move(params));

  HttpRequest request;
  request.method = HttpMethod::kPost;
  const std::string path = url->path.empty() ? "/" : url->path;
  request.url = url->Origin() + path;
  request.deadline = kDeadline;
  request.body = AsBytes(body);
  request.headers.push_back({"Content-Type", kFormType});
  if (caller != nullptr) {
    request.headers.push_back({"X-Amz-Date", AmzDate(now)});
    if (!caller->session_token.empty()) {
      request.headers.push_back({"X-Amz-Security-Token", caller->session_token});
    }
    std::vector<HttpHeader> signed_headers = request.headers;
    signed_headers.push_back({"Host", url->HostHeader()});
    const std::string payload_hash = ToHex(Sha256Of(request.body));
    SigningInput input;
    input.method = request.method;
    input.path = path;
    input.headers = &signed_headers;
    input.payload_hash = payload_hash;
    input.time = now;
    const Sigv4Signer signer(caller->access_key_id, caller->secret_access_key, region_, "sts");
    request.headers.push_back({"Authorization", signer.Authorization(input)});
  }
  CurlTransportOptions options;
  options.ca_file = context_.ca_file;
  absl::StatusOr<HttpResponse> response = CallHttp(options, request, kTries, context_.stop);
  WipeSecret(body);
  if (!response.ok()) return WithKind(WithContext(response.status(), what), ErrorKind::kS3);
  if (response->status / 100 != 2) return AnswerError(what, *response);
  absl::StatusOr<Credentials> credentials = ParseAnswer(action, response->body);
  WipeSecret(response->body);
  if (!credentials.ok()) return WithKind(WithContext(credentials.status(), what), ErrorKind::kS3);
  credentials->source = absl::StrCat("role ", role.role_arn);
  return credentials;
}

absl::StatusOr<std::string> ReadTokenFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return Error(absl::StatusCode::kFailedPrecondition,
                 absl::StrCat("cannot read the token file ", path, ": ", strerrordesc_np(errno)));
  }
  std::string token(kMaxTokenBytes, '\0');
  file.read(token.data(), static_cast<std::streamsize>(token.size()));
  token.resize(static_cast<size_t>(file.gcount()));
  absl::StripAsciiWhitespace(&token);
  bool good = !token.empty();
  for (const char c : token) good = good && absl::ascii_isprint(static_cast<unsigned char>(c));
  if (good) return token;
  WipeSecret(token);
  return Error(absl::StatusCode::kFailedPrecondition,
               absl::StrCat("the token file ", path, " is empty or holds no token"));
}

}  // namespace volstream
