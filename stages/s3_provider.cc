#include "stages/s3_provider.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "stages/absl_text.h"
#include "stages/error_kind.h"

namespace volstream {
namespace {

// Hosts that end in `suffix` and, where that is given, contain `part`.
struct KnownHost {
  std::string_view suffix;
  std::string_view part;
  std::string_view provider;
};

constexpr KnownHost kKnownHosts[] = {
    {".amazonaws.com", "", "aws"},
    {".amazonaws.com.cn", "", "aws"},
    {".your-objectstorage.com", "", "hetzner"},
    {".wasabisys.com", "", "wasabi"},
    {".digitaloceanspaces.com", "", "digitalocean"},
    {".r2.cloudflarestorage.com", "", "r2"},
    {".scw.cloud", "s3.", "scaleway"},
    {".backblazeb2.com", "s3.", "b2"},
};

std::vector<S3Provider> MakeTable() {
  std::vector<S3Provider> table;
  table.push_back({.name = "aws",
                   .title = "Amazon S3",
                   .addressing = S3Addressing::kVirtualHost,
                   .checksums = true,
                   .conditional_puts = true});
  table.push_back({.name = "hetzner",
                   .title = "Hetzner Object Storage (Ceph)",
                   .conditional_puts = true,
                   .note = "encryption with customer keys only (SSE-C); Object Lock only where the "
                           "bucket was made with it; answers SlowDown under load"});
  table.push_back({.name = "ceph", .title = "Ceph RGW", .conditional_puts = true});
  table.push_back({.name = "minio",
                   .title = "MinIO",
                   .conditional_puts = true,
                   .note = "releases since 2025 take --checksum crc64nvme"});
  table.push_back({.name = "wasabi",
                   .title = "Wasabi",
                   .note = "objects are billed for a minimum of days, also when removed sooner"});
  table.push_back({.name = "digitalocean", .title = "DigitalOcean Spaces (Ceph)"});
  table.push_back({.name = "r2",
                   .title = "Cloudflare R2",
                   .equal_parts = true,
                   .conditional_puts = true,
                   .region = "auto",
                   .note = "no versioning and no Object Lock by the S3 API"});
  table.push_back({.name = "scaleway", .title = "Scaleway", .max_parts = 1'000});
  table.push_back({.name = "b2",
                   .title = "Backblaze B2",
                   .note = "refuses checksum headers and conditional writes; what is removed stays "
                           "as a hidden version until a lifecycle rule deletes it"});
  table.push_back({.name = "garage",
                   .title = "Garage",
                   .region = "garage",
                   .note = "no versioning, no Object Lock"});
  table.push_back({.name = "other",
                   .title = "a provider that volstream does not know",
                   .note = "nothing beyond plain S3 is asked for"});
  return table;
}

const S3Provider* ByName(std::string_view name) {
  for (const S3Provider& provider : S3Providers()) {
    if (provider.name == name) return &provider;
  }
  return nullptr;
}

}  // namespace

const std::vector<S3Provider>& S3Providers() {
  static const auto* const table = new std::vector<S3Provider>(MakeTable());
  return *table;
}

std::string S3ProviderNames() {
  return absl::StrJoin(S3Providers(), ", ", [](std::string* out, const S3Provider& provider) {
    absl::StrAppend(out, ToAbsl(provider.name));
  });
}

absl::StatusOr<const S3Provider*> FindS3Provider(std::string_view name, std::string_view host) {
  if (!name.empty() && name != "auto") {
    if (const S3Provider* const provider = ByName(name); provider != nullptr) return provider;
    return MakeError(ErrorKind::kS3, absl::StatusCode::kInvalidArgument,
                     absl::StrCat("no provider is called \"", ToAbsl(name), "\": give auto or one ",
                                  "of ", S3ProviderNames()));
  }
  if (host.empty()) return ByName("aws");
  for (const KnownHost& known : kKnownHosts) {
    if (absl::EndsWithIgnoreCase(ToAbsl(host), ToAbsl(known.suffix)) &&
        absl::StrContains(ToAbsl(host), ToAbsl(known.part))) {
      return ByName(known.provider);
    }
  }
  return ByName("other");
}

}  // namespace volstream
