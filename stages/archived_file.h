// The content of single files of an archive. Where the archive has an index, only the members that
// hold the file are read.
#ifndef VOLSTREAM_STAGES_ARCHIVED_FILE_H_
#define VOLSTREAM_STAGES_ARCHIVED_FILE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/bytes.h"
#include "stages/archive_listing.h"
#include "stages/index_format.h"

namespace volstream {

// A file that was found.
struct ArchivedFile {
  IndexedEntry entry;
  // Without an index: how many entries come before it.
  uint64_t position = 0;
};

using ContentVisitor = std::function<absl::Status(ByteSpan bytes)>;

// The files of these paths, in their order; hard links are followed to what carries the data. Of
// several entries of one path it is the last, as in a restore.
// Errors: kNotFound, naming all that are not there; kFailedPrecondition for what is no file, with
// the target of a symlink.
absl::StatusOr<std::vector<ArchivedFile>> FindFiles(ArchiveListing* archive,
                                                    const std::vector<std::string>& paths);

// Gives the file's bytes to `visit`, in their order, holes as zeros. `memory_bytes` bounds all
// buffers. ErrorKind::kIntegrity if the archive is damaged there, or is not what its index says.
absl::Status ReadFile(ArchiveListing* archive, const ArchivedFile& file, uint64_t memory_bytes,
                      const ContentVisitor& visit);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_ARCHIVED_FILE_H_
