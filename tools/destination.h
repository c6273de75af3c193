// From what a person types to storages: DEST is a directory or s3://bucket/prefix/; ARCHIVE is a
// file, an S3 object, or DEST/latest.
#ifndef VOLSTREAM_TOOLS_DESTINATION_H_
#define VOLSTREAM_TOOLS_DESTINATION_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "stages/archive_file.h"
#include "stages/archive_listing.h"
#include "stages/doctor.h"
#include "stages/storage.h"
#include "tools/s3_flags.h"

namespace volstream {

absl::StatusOr<std::unique_ptr<Storage>> OpenStorage(const std::string& destination,
                                                     const S3Flags& s3);

// Of the same destinations; see stages/doctor.h.
absl::StatusOr<std::unique_ptr<Doctor>> OpenDoctor(const std::string& destination,
                                                   const S3Flags& s3, uint64_t probe_bytes,
                                                   FindingSink on_finding);

struct ArchiveLocation {
  std::unique_ptr<Storage> storage;
  std::string name;
};

// Splits ARCHIVE at its last '/'. "latest" stands for the newest proven backup there, of `stem` if
// that is not empty.
absl::StatusOr<ArchiveLocation> FindArchive(const std::string& archive, std::string_view stem,
                                            const S3Flags& s3);

// An archive whose entries can be listed, with all that it stands on.
struct OpenedArchive {
  ArchiveLocation location;
  std::unique_ptr<ArchiveFile> file;
  std::unique_ptr<ArchiveListing> listing;  // last: it uses the others
};
absl::StatusOr<OpenedArchive> OpenListing(const std::string& archive, std::string_view stem,
                                          const S3Flags& s3, EventLog log);

}  // namespace volstream

#endif  // VOLSTREAM_TOOLS_DESTINATION_H_
