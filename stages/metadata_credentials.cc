#include "stages/metadata_credentials.h"

#include <netinet/in.h>

#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "engine/status_macros.h"
#include "stages/credential_json.h"
#include "stages/error_kind.h"
#include "stages/http_call.h"
#include "stages/sigv4.h"
#include "stages/sts_client.h"
#include "stages/url.h"

namespace volstream {
namespace {

constexpr int kTries = 3;
// EC2's answer may take a while once it is there; ECS asks STS on its part.
constexpr absl::Duration kAnswerDeadline = absl::Seconds(5);
constexpr char kInstanceTtlSeconds[] = "21600";
constexpr char kRolesPath[] = "/latest/meta-data/iam/security-credentials/";

absl::Status Error(absl::StatusCode code, const std::string& message) {
  return MakeError(ErrorKind::kS3, code, message);
}

// The addresses that plain http may go to, as no network is on the way to them.
bool IsOfThisMachine(const Url& url) {
  return url.loopback() || url.host == "169.254.170.2" || url.host == "169.254.170.23" ||
         url.host == "[fd00:ec2::23]";
}

absl::StatusOr<HttpResponse> Ask(const CredentialContext& context, HttpMethod method,
                                 const std::string& url, HttpHeader header, int tries) {
  CurlTransportOptions options;
  options.connect_timeout = context.link_local_timeout;
  options.ca_file = context.ca_file;
  options.direct = true;
  HttpRequest request;
  request.method = method;
  request.url = url;
  request.deadline = tries == 1 ? context.link_local_timeout : kAnswerDeadline;
  if (!header.name.empty()) request.headers.push_back(std::move(header));
  return CallHttp(options, request, tries, context.stop);
}

absl::StatusOr<std::string> ContainerUrl(const CredentialContext& context) {
  const std::string relative = context.environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  if (!relative.empty()) {
    if (relative.front() != '/') {
      return Error(absl::StatusCode::kInvalidArgument,
                   "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with '/'");
    }
    return context.container_origin + relative;
  }
  std::string full = context.environment("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  const absl::StatusOr<Url> url = ParseUrl(full);
  if (!url.ok()) {
    return WithKind(WithContext(url.status(), "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
                    ErrorKind::kS3);
  }
  if (!url->https() && !IsOfThisMachine(*url)) {
    return Error(absl::StatusCode::kInvalidArgument,
                 absl::StrCat("AWS_CONTAINER_CREDENTIALS_FULL_URI sends keys over plain http from ",
                              url->host,
                              ", which is neither this machine nor ECS or EKS: use "
                              "https"));
  }
  return full;
}

absl::StatusOr<std::string> ContainerToken(const CredentialContext& context) {
  const std::string file = context.environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
  if (!file.empty()) return ReadTokenFile(file);
  std::string token = context.environment("AWS_CONTAINER_AUTHORIZATION_TOKEN");
  for (const char c : token) {
    if (!absl::ascii_isprint(static_cast<unsigned char>(c))) {
      return Error(absl::StatusCode::kInvalidArgument,
                   "AWS_CONTAINER_AUTHORIZATION_TOKEN holds a control character");
    }
  }
  return token;
}

std::string InstanceOrigin(const CredentialContext& context) {
  std::string origin = context.environment("AWS_EC2_METADATA_SERVICE_ENDPOINT");
  if (origin.empty()) {
    return absl::EqualsIgnoreCase(context.environment("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"),
                                  "ipv6")
               ? "http://[fd00:ec2::254]"
               : context.instance_origin;
  }
  while (absl::EndsWith(origin, "/")) origin.pop_back();
  return origin;
}

}  // namespace

bool HasContainerEndpoint(const CredentialContext& context) {
  return !context.environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").empty() ||
         !context.environment("AWS_CONTAINER_CREDENTIALS_FULL_URI").empty();
}

absl::StatusOr<Credentials> FetchContainerCredentials(const CredentialContext& context) {
  VS_ASSIGN_OR_RETURN(const std::string url, ContainerUrl(context));
  VS_ASSIGN_OR_RETURN(std::string token, ContainerToken(context));
  HttpHeader header;
  if (!token.empty()) header = {"Authorization", std::move(token)};
  const std::string what = absl::StrCat("container credentials at ", url);
  absl::StatusOr<HttpResponse> response =
      Ask(context, HttpMethod::kGet, url, std::move(header), kTries);
  if (!response.ok()) return WithKind(WithContext(response.status(), what), ErrorKind::kS3);
  if (response->status != 200) {
    return Error(response->status >= 500 ? absl::StatusCode::kUnavailable
                                         : absl::StatusCode::kUnauthenticated,
                 absl::StrCat(what, ": HTTP ", response->status,
                              "; has the task or pod a role, and is its token the right one?"));
  }
  absl::StatusOr<Credentials> credentials =
      ParseCredentialJson(response->body, CredentialFormat::kMetadata);
  WipeSecret(response->body);
  if (!credentials.ok()) return WithKind(WithContext(credentials.status(), what), ErrorKind::kS3);
  credentials->source = absl::StrCat("container endpoint ", url);
  return credentials;
}

absl::StatusOr<Credentials> FetchInstanceCredentials(const CredentialContext& context) {
  if (absl::EqualsIgnoreCase(context.environment("AWS_EC2_METADATA_DISABLED"), "true")) {
    return Error(absl::StatusCode::kNotFound, "switched off by AWS_EC2_METADATA_DISABLED");
  }
  const std::string origin = InstanceOrigin(context);
  // One short try: most machines are no EC2 instances, and people wait.
  absl::StatusOr<HttpResponse> token =
      Ask(context, HttpMethod::kPut, origin + "/latest/api/token",
          {"X-aws-ec2-metadata-token-ttl-seconds", kInstanceTtlSeconds}, /*tries=*/1);
  const absl::StatusCode none =
      context.renewing ? absl::StatusCode::kUnavailable : absl::StatusCode::kNotFound;
  if (!token.ok() || token->status != 200) {
    return Error(none, token.ok() ? absl::StrCat(origin, " gives no token: HTTP ", token->status)
                                  : absl::StrCat("nobody answers at ", origin));
  }
  const HttpHeader header = {"X-aws-ec2-metadata-token", token->body};
  for (const char c : token->body) {
    if (!absl::ascii_isgraph(static_cast<unsigned char>(c))) {
      return Error(none, absl::StrCat(origin, " gives no usable token"));
    }
  }
  const std::string roles_url = origin + kRolesPath;
  absl::StatusOr<HttpResponse> roles = Ask(context, HttpMethod::kGet, roles_url, header, kTries);
  if (!roles.ok()) return WithKind(WithContext(roles.status(), roles_url), ErrorKind::kS3);
  const std::string role(absl::StripAsciiWhitespace(*absl::StrSplit(roles->body, '\n').begin()));
  if (roles->status == 404 || (roles->status == 200 && role.empty())) {
    return Error(none, "the EC2 instance has no role");
  }
  if (roles->status != 200) {
    return Error(absl::StatusCode::kUnavailable, absl::StrCat(roles_url, ": HTTP ", roles->status));
  }
  const std::string url = roles_url + UriEncode(role, /*keep_slash=*/false);
  absl::StatusOr<HttpResponse> answer = Ask(context, HttpMethod::kGet, url, header, kTries);
  WipeSecret(token->body);
  if (!answer.ok()) return WithKind(WithContext(answer.status(), url), ErrorKind::kS3);
  if (answer->status != 200) {
    return Error(absl::StatusCode::kUnavailable, absl::StrCat(url, ": HTTP ", answer->status));
  }
  absl::StatusOr<Credentials> credentials =
      ParseCredentialJson(answer->body, CredentialFormat::kMetadata);
  WipeSecret(answer->body);
  if (!credentials.ok()) return WithKind(WithContext(credentials.status(), url), ErrorKind::kS3);
  credentials->source = absl::StrCat("EC2 instance metadata, role ", role);
  return credentials;
}

}  // namespace volstream
