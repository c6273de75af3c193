// What begins at any bytes, of either format, and the frame of a Zstandard member: nothing is read
// or written beyond, and what inflates is what the header says.
#include <cstdlib>
#include <memory>
#include <vector>

#include "engine/check.h"
#include "stages/member_framing.h"
#include "stages/zstd_inflate_codec.h"
#include "stages/zstd_member.h"

namespace volstream {
namespace {

constexpr size_t kRoomBytes = 64 * kKiB;

void LookAt(ByteSpan bytes) {
  for (const ArchiveFormat format : {ArchiveFormat::kGzip, ArchiveFormat::kZstd}) {
    const MemberFraming& framing = MemberFraming::Of(format);
    const MemberFront front = framing.Look(bytes);
    if (front.kind == MemberFront::Kind::kMore) {
      VS_CHECK(front.bytes > bytes.size() && front.bytes <= kMaxIndexMemberBytes);
    } else if (front.kind != MemberFront::Kind::kNone) {
      VS_CHECK(front.bytes > 0);
    }
    framing.IsIndexStart(bytes);
    if (front.kind == MemberFront::Kind::kData && front.bytes <= bytes.size()) {
      framing.OtherLength(bytes.first(front.bytes));
    }
  }
}

void InflateFrame(ByteSpan frame) {
  static ZstdInflateCodec* const codec = new ZstdInflateCodec(kRoomBytes);
  const std::optional<uint64_t> content = ZstdInflateCodec::ContentBytes(frame);
  if (!content.has_value() || *content > kRoomBytes) return;
  // A header that fits, so that only the frame and the hash are wrong.
  MemberInfo info;
  info.member_bytes = static_cast<uint32_t>(kZstdHeaderBytes + frame.size());
  info.source_bytes = static_cast<uint32_t>(*content);
  std::vector<uint8_t> member(kZstdHeaderBytes);
  WriteZstdHeader(info, member);
  member.insert(member.end(), frame.begin(), frame.end());
  // In memory of just its size, so that writing beyond shows.
  const auto out = std::make_unique<uint8_t[]>(*content);
  const auto block = codec->Encode(member, MutableByteSpan(out.get(), *content));
  VS_CHECK(!block.ok() || block->bytes == *content);
}

void FuzzOne(ByteSpan data) {
  const std::vector<uint8_t> bytes(data.begin(), data.end());
  LookAt(bytes);
  InflateFrame(bytes);
}

}  // namespace
}  // namespace volstream

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  volstream::FuzzOne(volstream::ByteSpan(data, size));
  return 0;
}
