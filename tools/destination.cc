#include "tools/destination.h"

#include <optional>
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

// Nothing for a directory.
absl::StatusOr<std::optional<S3Location>> S3LocationOf(const std::string& destination) {
  VS_RETURN_IF_ERROR(RefuseKeysInUrl(destination));
  if (destination.empty()) return absl::InvalidArgumentError("an empty destination was given");
  if (destination.starts_with(kS3Scheme)) {
    VS_ASSIGN_OR_RETURN(S3Location location, ParseS3Location(destination));
    return location;
  }
  if (absl::StartsWithIgnoreCase(destination, "s3:")) {
    return MakeError(
        ErrorKind::kS3, absl::StatusCode::kInvalidArgument,
        absl::StrCat("destination ", destination, " is not of the form s3://bucket/prefix/"));
  }
  if (absl::StrContains(destination, "://")) {
    return absl::InvalidArgumentError(
        absl::StrCat("destination ", destination,
                     " is neither a directory nor of the form s3://bucket/prefix/"));
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Storage>> OpenStorage(const std::string& destination,
                                                     const S3Flags& s3) {
  VS_ASSIGN_OR_RETURN(const std::optional<S3Location> location, S3LocationOf(destination));
  if (!location.has_value()) return OpenLocalStorage(destination);
  VS_ASSIGN_OR_RETURN(const S3Options options, s3.Options());
  return OpenS3Storage(*location, options);
}

absl::StatusOr<std::unique_ptr<Doctor>> OpenDoctor(const std::string& destination,
                                                   const S3Flags& s3, uint64_t probe_bytes,
                                                   FindingSink on_finding) {
  VS_ASSIGN_OR_RETURN(const std::optional<S3Location> location, S3LocationOf(destination));
  if (!location.has_value()) return OpenLocalDoctor(destination, std::move(on_finding));
  VS_ASSIGN_OR_RETURN(const S3Options options, s3.Options());
  return OpenS3Doctor(*location, options, probe_bytes, std::move(on_finding));
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

absl::StatusOr<OpenedArchive> OpenListing(const std::string& archive, std::string_view stem,
                                          const S3Flags& s3, EventLog log) {
  OpenedArchive opened;
  VS_ASSIGN_OR_RETURN(opened.location, FindArchive(archive, stem, s3));
  VS_ASSIGN_OR_RETURN(opened.file,
                      ArchiveFile::Open(opened.location.storage.get(), opened.location.name));
  VS_ASSIGN_OR_RETURN(opened.listing, ArchiveListing::Open(opened.file.get(), std::move(log)));
  return opened;
}

}  // namespace volstream
