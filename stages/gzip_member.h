// The gzip member as volstream writes it (RFC 1952): one member a block, whose FEXTRA field holds
// one subfield `VS` so that a reader of a stream finds every member without inflating. Layout in
// docs/format.md.
#ifndef VOLSTREAM_STAGES_GZIP_MEMBER_H_
#define VOLSTREAM_STAGES_GZIP_MEMBER_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "engine/bytes.h"

namespace volstream {

// Fixed header (10) + XLEN (2) + subfield header (4) + subfield data (16).
inline constexpr size_t kGzipHeaderBytes = 32;
// CRC-32 and ISIZE.
inline constexpr size_t kGzipTrailerBytes = 8;

// The data of the `VS` subfield.
struct GzipMemberInfo {
  uint32_t member_bytes = 0;  // the whole member: header, deflate data and trailer
  uint32_t source_bytes = 0;  // uncompressed
  uint64_t source_xxh3 = 0;   // XXH3-64, seed 0, of the uncompressed bytes
};

// Writes the header. REQUIRES: out.size() >= kGzipHeaderBytes.
void WriteGzipHeader(const GzipMemberInfo& info, MutableByteSpan out);

// Writes the trailer. REQUIRES: out.size() >= kGzipTrailerBytes.
void WriteGzipTrailer(uint32_t source_crc32, uint32_t source_bytes, MutableByteSpan out);

// The `VS` data of a member that begins at in[0]; nothing if it is no such member or the header is
// cut short. Other subfields before `VS` are skipped, as RFC 1952 asks.
std::optional<GzipMemberInfo> ParseGzipHeader(ByteSpan in);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_GZIP_MEMBER_H_
