#include "stages/s3_config.h"

#include <cstdlib>
#include <initializer_list>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "engine/status_macros.h"
#include "stages/absl_text.h"
#include "stages/aws_config.h"
#include "stages/credential_chain.h"
#include "stages/digest.h"
#include "stages/environment.h"
#include "stages/error_kind.h"
#include "stages/sigv4.h"
#include "stages/url.h"

namespace volstream {
namespace {

// S3's limit for a whole key; a prefix needs room for a name behind it.
constexpr size_t kMaxPrefixBytes = 900;

absl::Status Invalid(const std::string& message) {
  return MakeError(ErrorKind::kS3, absl::StatusCode::kInvalidArgument, message);
}

std::string FirstSet(std::initializer_list<const char*> names) {
  for (const char* const name : names) {
    const char* const value = std::getenv(name);
    if (value != nullptr && *value != '\0') return value;
  }
  return "";
}

bool IgnoresConfiguredEndpoints() {
  return absl::EqualsIgnoreCase(ProcessEnvironment("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), "true");
}

absl::StatusOr<Url> EndpointOf(const S3Options& options) {
  absl::StatusOr<Url> url = ParseUrl(options.endpoint_url);
  if (url.ok()) return url;
  return WithKind(WithContext(url.status(), "AWS_ENDPOINT_URL"), ErrorKind::kS3);
}

bool IsNameEdge(char c) {
  return absl::ascii_islower(static_cast<unsigned char>(c)) ||
         absl::ascii_isdigit(static_cast<unsigned char>(c));
}

}  // namespace

absl::StatusOr<S3Location> ParseS3Location(std::string_view text) {
  absl::string_view rest = ToAbsl(text);
  if (!absl::ConsumePrefix(&rest, "s3://")) {
    return Invalid(absl::StrCat("\"", ToAbsl(text), "\": an S3 destination is written ",
                                "s3://bucket/prefix/"));
  }
  S3Location location;
  const size_t slash = rest.find('/');
  location.bucket = std::string(rest.substr(0, slash));
  if (location.bucket.empty()) {
    return Invalid(absl::StrCat("\"", ToAbsl(text), "\": the bucket is missing; write ",
                                "s3://bucket/prefix/"));
  }
  VS_RETURN_IF_ERROR(ValidateBucketName(location.bucket));
  absl::string_view prefix = slash == absl::string_view::npos ? "" : rest.substr(slash);
  while (absl::ConsumePrefix(&prefix, "/")) {
  }
  while (absl::ConsumeSuffix(&prefix, "/")) {
  }
  if (prefix.size() > kMaxPrefixBytes) {
    return Invalid(absl::StrCat("the prefix of s3://", location.bucket, "/ is longer than ",
                                kMaxPrefixBytes, " bytes"));
  }
  for (const char c : prefix) {
    // XML 1.0, in which S3 lists keys, cannot hold them.
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) {
      return Invalid(
          absl::StrCat("the prefix of s3://", location.bucket, "/ holds a control character"));
    }
  }
  if (!prefix.empty()) location.prefix = absl::StrCat(prefix, "/");
  return location;
}

absl::Status ValidateBucketName(std::string_view bucket) {
  bool valid = bucket.size() >= 3 && bucket.size() <= 63 && IsNameEdge(bucket.front()) &&
               IsNameEdge(bucket.back()) && bucket.find("..") == std::string_view::npos;
  for (const char c : bucket) valid = valid && (IsNameEdge(c) || c == '-' || c == '.');
  if (valid) return absl::OkStatus();
  return Invalid(absl::StrCat("\"", ToAbsl(bucket), "\" is no bucket name: it needs 3 to 63 ",
                              "characters a-z, 0-9, '.' and '-', with a letter or a digit at ",
                              "either end and no two dots in a row"));
}

S3Options::~S3Options() {
  WipeSecret(secret_access_key);
  WipeSecret(session_token);
}

S3Options S3OptionsFromEnvironment() {
  S3Options options;
  options.region = FirstSet({"AWS_REGION", "AWS_DEFAULT_REGION"});
  if (!IgnoresConfiguredEndpoints()) {
    options.endpoint_url = FirstSet({"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"});
  }
  if (options.endpoint_url.empty()) options.endpoint_url = FirstSet({"S3_ENDPOINT_URL"});
  options.ca_file = FirstSet({"AWS_CA_BUNDLE"});
  return options;
}

absl::Status ResolveS3Options(S3Options* options) {
  const Environment environment = ProcessEnvironment;
  VS_ASSIGN_OR_RETURN(const AwsConfig config, AwsConfig::Load(environment));
  std::string profile = options->profile;
  if (profile.empty()) profile = DefaultProfile(environment);
  if (!options->profile.empty()) VS_RETURN_IF_ERROR(config.CheckProfile(profile));
  if (options->region.empty()) options->region = config.Get(profile, "region");
  if (options->endpoint_url.empty() && !IgnoresConfiguredEndpoints()) {
    options->endpoint_url = config.EndpointFor(profile, "s3");
  }
  if (options->ca_file.empty()) options->ca_file = config.Get(profile, "ca_bundle");
  if (!options->access_key_id.empty() || options->credentials != nullptr) return absl::OkStatus();
  CredentialContext context;
  context.ca_file = options->ca_file;
  FetchCredentials fetch = [context, named = options->profile](const CredentialFetch& how) {
    CredentialContext now = context;
    now.renewing = how.renewing;
    now.stop = how.stop;
    return FindCredentials(now, named);
  };
  if (options->credential_pool != nullptr) {
    VS_ASSIGN_OR_RETURN(
        options->credentials,
        options->credential_pool->Get(options->profile, options->ca_file, std::move(fetch)));
  } else {
    VS_ASSIGN_OR_RETURN(options->credentials, CredentialCache::Create(std::move(fetch)));
  }
  return absl::OkStatus();
}

absl::Status ValidateS3Options(const S3Options& options) {
  const bool has_id = !options.access_key_id.empty();
  const bool has_secret = !options.secret_access_key.empty();
  if (has_id != has_secret || (!has_id && options.credentials == nullptr)) {
    return MakeError(ErrorKind::kS3, absl::StatusCode::kUnauthenticated,
                     absl::StrCat("no S3 credentials: set ", has_id ? "" : "AWS_ACCESS_KEY_ID",
                                  has_id || has_secret ? "" : " and ",
                                  has_secret ? "" : "AWS_SECRET_ACCESS_KEY"));
  }
  // What goes into a header must not be able to end it.
  for (const std::string* value :
       {&options.access_key_id, &options.session_token, &options.region}) {
    for (const char c : *value) {
      if (!absl::ascii_isgraph(static_cast<unsigned char>(c))) {
        return Invalid(
            "the S3 access key id, session token or region holds a blank or a control character; "
            "set it again without");
      }
    }
  }
  if (options.connections < 1 || options.connections > 1000) {
    return Invalid("S3 connections must be 1 to 1000");
  }
  if (options.attempts < 1) return Invalid("S3 attempts must be at least 1");
  if (options.client_cert_file.empty() != options.client_key_file.empty()) {
    return Invalid("a TLS client certificate needs both its file and that of its key");
  }
  VS_RETURN_IF_ERROR(S3ProviderOf(options).status());
  return absl::OkStatus();
}

std::string S3RegionOf(const S3Options& options) {
  if (!options.region.empty()) return options.region;
  const absl::StatusOr<const S3Provider*> provider = S3ProviderOf(options);
  if (provider.ok() && !(*provider)->region.empty()) return std::string((*provider)->region);
  return "us-east-1";
}

absl::StatusOr<const S3Provider*> S3ProviderOf(const S3Options& options) {
  if (options.endpoint_url.empty()) return FindS3Provider(options.provider, "");
  VS_ASSIGN_OR_RETURN(const Url url, EndpointOf(options));
  return FindS3Provider(options.provider, url.host);
}

absl::StatusOr<S3Address> S3AddressOf(const std::string& bucket, const S3Options& options) {
  Url url;
  url.scheme = "https";
  const std::string region = S3RegionOf(options);
  url.host =
      absl::StrCat("s3.", region, ".amazonaws.com", absl::StartsWith(region, "cn-") ? ".cn" : "");
  if (!options.endpoint_url.empty()) {
    VS_ASSIGN_OR_RETURN(url, EndpointOf(options));
  }
  while (absl::EndsWith(url.path, "/")) url.path.pop_back();
  S3Addressing addressing = options.addressing;
  if (addressing == S3Addressing::kAuto) {
    VS_ASSIGN_OR_RETURN(const S3Provider* provider, S3ProviderOf(options));
    addressing = absl::StrContains(bucket, '.') ? S3Addressing::kPath : provider->addressing;
  }
  S3Address address;
  address.path_prefix = url.path;
  if (addressing == S3Addressing::kVirtualHost) {
    url.host = absl::StrCat(bucket, ".", url.host);
  } else {
    absl::StrAppend(&address.path_prefix, "/", UriEncode(bucket, false));
  }
  address.https = url.https();
  address.exposed = !url.https() && !url.loopback();
  address.host_header = url.HostHeader();
  address.origin = url.Origin();
  return address;
}

}  // namespace volstream
