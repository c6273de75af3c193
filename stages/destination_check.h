// Whether the destinations of a backup can be what they are given as: before anything is read.
#ifndef VOLSTREAM_STAGES_DESTINATION_CHECK_H_
#define VOLSTREAM_STAGES_DESTINATION_CHECK_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "stages/storage.h"

namespace volstream {

// Fails if two of them are one place.
absl::Status CheckDestinationsDiffer(const std::vector<Storage*>& storages);

// Fails if a directory to write to and the directory to read lie in one another.
absl::Status CheckApart(const std::string& source_path, const Storage& storage);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_DESTINATION_CHECK_H_
