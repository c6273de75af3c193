// MemberInput: the tar stream of an archive, or pieces of it, inflated on all cores over bounded
// memory: the engine's pipeline with a codec that inflates and a sink that hands the parts on in
// order. Ranges are fetched ahead, several at a time.
//
// Every member's header, CRC-32, length and XXH3 are checked, and that members follow each other
// without a gap. Errors: ErrorKind::kIntegrity with the archive's name and the offset of the
// member.
#ifndef VOLSTREAM_STAGES_MEMBER_INPUT_H_
#define VOLSTREAM_STAGES_MEMBER_INPUT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/bytes.h"
#include "stages/archive_file.h"
#include "stages/entry_reader.h"

namespace volstream {

// A run of members, one behind the other.
struct MemberRun {
  uint64_t archive_offset = 0;
  uint64_t archive_bytes = 0;
};

struct MemberInputOptions {
  uint64_t memory_bytes = 256 * kMiB;  // of all buffers together, those of reading ahead included
  int workers = 0;                     // that inflate; 0 = one a core
  int connections = 8;                 // ranges that are fetched at a time
  // Only these runs, in this order, the pieces of the tar one after another; all if there are none.
  std::vector<MemberRun> runs;
  // Keeps the MD5 and XXH3 of the archive's own bytes. REQUIRES: no runs.
  bool digest_archive = false;
};

class MemberInput : public TarInput {
 public:
  // True if the archive begins with a member that says how long it is (`VS`). Reads its first
  // bytes.
  static absl::StatusOr<bool> CanRead(ArchiveFile* file);
  // Begins to fetch. The file must outlive it.
  static absl::StatusOr<std::unique_ptr<MemberInput>> Open(ArchiveFile* file,
                                                           MemberInputOptions options);

  // After the end, if asked for: lower-case hexadecimal, as the receipt has them.
  virtual std::string archive_md5() const = 0;
  virtual std::string archive_xxh3() const = 0;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_MEMBER_INPUT_H_
