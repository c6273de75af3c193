#include "stages/zstd_member.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "engine/check.h"
#include "stages/little_endian.h"

namespace volstream {
namespace {

// Magic number 0xFD2FB528; one segment, whose size of one byte is 0; a last raw block of 0 bytes.
constexpr std::array<uint8_t, kZstdEmptyFrameBytes> kEmptyFrame = {0x28, 0xb5, 0x2f, 0xfd, 0x20,
                                                                   0x00, 0x01, 0x00, 0x00};
// One of the sixteen that RFC 8878 sets aside for skippable frames; the first byte in the file is
// 'V'.
constexpr uint32_t kSkippableMagic = 0x184D2A56;
constexpr size_t kInfoBytes = 16;
static_assert(kZstdHeaderBytes == kZstdEmptyFrameBytes + kZstdPieceHeaderBytes + kInfoBytes);

void PutPieceHeader(char id, size_t data_bytes, uint8_t* out) {
  PutLittleEndian<uint32_t>(kSkippableMagic, out);
  PutLittleEndian<uint32_t>(static_cast<uint32_t>(4 + data_bytes), out + 4);
  out[8] = 'V';
  out[9] = static_cast<uint8_t>(id);
  PutLittleEndian<uint16_t>(static_cast<uint16_t>(data_bytes), out + 10);
}

}  // namespace

void WriteZstdHeader(const MemberInfo& info, MutableByteSpan out) {
  VS_CHECK(out.size() >= kZstdHeaderBytes);
  uint8_t* p = std::copy(kEmptyFrame.begin(), kEmptyFrame.end(), out.data());
  PutPieceHeader('S', kInfoBytes, p);
  p += kZstdPieceHeaderBytes;
  PutLittleEndian<uint32_t>(info.member_bytes, p);
  PutLittleEndian<uint32_t>(info.source_bytes, p + 4);
  PutLittleEndian<uint64_t>(info.source_xxh3, p + 8);
}

std::optional<MemberInfo> ParseZstdHeader(ByteSpan in) {
  if (in.size() < kZstdHeaderBytes ||
      !std::equal(kEmptyFrame.begin(), kEmptyFrame.end(), in.begin())) {
    return std::nullopt;
  }
  in = in.subspan(kZstdEmptyFrameBytes);
  const std::optional<ByteSpan> data = TakeZstdPiece('S', &in);
  if (!data.has_value() || data->size() != kInfoBytes) return std::nullopt;
  MemberInfo info;
  info.member_bytes = GetLittleEndian<uint32_t>(data->data());
  info.source_bytes = GetLittleEndian<uint32_t>(data->data() + 4);
  info.source_xxh3 = GetLittleEndian<uint64_t>(data->data() + 8);
  return info;
}

void AppendZstdPiece(char id, std::string_view data, std::string* out) {
  VS_CHECK(data.size() <= UINT16_MAX);
  std::array<uint8_t, kZstdPieceHeaderBytes> header;
  PutPieceHeader(id, data.size(), header.data());
  out->append(reinterpret_cast<const char*>(header.data()), header.size());
  out->append(data);
}

std::optional<ByteSpan> TakeZstdPiece(char id, ByteSpan* in) {
  if (in->size() < kZstdPieceHeaderBytes) return std::nullopt;
  const uint8_t* const p = in->data();
  const size_t data_bytes = GetLittleEndian<uint16_t>(p + 10);
  if (GetLittleEndian<uint32_t>(p) != kSkippableMagic ||
      GetLittleEndian<uint32_t>(p + 4) != 4 + data_bytes || p[8] != 'V' ||
      p[9] != static_cast<uint8_t>(id) || in->size() < kZstdPieceHeaderBytes + data_bytes) {
    return std::nullopt;
  }
  const ByteSpan data = in->subspan(kZstdPieceHeaderBytes, data_bytes);
  *in = in->subspan(kZstdPieceHeaderBytes + data_bytes);
  return data;
}

}  // namespace volstream
