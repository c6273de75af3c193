#include "stages/gzip_codec.h"

#include <libdeflate.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/status_macros.h"
#include "stages/compress_probe.h"
#include "stages/deflate_check.h"
#include "stages/gzip_member.h"
#include "stages/isal_deflate.h"
#include "stages/wide_deflate.h"
#include "stages/xxh3.h"

namespace volstream {
namespace {

// A stored deflate block: 1 byte with BFINAL and BTYPE=00, LEN, NLEN, then at most 65535 bytes.
constexpr size_t kStoredHeaderBytes = 5;
constexpr size_t kStoredMaxBytes = 65535;

size_t StoredBytes(size_t in_bytes) {
  const size_t blocks = std::max<size_t>(1, (in_bytes + kStoredMaxBytes - 1) / kStoredMaxBytes);
  return in_bytes + blocks * kStoredHeaderBytes;
}

// REQUIRES: out.size() >= StoredBytes(in.size()). Returns StoredBytes(in.size()).
size_t WriteStored(ByteSpan in, MutableByteSpan out) {
  uint8_t* p = out.data();
  do {
    const size_t count = std::min(in.size(), kStoredMaxBytes);
    p[0] = count == in.size() ? 1 : 0;
    p[1] = static_cast<uint8_t>(count);
    p[2] = static_cast<uint8_t>(count >> 8);
    p[3] = static_cast<uint8_t>(~p[1]);
    p[4] = static_cast<uint8_t>(~p[2]);
    std::memcpy(p + kStoredHeaderBytes, in.data(), count);
    p += kStoredHeaderBytes + count;
    in = in.subspan(count);
  } while (!in.empty());
  return static_cast<size_t>(p - out.data());
}

// Levels below this are ISA-L's 2 and 3: its 1 is no faster than its 2 and larger.
constexpr int kFirstLibdeflateLevel = 3;
// Up to this level, blocks in which matches hardly pay are ISA-L's too. From there on time is no
// object, and libdeflate's last levels make those smaller by a hair.
constexpr int kLastFastCodesLevel = 9;

// Codes are made anew after this many symbols. Small deflate blocks suit data without matches,
// where the codes are all there is to win: vectors come out smaller than from libdeflate's levels
// below 12. Levels that are all for speed make them as rarely as for any data.
constexpr size_t kMatchTokens = 64 * kKiB;
constexpr size_t kCodesTokens = 4 * kKiB;

// A smaller block is not worth emptying a table of positions for.
bool IsWide(int level, ByteSpan in) {
  return level >= WideDeflate::kMinLevel && level <= WideDeflate::kMaxLevel &&
         in.size() >= kProbeMinBytes && WideDeflate::Supported();
}

// At level 6 a block of many letters is worth level 7: there a second more wins most bytes. What is
// half noise is not (docs/performance.md, "Codec by block").
constexpr int kMixedLevel = 6;
int LibdeflateLevel(int level, const ProbeResult& probe) {
  const bool deeper =
      level == kMixedLevel && probe.literal_permille >= 540 && probe.literal_permille < 700;
  return deeper ? level + 1 : level;
}

struct CompressorFree {
  void operator()(libdeflate_compressor* c) const { libdeflate_free_compressor(c); }
};
using Compressor = std::unique_ptr<libdeflate_compressor, CompressorFree>;

}  // namespace

// What one call of Encode works with; each is made when it is first needed.
class GzipCodec::Kit {
 public:
  // The bytes written, or 0 when they do not fit; and whether at the second attempt.
  // kResourceExhausted without memory.
  struct Deflated {
    size_t bytes = 0;
    bool redone = false;
  };
  absl::StatusOr<Deflated> Compress(int level, const ProbeResult& probe, ByteSpan in,
                                    MutableByteSpan out) {
    if (probe.promise == Promise::kCodes && level <= kLastFastCodesLevel) {
      const bool fast = level < kFirstLibdeflateLevel;
      IsalDeflate* const isal =
          Isal(fast ? &fast_codes_ : &codes_, 1, fast ? kMatchTokens : kCodesTokens);
      return Deflated{isal->Compress(in, out)};
    }
    if (level < kFirstLibdeflateLevel) {
      return Deflated{Isal(&matches_[level - 1], level + 1, kMatchTokens)->Compress(in, out)};
    }
    Deflated deflated;
    if (IsWide(level, in)) {
      deflated.bytes = Wide(level)->Compress(in, out);
      if (deflated.bytes == 0) return deflated;
      VS_ASSIGN_OR_RETURN(const bool holds, wide_check_.Holds(out.first(deflated.bytes), in));
      if (holds) return deflated;
      deflated.redone = true;
    }
    level = LibdeflateLevel(level, probe);
    Compressor& compressor = by_level_[level];
    if (compressor == nullptr) compressor.reset(libdeflate_alloc_compressor(level));
    if (compressor == nullptr) return absl::ResourceExhaustedError("no memory for a compressor");
    deflated.bytes =
        libdeflate_deflate_compress(compressor.get(), in.data(), in.size(), out.data(), out.size());
    return deflated;
  }

