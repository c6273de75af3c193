// Restores a stream that is no tar (NAME_YYYYMMDD_HHMMSS.gz): its bytes become one file.
#ifndef VOLSTREAM_STAGES_RESTORE_RAW_H_
#define VOLSTREAM_STAGES_RESTORE_RAW_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "stages/archive_name.h"
#include "stages/entry_reader.h"
#include "stages/restore.h"

namespace volstream {

// Writes the file `name.stem` in options.target; it appears whole or not at all. With
// Overwrite::kOlder one that is there is older if the archive was begun after it changed. `check`
// runs after the last byte was read and before the file gets its name; its error leaves what was
// there as it was. Patterns and strip_components, which are for trees, are kInvalidArgument. Other
// errors: as RestoreArchive; `url` is the archive's, for messages.
absl::StatusOr<RestoreReport> RestoreRaw(TarInput* input, const std::string& url,
                                         const ArchiveName& name, const RestoreOptions& options,
                                         const std::function<absl::Status()>& check);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_RESTORE_RAW_H_
