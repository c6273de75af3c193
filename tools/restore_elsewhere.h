// The ways of `volstream restore` that are not a plain restore into a directory: a tar on standard
// output, and what is left of a damaged archive.
#ifndef VOLSTREAM_TOOLS_RESTORE_ELSEWHERE_H_
#define VOLSTREAM_TOOLS_RESTORE_ELSEWHERE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "stages/restore.h"
#include "tools/destination.h"
#include "tools/output.h"

namespace volstream {

// "not in the archive: PATTERN ...", of patterns that select nothing.
std::string UnmatchedText(const std::vector<std::string>& patterns);

// Gives the tar to `output`, which is to be flushed.
absl::Status ExportToOutput(const ArchiveLocation& archive, const RestoreOptions& options,
                            Output* output);

// Returns what there is to say where nothing is lost; ErrorKind::kPartial, with what is, where
// something was restored.
absl::StatusOr<std::string> SalvageInto(const ArchiveLocation& archive,
                                        const RestoreOptions& options);

}  // namespace volstream

#endif  // VOLSTREAM_TOOLS_RESTORE_ELSEWHERE_H_
