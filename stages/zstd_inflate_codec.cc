#include "stages/zstd_inflate_codec.h"

#include <zstd.h>

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/status_macros.h"
#include "stages/little_endian.h"
#include "stages/member_info.h"
#include "stages/xxh3.h"
#include "stages/zstd_member.h"

namespace volstream {
namespace {

// Frames of older formats than RFC 8878 have other numbers, and libzstd may read them.
bool IsFrame(ByteSpan in) {
  return in.size() >= sizeof(uint32_t) && GetLittleEndian<uint32_t>(in.data()) == ZSTD_MAGICNUMBER;
}

// Of the frame alone, without inflating it.
absl::Status CheckFrame(ByteSpan frame, const MemberInfo& info) {
  if (!IsFrame(frame)) return absl::DataLossError("the member holds no Zstandard frame");
  const std::optional<uint64_t> content = ZstdInflateCodec::ContentBytes(frame);
  if (!content.has_value()) {
    return absl::DataLossError("the member's frame does not say how much it holds");
  }
  if (*content != info.source_bytes) {
    return absl::DataLossError(
        absl::StrFormat("the member's frame says that it holds %d bytes, "
                        "its header says %d",
                        *content, info.source_bytes));
  }
  if (const unsigned id = ZSTD_getDictID_fromFrame(frame.data(), frame.size()); id != 0) {
    return absl::DataLossError(
        absl::StrFormat("the member's frame needs the dictionary %d, which no archive has", id));
  }
  const size_t bytes = ZSTD_findFrameCompressedSize(frame.data(), frame.size());
  if (ZSTD_isError(bytes) != 0) {
    return absl::DataLossError("the member's frame is cut off or damaged");
  }
  if (bytes != frame.size()) {
    return absl::DataLossError(absl::StrFormat(
        "the member's data end after %d of %d compressed bytes", bytes, frame.size()));
  }
  return absl::OkStatus();
}

}  // namespace

struct ZstdInflateCodec::Inflater {
  ZSTD_DCtx* const context = ZSTD_createDCtx();
  ~Inflater() { ZSTD_freeDCtx(context); }
};

ZstdInflateCodec::ZstdInflateCodec(size_t max_member_tar_bytes)
    : max_member_tar_bytes_(max_member_tar_bytes) {}
ZstdInflateCodec::~ZstdInflateCodec() = default;

size_t ZstdInflateCodec::Bound(size_t /*block_bytes*/) const { return max_member_tar_bytes_; }

std::optional<uint64_t> ZstdInflateCodec::ContentBytes(ByteSpan frame) {
  if (!IsFrame(frame)) return std::nullopt;
  const unsigned long long bytes = ZSTD_getFrameContentSize(frame.data(), frame.size());
  if (bytes == ZSTD_CONTENTSIZE_UNKNOWN || bytes == ZSTD_CONTENTSIZE_ERROR) return std::nullopt;
  return bytes;
}

absl::StatusOr<EncodedBlock> ZstdInflateCodec::Encode(ByteSpan in, MutableByteSpan out) {
  const std::optional<MemberInfo> info = ParseZstdHeader(in);
  if (!info.has_value()) {
    return absl::DataLossError("the member's header is not as volstream writes it");
  }
  if (info->member_bytes != in.size()) {
    return absl::DataLossError(absl::StrFormat("the member says that it has %d bytes, and has %d",
                                               info->member_bytes, in.size()));
  }
  if (info->source_bytes > out.size()) {
    return absl::DataLossError(
        absl::StrFormat("the member says that it holds %d bytes, more than any in this archive "
                        "(%d)",
                        info->source_bytes, out.size()));
  }
  const ByteSpan frame = in.subspan(kZstdHeaderBytes);
  VS_RETURN_IF_ERROR(CheckFrame(frame, *info));

  std::unique_ptr<Inflater> inflater = idle_.Take();
  if (inflater == nullptr) inflater = std::make_unique<Inflater>();
  if (inflater->context == nullptr) {
    return absl::ResourceExhaustedError("no memory for a decompressor");
  }
  const size_t bytes = ZSTD_decompressDCtx(inflater->context, out.data(), info->source_bytes,
                                           frame.data(), frame.size());
  idle_.Return(std::move(inflater));
  if (ZSTD_isError(bytes) != 0) {
    return absl::DataLossError(
        absl::StrCat("the member does not inflate: ", ZSTD_getErrorName(bytes)));
  }
  if (bytes != info->source_bytes) {
    return absl::DataLossError(
        absl::StrFormat("the member inflates to %d bytes; its header says "
                        "%d",
                        bytes, info->source_bytes));
  }
  if (XXH3_64bits(out.data(), bytes) != info->source_xxh3) {
    return absl::DataLossError("the member's XXH3 is not that of its data");
  }
  return EncodedBlock{bytes, false};
}

}  // namespace volstream
