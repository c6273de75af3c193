// The ways of `volstream restore` that are not a plain restore into a directory: a tar on standard
// output, and what is left of a damaged archive.
#ifndef VOLSTREAM_TOOLS_RESTORE_ELSEWHERE_H_
#define VOLSTREAM_TOOLS_RESTORE_ELSEWHERE_H_

#include "stages/restore.h"
#include "tools/destination.h"
#include "tools/log.h"
#include "tools/output.h"

namespace volstream {

// Each returns the exit code, and says what there is to say.
int ExportToOutput(const ArchiveLocation& archive, const RestoreOptions& options, Log* log,
                   Output* output);
int SalvageInto(const ArchiveLocation& archive, const RestoreOptions& options, Log* log);

}  // namespace volstream

#endif  // VOLSTREAM_TOOLS_RESTORE_ELSEWHERE_H_
