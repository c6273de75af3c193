#include "stages/gzip_member.h"

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

}  // namespace volstream
