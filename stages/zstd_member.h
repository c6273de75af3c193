// The member of a Zstandard archive as volstream writes it (RFC 8878): an empty frame, a skippable
// frame with the `VS` data, and one frame with the block. The empty frame gives an archive the
// magic number in its first bytes that `tar` and `file` look for; the skippable one is what makes a
// reader of a stream find every member without inflating. Layout in docs/format.md.
#ifndef VOLSTREAM_STAGES_ZSTD_MEMBER_H_
#define VOLSTREAM_STAGES_ZSTD_MEMBER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/bytes.h"
#include "stages/member_info.h"

namespace volstream {

// Of an empty frame: magic number (4), frame header descriptor (1), content size (1), an empty last
// block (3).
inline constexpr size_t kZstdEmptyFrameBytes = 9;
// Of a skippable frame: magic number (4) and size (4).
inline constexpr size_t kZstdSkippableHeaderBytes = 8;
// What a skippable frame of volstream's has before its data: its header, identifier (2), length of
// the data (2).
inline constexpr size_t kZstdPieceHeaderBytes = kZstdSkippableHeaderBytes + 4;
// What a member has before the frame with the block.
inline constexpr size_t kZstdHeaderBytes = kZstdEmptyFrameBytes + kZstdPieceHeaderBytes + 16;

// Writes what comes before the frame with the block. REQUIRES: out.size() >= kZstdHeaderBytes.
void WriteZstdHeader(const MemberInfo& info, MutableByteSpan out);

// The `VS` data of a member that begins at in[0]; nothing if it is no such member or the header is
// cut short.
std::optional<MemberInfo> ParseZstdHeader(ByteSpan in);

// Appends a skippable frame with the subfield `V` `id`: a piece of the index ('I') or the footer
// ('F'). REQUIRES: data.size() < 65536.
void AppendZstdPiece(char id, std::string_view data, std::string* out);

// Takes such a frame from the front of *in and returns its data; nothing if there is none of this
// id, or it is cut short.
std::optional<ByteSpan> TakeZstdPiece(char id, ByteSpan* in);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_ZSTD_MEMBER_H_
