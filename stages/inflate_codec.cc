#include "stages/inflate_codec.h"

#include <libdeflate.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_format.h"
#include "stages/gzip_member.h"
#include "stages/little_endian.h"
#include "stages/xxh3.h"

namespace volstream {
namespace {

constexpr uint8_t kFixedHeader[] = {0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff};
constexpr size_t kFixedBytes = sizeof(kFixedHeader) + 2;  // with XLEN

}  // namespace

struct InflateCodec::Inflater {
  libdeflate_decompressor* const decompressor = libdeflate_alloc_decompressor();
  ~Inflater() { libdeflate_free_decompressor(decompressor); }
};

InflateCodec::InflateCodec(size_t max_member_tar_bytes)
    : max_member_tar_bytes_(max_member_tar_bytes) {}
InflateCodec::~InflateCodec() = default;

size_t InflateCodec::Bound(size_t /*block_bytes*/) const { return max_member_tar_bytes_; }

absl::StatusOr<EncodedBlock> InflateCodec::Encode(ByteSpan in, MutableByteSpan out) {
  const std::optional<MemberInfo> info = ParseGzipHeader(in);
  if (!info.has_value() || !std::equal(kFixedHeader, std::end(kFixedHeader), in.begin())) {
    return absl::DataLossError("the member's header is not as volstream writes it");
  }
  const size_t header_bytes = kFixedBytes + GetLittleEndian<uint16_t>(&in[10]);
  if (info->member_bytes != in.size() || in.size() < header_bytes + kGzipTrailerBytes) {
    return absl::DataLossError(absl::StrFormat("the member says that it has %d bytes, and has %d",
                                               info->member_bytes, in.size()));
  }
  if (info->source_bytes > out.size()) {
    return absl::DataLossError(
        absl::StrFormat("the member says that it holds %d bytes, more than any in this archive "
                        "(%d)",
                        info->source_bytes, out.size()));
  }
  const ByteSpan body = in.subspan(header_bytes, in.size() - header_bytes - kGzipTrailerBytes);
  const ByteSpan trailer = in.last(kGzipTrailerBytes);
  const auto trailer_crc32 = GetLittleEndian<uint32_t>(trailer.data());
  const auto trailer_bytes = GetLittleEndian<uint32_t>(trailer.data() + 4);

  std::unique_ptr<Inflater> inflater = idle_.Take();
  if (inflater == nullptr) inflater = std::make_unique<Inflater>();
  if (inflater->decompressor == nullptr) {
    return absl::ResourceExhaustedError("no memory for a decompressor");
  }
  size_t body_read = 0;
  size_t bytes = 0;
  const libdeflate_result result =
      libdeflate_deflate_decompress_ex(inflater->decompressor, body.data(), body.size(), out.data(),
                                       info->source_bytes, &body_read, &bytes);
  idle_.Return(std::move(inflater));
  if (result == LIBDEFLATE_INSUFFICIENT_SPACE) {
    return absl::DataLossError(absl::StrFormat(
        "the member inflates to more than the %d bytes that its header says", info->source_bytes));
  }
  if (result != LIBDEFLATE_SUCCESS) return absl::DataLossError("the member does not inflate");
  if (bytes != info->source_bytes || bytes != trailer_bytes) {
    return absl::DataLossError(
        absl::StrFormat("the member inflates to %d bytes; its header says %d, its trailer %d",
                        bytes, info->source_bytes, trailer_bytes));
  }
  if (body_read != body.size()) {
    return absl::DataLossError(absl::StrFormat(
        "the member's data end after %d of %d compressed bytes", body_read, body.size()));
  }
  if (libdeflate_crc32(0, out.data(), bytes) != trailer_crc32) {
    return absl::DataLossError("the member's CRC-32 is not that of its data");
  }
  if (XXH3_64bits(out.data(), bytes) != info->source_xxh3) {
    return absl::DataLossError("the member's XXH3 is not that of its data");
  }
  return EncodedBlock{bytes, false};
}

}  // namespace volstream
