// MemberInput: the tar stream of an archive, or pieces of it, inflated on all cores over bounded
// memory: the engine's pipeline with a codec that inflates and a sink that hands the parts on in
// order. Ranges are fetched ahead, several at a time. docs/memory.md, "Restore", has the bound.
//
// The bytes of a Next pin a part of at most 4 MiB until they are dropped, and all parts together
// are bounded: whoever keeps some of them must do so only for work that ends without further bytes
// of this input (one part may be kept while waiting for the next).
//
// Every member's header, checksums, length and XXH3 are checked, and that members follow each other
// without a gap. Errors: ErrorKind::kIntegrity with the archive's name and the offset of the
// member.
#ifndef VOLSTREAM_STAGES_MEMBER_INPUT_H_
#define VOLSTREAM_STAGES_MEMBER_INPUT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/bytes.h"
#include "stages/archive_file.h"
#include "stages/archive_format.h"
#include "stages/entry_reader.h"
#include "stages/index_format.h"

namespace volstream {

// A run of members, one behind the other.
struct MemberRun {
  uint64_t archive_offset = 0;
  uint64_t archive_bytes = 0;
};

struct MemberInputOptions {
  ArchiveFormat format = ArchiveFormat::kGzip;  // as FormatOf or the index has it
  uint64_t memory_bytes = 256 * kMiB;  // of all buffers together, those of reading ahead included
  int workers = 0;                     // that inflate; 0 = one a core
  int connections = 8;  // ranges that are fetched at a time; fewer where memory is short
  // Only these runs, in this order, the pieces of the tar one after another; all if there are none.
  std::vector<MemberRun> runs;
  // The largest member and the most that one holds, as the index's footer has them; 0 = what the
  // format allows, of which less is done with where memory_bytes is short.
  uint64_t max_member_bytes = 0;
  uint64_t max_member_tar_bytes = 0;
  // Hears of each member that has data, in order, as if the runs were all there is. Any thread, one
  // at a time. May be empty.
  std::function<void(const MemberExtent&)> on_member;
  // Keeps the digest of the archive's own bytes. MD5 is one core's work for the whole archive and
  // may be what a fast restore waits for. REQUIRES: no runs.
  bool want_xxh3 = false;
  bool want_md5 = false;
};

// What the buffers of a run took, in bytes.
struct MemberInputUsage {
  uint64_t bound_bytes = 0;       // what they may take, all together: <= memory_bytes
  uint64_t read_ahead_bytes = 0;  // the most that those of reading ahead took so far
};

class MemberInput : public TarInput {
 public:
  // The format of an archive that begins with a member that says how long it is (`VS`); nothing
  // for any other. Reads its first bytes.
  static absl::StatusOr<std::optional<ArchiveFormat>> FormatOf(ArchiveFile* file);
  // Begins to fetch. The file must outlive it; the bytes that it gave need neither. Its destructor
  // waits for reads under way, and for nothing that its user does.
  // Errors: kInvalidArgument where memory_bytes is too small, with what would do.
  static absl::StatusOr<std::unique_ptr<MemberInput>> Open(ArchiveFile* file,
                                                           MemberInputOptions options);

  // After the end, if asked for: lower-case hexadecimal, as the receipt has them.
  virtual std::string archive_md5() const = 0;
  virtual std::string archive_xxh3() const = 0;
  virtual MemberInputUsage usage() const = 0;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_MEMBER_INPUT_H_
