// MemberFraming: how the members of one format are told apart and inflated, so that whoever reads
// archives need not ask which format it is. Layout in docs/format.md, "Members".
//
// Threads: any; it has no state.
#ifndef VOLSTREAM_STAGES_MEMBER_FRAMING_H_
#define VOLSTREAM_STAGES_MEMBER_FRAMING_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "engine/bytes.h"
#include "engine/stage.h"
#include "stages/archive_format.h"
#include "stages/member_info.h"

namespace volstream {

// The most that a member holds in any archive that is read.
inline constexpr size_t kMaxMemberTarBytes = 16 * kMiB;
// The most that must be seen of what carries no data, before its length and form are known: of a
// gzip member the fixed bytes, XLEN and the longest extra field; then an empty deflate block and
// the trailer.
inline constexpr size_t kMaxIndexMemberBytes = 12 + 65535 + 2 + 8;

// What begins at some byte of an archive.
struct MemberFront {
  enum class Kind {
    kMore,   // `bytes` of it must be seen to tell
    kData,   // a member of `bytes`, headers included, that holds data
    kEmpty,  // `bytes` without data: of the index, or what a later version has put there
    kNone,   // no member
  };

  static MemberFront More(uint64_t bytes) { return {Kind::kMore, bytes, {}, ""}; }
  static MemberFront Empty(uint64_t bytes) { return {Kind::kEmpty, bytes, {}, ""}; }
  static MemberFront None(std::string problem) { return {Kind::kNone, 0, {}, std::move(problem)}; }
  // Of a member that says so of itself; none where that is less than what every member has.
  static MemberFront Data(const MemberInfo& info, size_t least_bytes);

  Kind kind = Kind::kNone;
  uint64_t bytes = 0;
  MemberInfo info;      // of kData
  std::string problem;  // of kNone: what is wrong
};

class MemberFraming {
 public:
  virtual ~MemberFraming() = default;

  static const MemberFraming& Of(ArchiveFormat format);
  // The format of an archive that begins so with a member that says how long it is; nothing for an
  // archive of another program. Header and other subfields may need some KiB.
  static std::optional<ArchiveFormat> FormatAt(ByteSpan front);

  // What begins with in[0]. kMore never asks for more than kMaxIndexMemberBytes.
  virtual MemberFront Look(ByteSpan in) const = 0;
  // The most that a member holds where no index says it.
  virtual size_t usual_member_tar_bytes() const = 0;
  // Of the largest member with so much data.
  virtual size_t MaxMemberBytes(size_t tar_bytes) const = 0;
  // Inflates whole members of at most so much data, and checks all that they say of themselves.
  virtual std::unique_ptr<BlockCodec> MakeInflater(size_t max_member_tar_bytes) const = 0;

  // For finding members behind damage.
  // The fixed bytes that every member with data, as volstream writes it, begins with, up to `VS`
  // and its length.
  virtual ByteSpan start() const = 0;
  // Of the member up to its compressed data, as volstream writes it.
  virtual size_t header_bytes() const = 0;
  // Whether a piece of the index or the footer begins there, by its first bytes; false if they are
  // cut short.
  virtual bool IsIndexStart(ByteSpan in) const = 0;
  // How much a whole member holds, as it says beside its `VS` data. REQUIRES: header_bytes() and a
  // trailer are there.
  virtual std::optional<uint64_t> OtherLength(ByteSpan member) const = 0;
  // How many bytes of the data can lie in a member in a row as they were.
  virtual uint64_t most_kept_in_a_row() const = 0;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_MEMBER_FRAMING_H_
