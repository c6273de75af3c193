#include "tools/destination.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "engine/status_macros.h"
#include "stages/catalog.h"
#include "stages/error_kind.h"
#include "stages/local_storage.h"
#include "stages/s3_storage.h"

namespace volstream {
namespace {

constexpr std::string_view kS3Scheme = "s3://";

// Without repeating the text: it may hold a secret.
absl::Status RefuseKeysInUrl(const std::string& text) {
  if (!absl::StartsWithIgnoreCase(text, "s3:") || text.find('@') == std::string::npos) {
    return absl::OkStatus();
  }
  return MakeError(ErrorKind::kS3, absl::StatusCode::kInvalidArgument,
                   "an S3 URL holds an '@': keys do not belong there, set AWS_ACCESS_KEY_ID and "
                   "AWS_SECRET_ACCESS_KEY instead");
}

}  // namespace

void S3Flags::AddTo(CLI::App* app) {
  const std::string group = "S3";
  app->add_option("--endpoint-url", options_.endpoint_url,
                  "S3 endpoint such as https://fsn1.your-objectstorage.com; default: "
                  "$AWS_ENDPOINT_URL_S3, $AWS_ENDPOINT_URL, $S3_ENDPOINT_URL, else AWS")
      ->group(group);
  app->add_option("--region", options_.region,
                  "S3 region; default: $AWS_REGION, $AWS_DEFAULT_REGION, else us-east-1")
      ->group(group);
  app->add_option("--ca-file", options_.ca_file, "PEM file of the authorities to trust for TLS")
      ->group(group);
  app->add_option("--client-cert", options_.client_cert_file,
                  "PEM file of a TLS client certificate, with --client-key")
      ->group(group);
  app->add_option("--client-key", options_.client_key_file, "PEM file of its key")->group(group);
  app->add_option("--connections", options_.connections, "Connections at a time (8)")
      ->check(CLI::Range(1, 256))
      ->group(group);
  app->add_option("--retries", options_.attempts, "Tries of one request, the first included (5)")
      ->check(CLI::Range(1, 100))
      ->group(group);
  app->add_option("--retry-for", retry_for_seconds_,
                  "Seconds for which a begun upload waits for a network or server that is away "
                  "(300)")
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
}

S3Options S3Flags::Options() const {
  S3Options options = options_;
  options.retry_for = absl::Seconds(retry_for_seconds_);
  options.stall_timeout = absl::Seconds(stall_timeout_seconds_);
  options.connect_timeout = absl::Seconds(connect_timeout_seconds_);
  return options;
}

absl::StatusOr<std::unique_ptr<Storage>> OpenStorage(const std::string& destination,
                                                     const S3Flags& s3) {
  VS_RETURN_IF_ERROR(RefuseKeysInUrl(destination));
  if (destination.empty()) return absl::InvalidArgumentError("an empty destination was given");
  if (destination.starts_with(kS3Scheme)) {
    VS_ASSIGN_OR_RETURN(const S3Location location, ParseS3Location(destination));
    return OpenS3Storage(location, s3.Options());
  }
  if (absl::StartsWithIgnoreCase(destination, "s3:")) {
    return MakeError(
        ErrorKind::kS3, absl::StatusCode::kInvalidArgument,
        absl::StrCat("destination ", destination, " is not of the form s3://bucket/prefix/"));
  }
  const size_t scheme = destination.find("://");
  if (scheme != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("destination ", destination,
                     " is neither a directory nor of the form s3://bucket/prefix/"));
  }
  return OpenLocalStorage(destination);
}

absl::StatusOr<ArchiveLocation> FindArchive(const std::string& archive, std::string_view stem,
                                            const S3Flags& s3) {
  VS_RETURN_IF_ERROR(RefuseKeysInUrl(archive));
  const size_t slash = archive.rfind('/');
  ArchiveLocation location;
  location.name = slash == std::string::npos ? archive : archive.substr(slash + 1);
  const std::string destination = slash == std::string::npos ? "."
                                  : slash == 0               ? "/"
                                                             : archive.substr(0, slash + 1);
  if (location.name.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        archive, " names a destination, not an archive: add an archive's name or \"latest\""));
  }
  VS_ASSIGN_OR_RETURN(location.storage, OpenStorage(destination, s3));
  if (location.name == "latest") {
    VS_ASSIGN_OR_RETURN(const BackupInfo latest, LatestBackup(location.storage.get(), stem));
    location.name = latest.name;
  }
  return location;
}

}  // namespace volstream
