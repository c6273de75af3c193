// The gzip member as volstream writes it (RFC 1952): one member a block, whose FEXTRA field holds
// one subfield `VS` so that a reader of a stream finds every member without inflating. Layout in
// docs/format.md.
#ifndef VOLSTREAM_STAGES_GZIP_MEMBER_H_
#define VOLSTREAM_STAGES_GZIP_MEMBER_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "engine/bytes.h"
#include "stages/member_info.h"

namespace volstream {

// Fixed header (10) + XLEN (2) + subfield header (4) + subfield data (16).
inline constexpr size_t kGzipHeaderBytes = 32;
// CRC-32 and ISIZE.
inline constexpr size_t kGzipTrailerBytes = 8;

// Writes the header. REQUIRES: out.size() >= kGzipHeaderBytes.
void WriteGzipHeader(const MemberInfo& info, MutableByteSpan out);

// Writes the trailer. REQUIRES: out.size() >= kGzipTrailerBytes.
void WriteGzipTrailer(uint32_t source_crc32, uint32_t source_bytes, MutableByteSpan out);

// The `VS` data of a member that begins at in[0]; nothing if it is no such member or the header is
// cut short. Other subfields before `VS` are skipped, as RFC 1952 asks.
std::optional<MemberInfo> ParseGzipHeader(ByteSpan in);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_GZIP_MEMBER_H_
