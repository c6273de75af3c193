// Restores entries, whoever reads them: selects, strips and hands them to a TreeWriter.
#ifndef VOLSTREAM_STAGES_RESTORE_ENTRIES_H_
#define VOLSTREAM_STAGES_RESTORE_ENTRIES_H_

#include "absl/status/statusor.h"
#include "stages/entry_reader.h"
#include "stages/path_selection.h"
#include "stages/restore.h"

namespace volstream {

// Reads all entries, to the end mark, and restores those that are selected. The target is touched
// only once there is a first entry, or the end mark: a wrong object makes none. Errors: those of
// the reader and of the writer, as they are.
// The report lacks archive_bytes and md5_checked.
absl::StatusOr<RestoreReport> RestoreEntries(EntryReader* entries, PathSelection selection,
                                             const RestoreOptions& options);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_RESTORE_ENTRIES_H_
