// DeepCheck reads a whole archive and holds its parts against each other: members, tar, index.
#ifndef VOLSTREAM_STAGES_DEEP_CHECK_H_
#define VOLSTREAM_STAGES_DEEP_CHECK_H_

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "stages/archive_file.h"
#include "stages/verification.h"

namespace volstream {

struct DeepCheckOptions {
  uint64_t memory_bytes = 0;
  int workers = 0;
  int connections = 8;
  bool is_tar = true;                            // else any stream, as NAME.gz
  bool want_md5 = true;                          // one core's work for all of the archive
  const std::atomic<bool>* cancelled = nullptr;  // may be null
};

struct DeepCheckResult {
  bool complete = false;  // the archive could be read to its end
  // Of the archive, if complete. The MD5 if it was wanted, XXH3 if volstream's members make it up.
  std::string md5;
  std::string xxh3;
  uint64_t entries = 0;
  uint64_t tar_bytes = 0;
};

// Adds what is wrong to verification->errors. A status that is not OK: it could not be found out.
absl::StatusOr<DeepCheckResult> CheckDeeply(ArchiveFile* file, const DeepCheckOptions& options,
                                            Verification* verification);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_DEEP_CHECK_H_
