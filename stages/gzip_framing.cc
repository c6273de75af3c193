#include "stages/gzip_framing.h"

#include <algorithm>
#include <array>

#include "stages/gzip_member.h"
#include "stages/inflate_codec.h"
#include "stages/little_endian.h"

namespace volstream {
namespace {

constexpr size_t kFixedBytes = 12;  // up to and with XLEN
constexpr uint8_t kFlagExtra = 4;
// What a member of the index has behind its header: an empty deflate block and the trailer.
constexpr size_t kEmptyBodyBytes = 2 + kGzipTrailerBytes;
static_assert(kFixedBytes + 65535 + kEmptyBodyBytes == kMaxIndexMemberBytes);

// The fixed bytes of a header, up to the sizes: with XLEN, `VS` and its length.
constexpr std::array<uint8_t, 16> kStart = {0x1f, 0x8b, 8,  4, 0,   0,   0,  0,
                                            0,    0xff, 20, 0, 'V', 'S', 16, 0};
// Of a member of the index: up to XLEN, whatever that is, and behind it.
constexpr size_t kIndexFixedBytes = 10;
constexpr size_t kIndexStartBytes = 14;

// RFC 1951 3.2.4: a stored block.
constexpr size_t kStoredBlockBytes = 65535;
constexpr size_t kStoredHeaderBytes = 5;

size_t ExtraBytes(ByteSpan in) { return GetLittleEndian<uint16_t>(&in[10]); }

// REQUIRES: all of the member is there.
bool IsIndexMember(ByteSpan in) {
  return TakeGzipPiece('I', &in).has_value() || TakeGzipPiece('F', &in).has_value();
}

}  // namespace

MemberFront GzipFraming::Look(ByteSpan in) const {
  if (in.size() < kFixedBytes) return MemberFront::More(kFixedBytes);
  if (in[0] != 0x1f || in[1] != 0x8b || in[2] != 8 || (in[3] & kFlagExtra) == 0) {
    return MemberFront::None("no member begins here");
  }
  const size_t header_bytes = kFixedBytes + ExtraBytes(in);
  if (in.size() < header_bytes) return MemberFront::More(header_bytes);
  const std::optional<MemberInfo> info = ParseGzipHeader(in);
  if (!info.has_value()) {
    // A member of the index, or nothing that is known.
    const size_t bytes = header_bytes + kEmptyBodyBytes;
    if (in.size() < bytes) return MemberFront::More(bytes);
    if (!IsIndexMember(in)) return MemberFront::None("the member does not say how long it is");
    return MemberFront::Empty(bytes);
  }
  return MemberFront::Data(*info, header_bytes + kGzipTrailerBytes);
}

size_t GzipFraming::usual_member_tar_bytes() const { return InflateCodec::kMemberTarBytes; }

size_t GzipFraming::MaxMemberBytes(size_t tar_bytes) const {
  // Stored blocks behind the longest extra field.
  return tar_bytes + kStoredHeaderBytes * (tar_bytes / kStoredBlockBytes + 1) +
         kMaxIndexMemberBytes;
}

std::unique_ptr<BlockCodec> GzipFraming::MakeInflater(size_t max_member_tar_bytes) const {
  return std::make_unique<InflateCodec>(max_member_tar_bytes);
}

ByteSpan GzipFraming::start() const { return kStart; }
size_t GzipFraming::header_bytes() const { return kGzipHeaderBytes; }

bool GzipFraming::IsIndexStart(ByteSpan in) const {
  return in.size() >= kIndexStartBytes &&
         std::equal(kStart.begin(), kStart.begin() + kIndexFixedBytes, in.begin()) &&
         in[12] == 'V' && (in[13] == 'I' || in[13] == 'F');
}

std::optional<uint64_t> GzipFraming::OtherLength(ByteSpan member) const {
  return GetLittleEndian<uint32_t>(member.last(4).data());
}

uint64_t GzipFraming::most_kept_in_a_row() const { return kStoredBlockBytes; }

}  // namespace volstream
