// The gzip member as volstream writes it (RFC 1952): one member a block, whose FEXTRA field holds
// one subfield `VS` so that a reader of a stream finds every member without inflating; and the
// member without data whose FEXTRA field carries a piece of the index. Layout in docs/format.md.
#ifndef VOLSTREAM_STAGES_GZIP_MEMBER_H_
#define VOLSTREAM_STAGES_GZIP_MEMBER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/bytes.h"
#include "stages/member_info.h"

namespace volstream {

// Fixed header (10) + XLEN (2) + subfield header (4) + subfield data (16).
inline constexpr size_t kGzipHeaderBytes = 32;
// CRC-32 and ISIZE.
inline constexpr size_t kGzipTrailerBytes = 8;
// What a member without data has beside its subfield's data: header (10), XLEN (2), subfield header
// (4), an empty deflate block (2), trailer (8).
inline constexpr size_t kGzipPieceOverheadBytes = 26;

// Writes the header. REQUIRES: out.size() >= kGzipHeaderBytes.
void WriteGzipHeader(const MemberInfo& info, MutableByteSpan out);

// Writes the trailer. REQUIRES: out.size() >= kGzipTrailerBytes.
void WriteGzipTrailer(uint32_t source_crc32, uint32_t source_bytes, MutableByteSpan out);

// The `VS` data of a member that begins at in[0]; nothing if it is no such member or the header is
// cut short. Other subfields before `VS` are skipped, as RFC 1952 asks.
std::optional<MemberInfo> ParseGzipHeader(ByteSpan in);

// Appends a member without data, with the subfield `V` `id`: a piece of the index ('I') or the
// footer ('F'). REQUIRES: data.size() <= 65531.
void AppendGzipPiece(char id, std::string_view data, std::string* out);

// Takes such a member from the front of *in and returns its subfield's data; nothing if there is
// none of this id, or it is cut short.
std::optional<ByteSpan> TakeGzipPiece(char id, ByteSpan* in);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_GZIP_MEMBER_H_
