#include "tools/s3_flags.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/time/time.h"
#include "engine/status_macros.h"
#include "stages/error_kind.h"
#include "stages/s3_provider.h"
#include "tools/commands.h"

namespace volstream {
namespace {

constexpr char kKmsName[] = "aws:kms";

S3Addressing AddressingOf(const std::string& name) {
  if (name == "path") return S3Addressing::kPath;
  return name == "virtual" ? S3Addressing::kVirtualHost : S3Addressing::kAuto;
}

S3Checksum ChecksumOf(const std::string& name) {
  if (name == "none") return S3Checksum::kNone;
  if (name == "crc32c") return S3Checksum::kCrc32c;
  return name == "crc64nvme" ? S3Checksum::kCrc64Nvme : S3Checksum::kAuto;
}

absl::Status Invalid(std::string_view text) {
  return MakeError(ErrorKind::kS3, absl::StatusCode::kInvalidArgument, std::string(text));
}

}  // namespace

void S3Flags::AddTo(CLI::App* app) {
  const std::string group = "S3";
  app->add_option(
         "--endpoint-url", options_.endpoint_url,
         "S3 endpoint such as https://fsn1.your-objectstorage.com; default: "
         "$AWS_ENDPOINT_URL_S3, $AWS_ENDPOINT_URL, $S3_ENDPOINT_URL, the profile's, else AWS")
      ->group(group);
  app->add_option(
         "--region", options_.region,
         "S3 region; default: $AWS_REGION, $AWS_DEFAULT_REGION, the profile's, else us-east-1")
      ->group(group);
  app->add_option("--profile", options_.profile,
                  "Profile of ~/.aws/config and ~/.aws/credentials to take keys, region and "
                  "endpoint from; default: keys of the environment, else $AWS_PROFILE")
      ->group(group);
  app->add_option("--ca-file", options_.ca_file, "PEM file of the authorities to trust for TLS")
      ->group(group);
  app->add_option("--connections", options_.connections, "Connections at a time (8)")
      ->check(CLI::Range(1, 256))
      ->group(group);
  app->add_option("--retries", options_.attempts, "Tries of one request, the first included (5)")
      ->check(CLI::Range(1, 100))
      ->group(group);
  app->add_option("--retry-for", retry_for_seconds_,
                  "Seconds for which a begun upload or restore waits for a network or server that "
                  "is away (300)")
      ->check(CLI::Range(0.0, 604800.0))
      ->group(group);
  app->add_option("--stall-timeout", stall_timeout_seconds_,
                  "Seconds without a byte after which a request is tried again (60)")
      ->check(CLI::Range(1.0, 86400.0))
      ->group(group);
  app->add_option("--connect-timeout", connect_timeout_seconds_,
                  "Seconds to wait for a connection (10)")
      ->check(CLI::Range(0.1, 86400.0))
      ->group(group);
  app->add_option("--provider", options_.provider,
                  "Whose S3 it is: auto (by the endpoint), " + S3ProviderNames())
      ->group(group);
  app->add_option("--addressing", addressing_,
                  "Buckets in the URL: path, virtual (BUCKET.ENDPOINT), or auto (the provider's)")
      ->check(CLI::IsMember({"auto", "path", "virtual"}))
      ->group(group);
  app->add_option("--client-cert", options_.client_cert_file,
                  "PEM file of a TLS client certificate, with --client-key")
      ->group(group);
  app->add_option("--client-key", options_.client_key_file, "PEM file of its key")->group(group);
  app->add_option("--sse-c-key-file", customer_key_file_,
                  "File of the 32-byte key, plain or in base64, for encryption with a customer key "
                  "(SSE-C); restoring needs the same")
      ->group(group);
  app->add_option("--user-agent", options_.user_agent,
                  "Text to send behind volstream's own name in the User-Agent header")
      ->group(group);
  TakesSize(app->add_option("--limit-upload", upload_bytes_per_second_,
                            "Bytes a second to send at most, such as 20MiB, all S3 destinations "
                            "together")
                ->group(group));
}

void S3Flags::AddStoringTo(CLI::App* app) {
  const std::string group = "S3 objects";
  app->add_option("--sse", encryption_,
                  "Encryption by the provider: AES256 (SSE-S3) or aws:kms (SSE-KMS); default: the "
                  "bucket's")
      ->check(CLI::IsMember({"AES256", kKmsName}))
      ->group(group);
  app->add_option("--sse-kms-key-id", options_.object.kms_key_id,
                  "Key for --sse aws:kms; default: the bucket's")
      ->group(group);
  app->add_option("--checksum", checksum_,
                  "Checksum of the whole object that the provider keeps: crc64nvme, crc32c, none, "
                  "or auto (where the provider is known to take one)")
      ->check(CLI::IsMember({"auto", "none", "crc32c", "crc64nvme"}))
      ->group(group);
  app->add_option("--storage-class", options_.object.storage_class,
                  "Storage class of archives, such as STANDARD_IA; receipts stay in the bucket's")
      ->group(group);
  app->add_option("--tag", tags_, "Tag of the objects, NAME=VALUE; may be repeated")
      ->take_all()
      ->allow_extra_args(false)
      ->group(group);
  app->add_option("--metadata", metadata_,
                  "Metadata of the objects (x-amz-meta-NAME), NAME=VALUE; may be repeated")
      ->take_all()
      ->allow_extra_args(false)
      ->group(group);
  app->add_option("--object-lock-mode", lock_mode_,
                  "Object Lock: governance or compliance, with --object-lock-days; default: the "
                  "bucket's")
      ->check(CLI::IsMember({"governance", "compliance"}, CLI::ignore_case))
      ->group(group);
  app->add_option("--object-lock-days", lock_days_,
                  "Days for which nobody can remove the backup, ourselves included")
      ->check(CLI::Range(1, 36500))
      ->group(group);
}

absl::StatusOr<S3Options> S3Flags::Options() const {
  S3Options options = options_;
  options.retry_for = absl::Seconds(retry_for_seconds_);
  options.stall_timeout = absl::Seconds(stall_timeout_seconds_);
  options.connect_timeout = absl::Seconds(connect_timeout_seconds_);
  options.credential_pool = credential_pool_;
  options.addressing = AddressingOf(addressing_);
  if (upload_bytes_per_second_ > 0) {
    if (upload_limit_ == nullptr) {
      upload_limit_ = std::make_shared<RateLimit>(upload_bytes_per_second_);
    }
    options.upload_limit = upload_limit_;
  }
  VS_RETURN_IF_ERROR(AddObjectOptions(&options.object));
  return options;
}

absl::Status S3Flags::AddObjectOptions(S3ObjectOptions* object) const {
  object->checksum = ChecksumOf(checksum_);
  if (!encryption_.empty()) {
    object->encryption = encryption_ == kKmsName ? S3Encryption::kKms : S3Encryption::kS3;
  }
  if (!object->kms_key_id.empty() && object->encryption != S3Encryption::kKms) {
    return Invalid("--sse-kms-key-id is for --sse aws:kms: give both");
  }
  if (!customer_key_file_.empty()) {
    if (!encryption_.empty()) {
      return Invalid("--sse and --sse-c-key-file are two ways to encrypt an object: give one");
    }
    VS_ASSIGN_OR_RETURN(object->customer_key, ReadCustomerKey(customer_key_file_));
    object->encryption = S3Encryption::kCustomerKey;
  }
  for (const std::string& text : tags_) {
    VS_ASSIGN_OR_RETURN(auto tag, ParseNameValue(text, "--tag"));
    object->tags.push_back(std::move(tag));
  }
  for (const std::string& text : metadata_) {
    VS_ASSIGN_OR_RETURN(auto item, ParseNameValue(text, "--metadata"));
    object->metadata.push_back(std::move(item));
  }
  object->lock_mode = absl::AsciiStrToUpper(lock_mode_);
  object->lock_for = absl::Hours(24) * lock_days_;
  return absl::OkStatus();
}

}  // namespace volstream
