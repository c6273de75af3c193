// S3Location, S3Options and S3Address: where an S3 destination is and how to reach it. Parsing and
// the environment only; nothing but ResolveS3Options sends anything. Errors have ErrorKind::kS3 and
// never hold a secret.
#ifndef VOLSTREAM_STAGES_S3_CONFIG_H_
#define VOLSTREAM_STAGES_S3_CONFIG_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "stages/credential_cache.h"
#include "stages/credential_pool.h"
#include "stages/event_log.h"
#include "stages/rate_limit.h"
#include "stages/s3_object.h"
#include "stages/s3_provider.h"

namespace volstream {

// s3://bucket/prefix/
struct S3Location {
  std::string bucket;
  std::string prefix;  // empty, or ends in '/' and does not begin with one

  std::string Url() const { return "s3://" + bucket + "/" + prefix; }
};

// Slashes at either end of the prefix are put right; anything else is an error that says what a
// valid location is.
absl::StatusOr<S3Location> ParseS3Location(std::string_view text);

// S3's naming rules, in the lenient form that other providers' and old buckets need: 3 to 63
// characters a-z 0-9 . - that begin and end with a letter or a digit.
absl::Status ValidateBucketName(std::string_view bucket);

struct S3Options {
  std::string endpoint_url;  // empty = AWS, from the region
  std::string region;        // empty = the provider's, else us-east-1
  // Where the keys come from: a pair given here, else `credentials`.
  std::shared_ptr<CredentialCache> credentials;
  // Where ResolveS3Options looks for `credentials` first; may be shared with other destinations;
  // null = these options have them fetched for themselves.
  std::shared_ptr<CredentialPool> credential_pool;
  std::string profile;  // of the shared config files, for ResolveS3Options; empty = the default one
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;     // empty unless the keys are temporary ones
  std::string ca_file;           // PEM; empty = the system's
  std::string client_cert_file;  // PEM, with client_key_file; empty = none
  std::string client_key_file;
  std::string provider;  // a name of stages/s3_provider.h; empty = found by the endpoint
  S3Addressing addressing = S3Addressing::kAuto;
  S3ObjectOptions object;
  std::string user_agent;                   // put behind volstream's own name; may be empty
  std::shared_ptr<RateLimit> upload_limit;  // may be shared with other destinations; null = none
  int connections = 8;
  int attempts = 5;  // tries of one request, the first included
  // Once an upload or the reading of an archive has begun, an outage of network or server ends it
  // no sooner than after this.
  absl::Duration retry_for = absl::Minutes(5);
  absl::Duration connect_timeout = absl::Seconds(10);
  absl::Duration stall_timeout = absl::Seconds(60);
  EventLog on_event;  // is told of outages that are waited out; may be empty

  S3Options() = default;
  S3Options(const S3Options&) = default;
  S3Options(S3Options&&) = default;
  S3Options& operator=(const S3Options&) = default;
  S3Options& operator=(S3Options&&) = default;
  // Wipes the secrets.
  ~S3Options();
};

// The options that the environment gives: AWS_REGION, then AWS_DEFAULT_REGION;
// AWS_ENDPOINT_URL_S3, then AWS_ENDPOINT_URL, then S3_ENDPOINT_URL; AWS_CA_BUNDLE. An empty
// variable counts as unset, and AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true leaves out the first two
// endpoints. Keys are found by ResolveS3Options.
S3Options S3OptionsFromEnvironment();

// Completes the options: region, endpoint and CA file from the profile where they are empty, and
// credentials (stages/credential_chain.h) where there are none. May wait for networks. With a
// profile that the caller names, only that one is asked for keys.
absl::Status ResolveS3Options(S3Options* options);

// Fails unless the options are complete enough to sign and send a request.
absl::Status ValidateS3Options(const S3Options& options);

// What to sign with: the region of the options, else the provider's, else us-east-1.
std::string S3RegionOf(const S3Options& options);

// The provider that the options name, or that the endpoint belongs to.
absl::StatusOr<const S3Provider*> S3ProviderOf(const S3Options& options);

// Where a bucket's requests go.
struct S3Address {
  std::string origin;       // scheme://host[:port]
  std::string host_header;  // the host and port alone
  std::string path_prefix;  // before "/key", encoded: "" or "/bucket"
  bool https = true;
  // Plain http that leaves the machine. On the others nobody is on the way who could change a body,
  // and a body that the server takes for whole has the signed Content-MD5.
  bool exposed = false;
};

// By virtual host (bucket.s3.REGION.amazonaws.com) or by path, as the options or the provider say;
// a base path of the endpoint stays in front. A bucket whose name holds a dot goes by path unless
// the options insist, since no TLS certificate covers its host name.
absl::StatusOr<S3Address> S3AddressOf(const std::string& bucket, const S3Options& options);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_S3_CONFIG_H_
