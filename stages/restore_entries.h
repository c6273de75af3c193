// Restores entries, whoever reads them: selects, strips and hands them to a TreeWriter.
#ifndef VOLSTREAM_STAGES_RESTORE_ENTRIES_H_
#define VOLSTREAM_STAGES_RESTORE_ENTRIES_H_

#include <memory>

#include "absl/status/statusor.h"
#include "stages/entry_reader.h"
#include "stages/path_selection.h"
#include "stages/restore.h"
#include "stages/tree_writer.h"

namespace volstream {

// Reads all entries, to the end mark, and restores those that are selected. The target is touched
// only once there is a first entry, or the end mark: a wrong object makes none. Errors: those of
// the reader and of the writer, as they are.
// The report lacks archive_bytes and receipt_checked.
absl::StatusOr<RestoreReport> RestoreEntries(EntryReader* entries, PathSelection selection,
                                             const RestoreOptions& options);

// What a restore with these options writes to, wherever that is: calls before_write first. Not for
// a dry run.
absl::StatusOr<std::unique_ptr<TreeWriter>> OpenTreeWriter(const RestoreOptions& options);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_RESTORE_ENTRIES_H_
