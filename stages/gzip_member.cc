#include "stages/gzip_member.h"

#include <algorithm>
#include <array>

#include "engine/check.h"
#include "stages/little_endian.h"

namespace volstream {
namespace {

constexpr uint8_t kMagic1 = 0x1f;
constexpr uint8_t kMagic2 = 0x8b;
constexpr uint8_t kDeflate = 8;
constexpr uint8_t kFlagExtra = 4;
constexpr uint8_t kOsUnknown = 255;
constexpr size_t kFixedBytes = 12;  // up to and with XLEN
constexpr size_t kSubfieldHeaderBytes = 4;
constexpr uint16_t kDataBytes = 16;

// Of a member without data, which has nothing but the subfield.
constexpr std::array<uint8_t, 10> kPieceHeader = {kMagic1, kMagic2, kDeflate, kFlagExtra, 0, 0,
                                                  0,       0,       0,        kOsUnknown};
// An empty block of fixed Huffman codes, CRC-32 and ISIZE of nothing.
constexpr std::array<uint8_t, 10> kNothing = {3, 0, 0, 0, 0, 0, 0, 0, 0, 0};
static_assert(kGzipPieceOverheadBytes == kFixedBytes + kSubfieldHeaderBytes + kNothing.size());

}  // namespace

void WriteGzipHeader(const MemberInfo& info, MutableByteSpan out) {
  VS_CHECK(out.size() >= kGzipHeaderBytes);
  uint8_t* p = out.data();
  p[0] = kMagic1;
  p[1] = kMagic2;
  p[2] = kDeflate;
  p[3] = kFlagExtra;
  PutLittleEndian<uint32_t>(0, p + 4);  // MTIME: none, so equal input gives equal bytes
  p[8] = 0;                             // XFL
  p[9] = kOsUnknown;
  PutLittleEndian<uint16_t>(kSubfieldHeaderBytes + kDataBytes, p + 10);
  p[12] = 'V';
  p[13] = 'S';
  PutLittleEndian<uint16_t>(kDataBytes, p + 14);
  PutLittleEndian<uint32_t>(info.member_bytes, p + 16);
  PutLittleEndian<uint32_t>(info.source_bytes, p + 20);
  PutLittleEndian<uint64_t>(info.source_xxh3, p + 24);
}

void WriteGzipTrailer(uint32_t source_crc32, uint32_t source_bytes, MutableByteSpan out) {
  VS_CHECK(out.size() >= kGzipTrailerBytes);
  PutLittleEndian<uint32_t>(source_crc32, out.data());
  PutLittleEndian<uint32_t>(source_bytes, out.data() + 4);
}

std::optional<MemberInfo> ParseGzipHeader(ByteSpan in) {
  if (in.size() < kFixedBytes || in[0] != kMagic1 || in[1] != kMagic2 || in[2] != kDeflate ||
      (in[3] & kFlagExtra) == 0) {
    return std::nullopt;
  }
  const size_t extra_bytes = GetLittleEndian<uint16_t>(&in[10]);
  if (in.size() < kFixedBytes + extra_bytes) return std::nullopt;
  ByteSpan extra = in.subspan(kFixedBytes, extra_bytes);
  while (extra.size() >= kSubfieldHeaderBytes) {
    const size_t data_bytes = GetLittleEndian<uint16_t>(&extra[2]);
    if (extra.size() < kSubfieldHeaderBytes + data_bytes) return std::nullopt;
    if (extra[0] == 'V' && extra[1] == 'S' && data_bytes == kDataBytes) {
      const uint8_t* data = &extra[kSubfieldHeaderBytes];
      return MemberInfo{GetLittleEndian<uint32_t>(data), GetLittleEndian<uint32_t>(data + 4),
                        GetLittleEndian<uint64_t>(data + 8)};
    }
    extra = extra.subspan(kSubfieldHeaderBytes + data_bytes);
  }
  return std::nullopt;
}

void AppendGzipPiece(char id, std::string_view data, std::string* out) {
  VS_CHECK(data.size() <= UINT16_MAX - kSubfieldHeaderBytes);
  out->append(reinterpret_cast<const char*>(kPieceHeader.data()), kPieceHeader.size());
  AppendLittleEndian<uint16_t>(static_cast<uint16_t>(kSubfieldHeaderBytes + data.size()), out);
  out->push_back('V');
  out->push_back(id);
  AppendLittleEndian<uint16_t>(static_cast<uint16_t>(data.size()), out);
  out->append(data);
  out->append(reinterpret_cast<const char*>(kNothing.data()), kNothing.size());
}

std::optional<ByteSpan> TakeGzipPiece(char id, ByteSpan* in) {
  if (in->size() < kGzipPieceOverheadBytes ||
      !std::equal(kPieceHeader.begin(), kPieceHeader.end(), in->begin())) {
    return std::nullopt;
  }
  const size_t extra_bytes = GetLittleEndian<uint16_t>(in->data() + 10);
  const size_t data_bytes = GetLittleEndian<uint16_t>(in->data() + 14);
  if ((*in)[12] != 'V' || (*in)[13] != static_cast<uint8_t>(id) ||
      extra_bytes != kSubfieldHeaderBytes + data_bytes ||
      in->size() < kGzipPieceOverheadBytes + data_bytes) {
    return std::nullopt;
  }
  const ByteSpan data = in->subspan(kFixedBytes + kSubfieldHeaderBytes, data_bytes);
  if (!std::equal(kNothing.begin(), kNothing.end(), data.end())) return std::nullopt;
  *in = in->subspan(kGzipPieceOverheadBytes + data_bytes);
  return data;
}

}  // namespace volstream
