#include "stages/zstd_codec.h"

#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/check.h"
#include "engine/status_macros.h"
#include "stages/compress_probe.h"
#include "stages/little_endian.h"
#include "stages/xxh3.h"
#include "stages/zstd_member.h"

namespace volstream {
namespace {

constexpr uint32_t kFrameMagic = 0xFD2FB528;
constexpr size_t kMaxBlockBytes = 128 * kKiB;  // of a block in a frame
constexpr size_t kBlockHeaderBytes = 3;
constexpr size_t kChecksumBytes = 4;
// Bits of the frame header descriptor: the window is the content, and a checksum follows.
constexpr uint8_t kSingleSegment = 0x20;
constexpr uint8_t kHasChecksum = 0x04;

// Levels below pass over what does not shrink at 2 GB/s by themselves, so only a probe that is
// faster yet, of windows, pays; these search it at 40 to 180 MB/s.
constexpr int kFirstProbedLevel = 5;
// At this level, and unless it takes off more than this part, the block is stored. All of it is
// asked, at 2 GB/s: windows lie far apart in a block of 4 MiB, and see little of what repeats.
constexpr int kProbeLevel = 1;
constexpr size_t kProbeGain = 64;

// How a frame's content size of `bytes` is written: the flag in the descriptor, and its bytes.
struct ContentSize {
  uint8_t flag;
  size_t bytes;
};
constexpr ContentSize ContentSizeOf(size_t bytes) {
  if (bytes < 256) return {0, 1};
  if (bytes < 65536 + 256) return {0x40, 2};
  return {0x80, 4};
}

size_t RawFrameBytes(size_t in_bytes) {
  const size_t blocks = std::max<size_t>(1, (in_bytes + kMaxBlockBytes - 1) / kMaxBlockBytes);
  return sizeof(kFrameMagic) + 1 + ContentSizeOf(in_bytes).bytes + in_bytes +
         blocks * kBlockHeaderBytes + kChecksumBytes;
}

// A frame of raw blocks. REQUIRES: out.size() >= RawFrameBytes(in.size()). Returns that.
size_t WriteRawFrame(ByteSpan in, MutableByteSpan out) {
  const auto checksum = static_cast<uint32_t>(XXH64(in.data(), in.size(), 0));
  const ContentSize size = ContentSizeOf(in.size());
  uint8_t* p = out.data();
  PutLittleEndian<uint32_t>(kFrameMagic, p);
  p[4] = static_cast<uint8_t>(size.flag | kSingleSegment | kHasChecksum);
  p += 5;
  // Two bytes count from 256 on.
  const size_t value = size.bytes == 2 ? in.size() - 256 : in.size();
  for (size_t i = 0; i < size.bytes; ++i) *p++ = static_cast<uint8_t>(value >> (8 * i));
  do {
    const size_t count = std::min(in.size(), kMaxBlockBytes);
    const size_t header = count << 3 | (count == in.size() ? 1 : 0);  // type 0: raw
    for (size_t i = 0; i < kBlockHeaderBytes; ++i) *p++ = static_cast<uint8_t>(header >> (8 * i));
    if (count > 0) std::memcpy(p, in.data(), count);
    p += count;
    in = in.subspan(count);
  } while (!in.empty());
  PutLittleEndian<uint32_t>(checksum, p);
  return static_cast<size_t>(p + kChecksumBytes - out.data());
}

// What a level has in place of libzstd's table, which is made for streams: a frame that is one
// block begins with nothing to look back at, and larger tables win that back. docs/performance.md,
// "Codec by block", says what each is worth.
struct Parameter {
  int level;
  ZSTD_cParameter name;
  int value;
};
constexpr Parameter kParameters[] = {
    // The window is the block, up to 4 MiB; libzstd fits it, and the tables, to a smaller one.
    {1, ZSTD_c_windowLog, 22},
    {1, ZSTD_c_hashLog, 15},
    // The first is the table of long matches, the second that of short ones.
    {3, ZSTD_c_windowLog, 22},
    {3, ZSTD_c_hashLog, 18},
    {3, ZSTD_c_chainLog, 15},
    {4, ZSTD_c_windowLog, 22},
    {4, ZSTD_c_hashLog, 20},
    {4, ZSTD_c_chainLog, 16},
};

struct ContextFree {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};
using Context = std::unique_ptr<ZSTD_CCtx, ContextFree>;

// Null without memory.
Context NewContext(int level, bool checksum) {
  Context context(ZSTD_createCCtx());
  if (context == nullptr) return nullptr;
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, checksum ? 1 : 0);
  for (const Parameter& parameter : kParameters) {
    if (parameter.level != level) continue;
    VS_CHECK(!ZSTD_isError(ZSTD_CCtx_setParameter(context.get(), parameter.name, parameter.value)));
  }
  return context;
}

// A frame of at most out.size() bytes; 0 if it would have more.
absl::StatusOr<size_t> Compress(ZSTD_CCtx* context, ByteSpan in, MutableByteSpan out) {
  const size_t bytes = ZSTD_compress2(context, out.data(), out.size(), in.data(), in.size());
  if (!ZSTD_isError(bytes)) return bytes;
  switch (ZSTD_getErrorCode(bytes)) {
    case ZSTD_error_dstSize_tooSmall:
      return 0;
    case ZSTD_error_memory_allocation:
      return absl::ResourceExhaustedError("no memory for a compressor");
    default:
      return absl::InternalError(absl::StrCat("libzstd: ", ZSTD_getErrorName(bytes)));
  }
}

}  // namespace