 private:
  using Slot = std::unique_ptr<IsalDeflate>;
  static IsalDeflate* Isal(Slot* slot, int isal_level, size_t tokens) {
    if (*slot == nullptr) *slot = std::make_unique<IsalDeflate>(isal_level, tokens);
    return slot->get();
  }

  WideDeflate* Wide(int level) {
    std::unique_ptr<WideDeflate>& wide = wide_[level - WideDeflate::kMinLevel];
    if (wide == nullptr) wide = std::make_unique<WideDeflate>(level);
    return wide.get();
  }

  Slot codes_;
  Slot fast_codes_;
  std::array<Slot, kFirstLibdeflateLevel - 1> matches_;
  std::array<std::unique_ptr<WideDeflate>, WideDeflate::kMaxLevel - WideDeflate::kMinLevel + 1>
      wide_;
  DeflateCheck wide_check_;
  std::array<Compressor, kMaxLevel + 1> by_level_;
};

absl::StatusOr<std::unique_ptr<GzipCodec>> GzipCodec::Create(int level) {
  if (level < kMinLevel || level > kMaxLevel) {
    return absl::InvalidArgumentError(absl::StrCat("compression level ", level, " is not between ",
                                                   kMinLevel, " and ", kMaxLevel));
  }
  return std::unique_ptr<GzipCodec>(new GzipCodec(level));
}

GzipCodec::GzipCodec(int level) : level_(level) {}
GzipCodec::~GzipCodec() = default;

size_t GzipCodec::Bound(size_t block_bytes) const {
  // A block that deflate would make larger is stored, so the stored form is the bound.
  return kGzipHeaderBytes + StoredBytes(block_bytes) + kGzipTrailerBytes;
}

absl::StatusOr<EncodedBlock> GzipCodec::Encode(ByteSpan in, MutableByteSpan out) {
  if (out.size() < Bound(in.size()) || in.size() > UINT32_MAX - kMiB) {
    return absl::InternalError(absl::StrCat("no room to encode a block of ", in.size(), " bytes"));
  }
  const MutableByteSpan body = out.subspan(kGzipHeaderBytes);
  Kit::Deflated deflated;
  const bool mixed = level_ == kMixedLevel && !IsWide(level_, in);
  const ProbeResult probe = ProbeBlock(in, mixed ? ProbeFor::kMeans : ProbeFor::kPromise);
  if (probe.promise != Promise::kNothing) {
    std::unique_ptr<Kit> kit = kits_.Take();
    if (kit == nullptr) kit = std::make_unique<Kit>();
    // Room for one byte less than the stored form: zero means "store it".
    const absl::StatusOr<Kit::Deflated> compressed =
        kit->Compress(level_, probe, in, body.first(StoredBytes(in.size()) - 1));
    kits_.Return(std::move(kit));
    if (!compressed.ok()) return compressed.status();
    deflated = *compressed;
  }
  const bool stored = deflated.bytes == 0;
  const size_t body_bytes = stored ? WriteStored(in, body) : deflated.bytes;

  const size_t member_bytes = kGzipHeaderBytes + body_bytes + kGzipTrailerBytes;
  WriteGzipHeader(MemberInfo{static_cast<uint32_t>(member_bytes), static_cast<uint32_t>(in.size()),
                             XXH3_64bits(in.data(), in.size())},
                  out);
  WriteGzipTrailer(Crc32(in), static_cast<uint32_t>(in.size()), body.subspan(body_bytes));
  return EncodedBlock{member_bytes, stored, deflated.redone};
}

}  // namespace volstream
