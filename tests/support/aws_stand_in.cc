#include "tests/support/aws_stand_in.h"

#include <utility>

#include <httplib.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace volstream {
namespace {

constexpr char kInstanceToken[] = "instance-token";
constexpr char kRoles[] = "/latest/meta-data/iam/security-credentials/";

std::string Stamp(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

ServedReply Status(int status) {
  ServedReply reply;
  reply.status = status;
  return reply;
}

ServedReply Text(std::string body) {
  ServedReply reply;
  reply.body = std::move(body);
  return reply;
}

}  // namespace

AwsStandIn::AwsStandIn()
    : server_([this](const ServedRequest& request) { return Serve(request); }) {}

void AwsStandIn::SetExpiration(absl::Time expires) {
  MutexLock lock(&mu_);
  expires_ = expires;
}

void AwsStandIn::FailNext(int status, std::string body, int times) {
  MutexLock lock(&mu_);
  failures_ = times;
  failure_ = Status(status);
  failure_.body = std::move(body);
}

void AwsStandIn::RemoveInstanceRole() {
  MutexLock lock(&mu_);
  has_instance_role_ = false;
}

int AwsStandIn::issued() const {
  MutexLock lock(&mu_);
  return issued_;
}

std::vector<ServedRequest> AwsStandIn::Requests() const {
  MutexLock lock(&mu_);
  return requests_;
}

std::string AwsStandIn::FormValue(const ServedRequest& request, const std::string& name) {
  httplib::Params params;
  httplib::detail::parse_query_text(request.body, params);
  const auto found = params.find(name);
  return found == params.end() ? "" : found->second;
}

std::string AwsStandIn::Header(const ServedRequest& request, const std::string& name) {
  const auto found = request.headers.find(name);
  return found == request.headers.end() ? "" : found->second;
}

ServedReply AwsStandIn::Serve(const ServedRequest& request) {
  MutexLock lock(&mu_);
  requests_.push_back(request);
  if (failures_ > 0) {
    --failures_;
    return failure_;
  }
  if (request.method == "POST") return Sts(request);
  if (request.target == kContainerPath) {
    if (Header(request, "authorization") != kContainerToken) return Status(401);
    return Text(IssuedJson());
  }
  if (request.method == "PUT" && request.target == "/latest/api/token") {
    if (Header(request, "x-aws-ec2-metadata-token-ttl-seconds").empty()) return Status(400);
    return Text(kInstanceToken);
  }
  if (!absl::StartsWith(request.target, kRoles) || !has_instance_role_) return Status(404);
  if (Header(request, "x-aws-ec2-metadata-token") != kInstanceToken) return Status(401);
  if (request.target == kRoles) return Text(absl::StrCat(kInstanceRole, "\nanother"));
  return request.target == absl::StrCat(kRoles, "instance%20role") ? Text(IssuedJson())
                                                                   : Status(404);
}

ServedReply AwsStandIn::Sts(const ServedRequest& request) {
  const std::string action = FormValue(request, "Action");
  const bool with_identity = action == "AssumeRoleWithWebIdentity";
  // Signed or with a token: one of the two, and not both.
  if (Header(request, "authorization").empty() != with_identity ||
      FormValue(request, "WebIdentityToken").empty() == with_identity ||
      FormValue(request, "Version") != "2011-06-15") {
    return Status(400);
  }
  ++issued_;
  return Text(absl::StrCat(
      "<", action, "Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><", action,
      "Result><Credentials><AccessKeyId>ISSUEDKEY", issued_, "</AccessKeyId><SecretAccessKey>",
      "issued-secret-", issued_, "</SecretAccessKey><SessionToken>issued-token-", issued_,
      "</SessionToken><Expiration>", Stamp(expires_), "</Expiration></Credentials></", action,
      "Result></", action, "Response>"));
}

std::string AwsStandIn::IssuedJson() {
  ++issued_;
  return absl::StrCat(R"({"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": "ISSUEDKEY)",
                      issued_, R"(", "SecretAccessKey": "issued-secret-)", issued_,
                      R"(", "Token": "issued-token-)", issued_, R"(", "Expiration": ")",
                      Stamp(expires_), "\"}");
}

}  // namespace volstream
