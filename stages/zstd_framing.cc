#include "stages/zstd_framing.h"

#include <algorithm>
#include <array>
#include <utility>

#include "stages/little_endian.h"
#include "stages/zstd_inflate_codec.h"
#include "stages/zstd_member.h"

namespace volstream {
namespace {

constexpr uint32_t kFrameMagic = 0xFD2FB528;
// Any of sixteen.
constexpr uint32_t kSkippableMagic = 0x184D2A50;
constexpr uint32_t kSkippableMask = 0xFFFFFFF0;

constexpr size_t kInfoBytes = 16;
constexpr size_t kStartBytes = kZstdHeaderBytes - kInfoBytes;

// RFC 8878 3.1.1.2.4: Block_Maximum_Size. Neither a raw block nor the raw literals of one have
// more.
constexpr uint64_t kBlockBytes = 128 * kKiB;
// Of a block.
constexpr size_t kBlockHeaderBytes = 3;
// The most that a frame has beside its blocks: magic number, header, checksum.
constexpr size_t kFrameBytes = 4 + 14 + 4;

std::array<uint8_t, kZstdHeaderBytes> EmptyHeader() {
  std::array<uint8_t, kZstdHeaderBytes> header;
  WriteZstdHeader(MemberInfo(), header);
  return header;
}

}  // namespace

MemberFront ZstdFraming::Look(ByteSpan in) const {
  if (in.size() < kZstdSkippableHeaderBytes) return MemberFront::More(kZstdSkippableHeaderBytes);
  const uint32_t magic = GetLittleEndian<uint32_t>(in.data());
  if ((magic & kSkippableMask) == kSkippableMagic) {
    const uint64_t bytes =
        kZstdSkippableHeaderBytes + uint64_t{GetLittleEndian<uint32_t>(in.data() + 4)};
    return MemberFront::Empty(bytes);
  }
  if (magic != kFrameMagic) return MemberFront::None("no member begins here");
  if (in.size() < kZstdHeaderBytes) return MemberFront::More(kZstdHeaderBytes);
  const std::optional<MemberInfo> info = ParseZstdHeader(in);
  if (!info.has_value()) return MemberFront::None("the member does not say how long it is");
  return MemberFront::Data(*info, kZstdHeaderBytes + 1);
}

size_t ZstdFraming::usual_member_tar_bytes() const { return kMaxMemberTarBytes; }

size_t ZstdFraming::MaxMemberBytes(size_t tar_bytes) const {
  // Raw blocks; other writers than libzstd may make small ones, and be told by the index.
  return kZstdHeaderBytes + kFrameBytes + tar_bytes + kBlockHeaderBytes * (tar_bytes / kKiB + 1);
}

std::unique_ptr<BlockCodec> ZstdFraming::MakeInflater(size_t max_member_tar_bytes) const {
  return std::make_unique<ZstdInflateCodec>(max_member_tar_bytes);
}

ByteSpan ZstdFraming::start() const {
  static const std::array<uint8_t, kZstdHeaderBytes> header = EmptyHeader();
  return ByteSpan(header).first(kStartBytes);
}

size_t ZstdFraming::header_bytes() const { return kZstdHeaderBytes; }

bool ZstdFraming::IsIndexStart(ByteSpan in) const {
  if (in.size() < kZstdPieceHeaderBytes) return false;
  // The magic number is that of `VS`.
  const ByteSpan magic = start().subspan(kZstdEmptyFrameBytes, 4);
  return std::equal(magic.begin(), magic.end(), in.begin()) && in[8] == 'V' &&
         (in[9] == 'I' || in[9] == 'F') &&
         GetLittleEndian<uint32_t>(&in[4]) == 4u + GetLittleEndian<uint16_t>(&in[10]);
}

std::optional<uint64_t> ZstdFraming::OtherLength(ByteSpan member) const {
  return ZstdInflateCodec::ContentBytes(member.subspan(kZstdHeaderBytes));
}

uint64_t ZstdFraming::most_kept_in_a_row() const { return kBlockBytes; }

}  // namespace volstream
