#include "stages/gzip_codec.h"

#include <libdeflate.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/mutex.h"
#include "stages/gzip_member.h"

namespace volstream {
namespace {

// The probe compresses windows spread evenly over the block, at level 1. One window that shrinks
// by more than a 32nd is reason enough to compress: a block of half text, half noise must not be
// stored. 8 windows of 2 KiB of each MiB cost about 1 % of compressing it.
constexpr size_t kProbeWindows = 8;
constexpr size_t kProbeWindowBytes = 2048;
constexpr size_t kProbeMinBlockBytes = 8 * kProbeWindows * kProbeWindowBytes;

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

struct CompressorFree {
  void operator()(libdeflate_compressor* c) const { libdeflate_free_compressor(c); }
};
using Compressor = std::unique_ptr<libdeflate_compressor, CompressorFree>;

}  // namespace

struct GzipCodec::Kit {
  Compressor main;
  Compressor probe;

  bool WouldShrink(ByteSpan in) const {
    if (in.size() < kProbeMinBlockBytes) return true;
    std::array<uint8_t, kProbeWindowBytes> scratch;
    const size_t stride = (in.size() - kProbeWindowBytes) / (kProbeWindows - 1);
    for (size_t i = 0; i < kProbeWindows; ++i) {
      // Zero means that the output did not fit: the window shrank by less than a 32nd.
      if (libdeflate_deflate_compress(probe.get(), in.data() + i * stride, kProbeWindowBytes,
                                      scratch.data(),
                                      kProbeWindowBytes - kProbeWindowBytes / 32) != 0) {
        return true;
      }
    }
    return false;
  }
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
  std::unique_ptr<Kit> kit = TakeKit();
  if (kit == nullptr) return absl::ResourceExhaustedError("no memory for a compressor");
  const MutableByteSpan body = out.subspan(kGzipHeaderBytes);
  size_t body_bytes = 0;
  if (kit->WouldShrink(in)) {
    // Room for one byte less than the stored form: zero means "store it".
    body_bytes = libdeflate_deflate_compress(kit->main.get(), in.data(), in.size(), body.data(),
                                             StoredBytes(in.size()) - 1);
  }
  ReturnKit(std::move(kit));
  const bool stored = body_bytes == 0;
  if (stored) body_bytes = WriteStored(in, body);

  const size_t member_bytes = kGzipHeaderBytes + body_bytes + kGzipTrailerBytes;
  WriteGzipHeader(
      MemberInfo{static_cast<uint32_t>(member_bytes), static_cast<uint32_t>(in.size()),
                     XXH3_64bits(in.data(), in.size())},
      out);
  WriteGzipTrailer(libdeflate_crc32(0, in.data(), in.size()), static_cast<uint32_t>(in.size()),
                   body.subspan(body_bytes));
  return EncodedBlock{member_bytes, stored};
}

std::unique_ptr<GzipCodec::Kit> GzipCodec::TakeKit() {
  {
    MutexLock lock(&mu_);
    if (!idle_.empty()) {
      std::unique_ptr<Kit> kit = std::move(idle_.back());
      idle_.pop_back();
      return kit;
    }
  }
  auto kit = std::make_unique<Kit>();
  kit->main.reset(libdeflate_alloc_compressor(level_));
  kit->probe.reset(libdeflate_alloc_compressor(1));
  if (kit->main == nullptr || kit->probe == nullptr) return nullptr;
  return kit;
}

void GzipCodec::ReturnKit(std::unique_ptr<Kit> kit) {
  MutexLock lock(&mu_);
  idle_.push_back(std::move(kit));
}

}  // namespace volstream
