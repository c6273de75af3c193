// TarExport: an archive's tar, or the entries of it that are selected, as a tar stream again, byte
// for byte as it went in; of an archive that is no tar, its bytes.
#ifndef VOLSTREAM_STAGES_TAR_EXPORT_H_
#define VOLSTREAM_STAGES_TAR_EXPORT_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/bytes.h"
#include "stages/archive_file.h"
#include "stages/entry_source.h"
#include "stages/path_selection.h"

namespace volstream {

// Gives the bytes to `visit`, in order; an error of it ends the export, unchanged. Of selected
// entries just the members that hold them are read, which needs an index: kFailedPrecondition
// without one. A hard link comes as a link, whether its file is selected or not.
// Returns the patterns that select nothing. ErrorKind::kIntegrity for a damaged archive: what was
// given till then is no whole tar.
absl::StatusOr<std::vector<std::string>> ExportTar(
    ArchiveFile* file, PathSelection selection, const ReadOptions& options,
    const std::function<absl::Status(ByteSpan bytes)>& visit);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_TAR_EXPORT_H_
