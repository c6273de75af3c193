// TarFields: the fields of one tar header block, whichever of its dialects it is of: V7, ustar
// (IEEE Std 1003.1, pax, "ustar Interchange Format"), GNU tar's ("Basic Tar Format" in its manual)
// and star's, which shortens the prefix. Nothing is trusted: every number is checked.
//
// Threads: a view; the block must outlive it and what it hands out.
#ifndef VOLSTREAM_STAGES_TAR_FIELDS_H_
#define VOLSTREAM_STAGES_TAR_FIELDS_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/bytes.h"
#include "stages/tar_header.h"

namespace volstream {

// An octal field, blank counting as 0, or GNU's base 256, whose first byte has its top bit set and
// which may be negative. Nothing if it is neither or does not fit.
std::optional<int64_t> TarNumber(ByteSpan field);

// Up to the first NUL, or the whole field.
std::string_view TarText(ByteSpan field);

class TarFields {
 public:
  // REQUIRES: block.size() == kTarBlockBytes.
  explicit TarFields(ByteSpan block) : block_(block) {}

  // Whether the block is a header at all: its sum is right. Sums of signed bytes, which some old
  // tars made, are as good.
  bool HasChecksum() const;

  char type() const { return static_cast<char>(block_[156]); }
  std::string_view name() const { return TarText(block_.subspan(0, 100)); }
  std::string_view link_name() const { return TarText(block_.subspan(157, 100)); }
  // What stands before name() and a '/'; only ustar has one.
  std::string_view prefix() const;
  // Empty in V7 headers, which have none.
  std::string_view user_name() const;
  std::string_view group_name() const;

  std::optional<int64_t> mode() const { return TarNumber(block_.subspan(100, 8)); }
  std::optional<int64_t> uid() const { return TarNumber(block_.subspan(108, 8)); }
  std::optional<int64_t> gid() const { return TarNumber(block_.subspan(116, 8)); }
  std::optional<int64_t> size() const { return TarNumber(block_.subspan(124, 12)); }
  std::optional<int64_t> mtime() const { return TarNumber(block_.subspan(136, 12)); }
  std::optional<int64_t> device_major() const { return TarNumber(block_.subspan(329, 8)); }
  std::optional<int64_t> device_minor() const { return TarNumber(block_.subspan(337, 8)); }

  // Of type 'S': the file's size, and whether a block of its map comes next.
  std::optional<int64_t> sparse_bytes() const { return TarNumber(block_.subspan(483, 12)); }
  bool map_follows() const { return block_[482] != 0; }
  // Of such a block of the map: whether another one comes next.
  static bool MapGoesOn(ByteSpan map_block) { return map_block[504] != 0; }

 private:
  const ByteSpan block_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_TAR_FIELDS_H_