struct ZstdCodec::Kit {
  Context main;
  Context probe;  // null where the level needs none

  // Piece by piece, so that data that shrinks is known by its first piece; then in one, for what
  // repeats from piece to piece. Writes to `scratch`, which has in.size() bytes.
  absl::StatusOr<bool> WouldShrink(ByteSpan in, MutableByteSpan scratch) const {
    if (probe == nullptr) return !IsNoise(in);
    for (ByteSpan rest = in; !rest.empty();) {
      const ByteSpan piece = rest.first(std::min(rest.size(), kMaxBlockBytes));
      VS_ASSIGN_OR_RETURN(const bool shrinks, Shrinks(piece, scratch));
      if (shrinks) return true;
      rest = rest.subspan(piece.size());
    }
    if (in.size() <= kMaxBlockBytes) return false;
    return Shrinks(in, scratch);
  }

  absl::StatusOr<bool> Shrinks(ByteSpan in, MutableByteSpan scratch) const {
    VS_ASSIGN_OR_RETURN(
        const size_t bytes,
        Compress(probe.get(), in, scratch.first(in.size() - in.size() / kProbeGain)));
    return bytes != 0;
  }
};

absl::StatusOr<std::unique_ptr<ZstdCodec>> ZstdCodec::Create(int level) {
  if (level < kMinLevel || level > kMaxLevel) {
    return absl::InvalidArgumentError(absl::StrCat(
        "compression level ", level, " of zstd is not between ", kMinLevel, " and ", kMaxLevel));
  }
  return std::unique_ptr<ZstdCodec>(new ZstdCodec(level));
}

ZstdCodec::ZstdCodec(int level) : level_(level) {}
ZstdCodec::~ZstdCodec() = default;

size_t ZstdCodec::Bound(size_t block_bytes) const {
  // A block that would become larger is stored, so the raw form is the bound.
  return kZstdHeaderBytes + RawFrameBytes(block_bytes);
}

std::unique_ptr<ZstdCodec::Kit> ZstdCodec::NewKit() const {
  auto kit = std::make_unique<Kit>();
  kit->main = NewContext(level_, /*checksum=*/true);
  const bool probes = level_ >= kFirstProbedLevel;
  if (probes) kit->probe = NewContext(kProbeLevel, /*checksum=*/false);
  if (kit->main == nullptr || (probes && kit->probe == nullptr)) return nullptr;
  return kit;
}

absl::StatusOr<EncodedBlock> ZstdCodec::Encode(ByteSpan in, MutableByteSpan out) {
  if (out.size() < Bound(in.size()) || in.size() > UINT32_MAX - kMiB) {
    return absl::InternalError(absl::StrCat("no room to encode a block of ", in.size(), " bytes"));
  }
  std::unique_ptr<Kit> kit = kits_.Take();
  if (kit == nullptr) kit = NewKit();
  if (kit == nullptr) return absl::ResourceExhaustedError("no memory for a compressor");
  const MutableByteSpan body = out.subspan(kZstdHeaderBytes);
  VS_ASSIGN_OR_RETURN(const bool shrinks, kit->WouldShrink(in, body));
  size_t body_bytes = 0;
  if (shrinks) {
    // Room for one byte less than the raw form: zero means "store it".
    VS_ASSIGN_OR_RETURN(body_bytes,
                        Compress(kit->main.get(), in, body.first(RawFrameBytes(in.size()) - 1)));
  }
  kits_.Return(std::move(kit));
  const bool stored = body_bytes == 0;
  if (stored) body_bytes = WriteRawFrame(in, body);

  const size_t member_bytes = kZstdHeaderBytes + body_bytes;
  MemberInfo info;
  info.member_bytes = static_cast<uint32_t>(member_bytes);
  info.source_bytes = static_cast<uint32_t>(in.size());
  info.source_xxh3 = XXH3_64bits(in.data(), in.size());
  WriteZstdHeader(info, out);
  return EncodedBlock{member_bytes, stored};
}

}  // namespace volstream
