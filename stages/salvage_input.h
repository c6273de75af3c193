// SalvageInput: the tar bytes of an archive's members that are intact, and the gaps between them.
//
// With the extents that an intact index names, each member is looked for in its place. Without
// them, the archive is read from its front, and where a member is damaged the next one is searched
// for: the exact header of docs/format.md, in front of what inflates and has its checksums.
//
// Not taken for a member: one that may lie inside of another, because a file in the archive was
// itself such an archive. Deflate keeps at most 65,535 bytes in a row as they were, and Zstandard
// 131,072, so behind a gap members are believed once more than that follows without a break, or the
// archive's end or index.
//
// Threads: Next by one thread at a time; Cancel by any. Memory: the bytes read ahead (16 MiB), one
// member, and 32 bytes for each extent. Errors: the storage's, unchanged: damage is none.
#ifndef VOLSTREAM_STAGES_SALVAGE_INPUT_H_
#define VOLSTREAM_STAGES_SALVAGE_INPUT_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "stages/archive_file.h"
#include "stages/archive_format.h"
#include "stages/entry_reader.h"
#include "stages/index_format.h"
#include "stages/member_framing.h"
#include "stages/range_reader.h"

namespace volstream {

struct SalvageItem {
  enum class Kind { kBytes, kGap, kEnd };

  Kind kind = Kind::kEnd;
  uint64_t archive_offset = 0;
  uint64_t archive_bytes = 0;
  std::optional<uint64_t> tar_offset;  // where it is known
  // Of kBytes; of a gap what is lost of the tar, where that is known: the headers of the damaged
  // members are intact, or the index says it.
  std::optional<uint64_t> tar_bytes;
  SharedBytes content;  // of kBytes
};

class SalvageInput {
 public:
  // The extents of all members, from the index; empty if there is none. The file must outlive it.
  SalvageInput(ArchiveFile* file, ArchiveFormat format, std::vector<MemberExtent> extents = {});

  // The format of an archive whose first bytes may be damaged: what they say, else its name.
  static absl::StatusOr<ArchiveFormat> FormatOf(ArchiveFile* file);

  // The next member or gap, never two gaps in a row; kEnd at the end, and ever after.
  absl::StatusOr<SalvageItem> Next();
  void Cancel() { reader_.Cancel(); }

 private:
  // What is lost since the last member.
  struct Gap {
    uint64_t begin = 0;
    std::optional<uint64_t> tar_bytes = 0;
  };

  // The archive's bytes from `offset`, which never falls: `bytes` of them, or fewer at its end.
  // Valid until the next call.
  absl::StatusOr<ByteSpan> Peek(uint64_t offset, size_t bytes);
  // The header at `offset`, if it is exactly that of a member, with sizes that can be.
  absl::StatusOr<std::optional<MemberInfo>> HeaderAt(uint64_t offset);
  // Whether a member, one of the index, or the archive's end is there, by its header alone.
  absl::StatusOr<bool> IsBorder(uint64_t offset);
  // The bytes of what holds no data at `offset`, if it is of the index, or lies before a border;
  // else 0.
  absl::StatusOr<uint64_t> EmptyAt(uint64_t offset);
  bool HasStart(ByteSpan in) const;
  // The data of the whole member at the front of `member`; nothing if any check fails.
  std::optional<SharedBytes> Inflate(ByteSpan member, uint64_t tar_bytes);
  absl::StatusOr<bool> CannotLieInAMember(uint64_t offset, uint64_t member_bytes);

  // Each goes on by one step: found_ may have more afterwards, or position_ is further.
  absl::Status StepByExtents();
  absl::Status Step();
  absl::Status StepOverDamage(const std::optional<MemberInfo>& info);
  absl::Status Search();
  // Ends the gap, if there is one, at `end`.
  void CloseGap(uint64_t end);
  void Found(uint64_t archive_bytes, SharedBytes content);

  ArchiveFile* const file_;
  const std::vector<MemberExtent> extents_;
  const uint64_t end_;
  const MemberFraming& framing_;
  RangeReader reader_;
  const std::unique_ptr<BlockCodec> codec_;

  std::vector<uint8_t> window_;  // of the archive; ends where the reader stands
  uint64_t window_offset_ = 0;
  uint64_t position_ = 0;  // all before it is done with
  size_t next_extent_ = 0;
  std::optional<uint64_t> tar_offset_ = 0;  // of position_
  std::optional<Gap> gap_;
  std::deque<SalvageItem> found_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_SALVAGE_INPUT_H_
