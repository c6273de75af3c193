#include "stages/index_blob.h"

#include <libdeflate.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "engine/check.h"
#include "stages/digest.h"
#include "stages/gzip_member.h"
#include "stages/little_endian.h"
#include "stages/xxh3.h"
#include "stages/zstd_member.h"

namespace volstream {
namespace {

// A blob: how it is coded, its raw size, the data.
enum Coding : uint8_t { kStored = 0, kDeflated = 1 };
constexpr size_t kBlobHeaderBytes = 5;
// Pages are made once and fetched often.
constexpr int kLevel = 9;

constexpr uint32_t kVersion = 1;
constexpr uint32_t kOwnTar = 1;
constexpr uint32_t kRaw = 2;
// Flags from here on may be passed over by who does not know them.
constexpr uint32_t kFirstOptionalFlag = 1 << 16;

void AppendPiece(ArchiveFormat format, char id, std::string_view data, std::string* out) {
  if (format == ArchiveFormat::kGzip) {
    AppendGzipPiece(id, data, out);
  } else {
    AppendZstdPiece(id, data, out);
  }
}

// Takes a piece of either format from the front of *in; nothing if there is none of this id.
std::optional<ByteSpan> TakePiece(char id, ByteSpan* in) {
  std::optional<ByteSpan> data = TakeZstdPiece(id, in);
  return data.has_value() ? data : TakeGzipPiece(id, in);
}

// The data of the footer at the end of `tail`, and its format; nothing if it ends otherwise.
std::optional<ByteSpan> TakeFooter(ByteSpan tail, ArchiveFormat* format) {
  for (const ArchiveFormat candidate : {ArchiveFormat::kGzip, ArchiveFormat::kZstd}) {
    if (tail.size() < FooterBytes(candidate)) continue;
    ByteSpan in = tail.last(FooterBytes(candidate));
    const std::optional<ByteSpan> data =
        candidate == ArchiveFormat::kGzip ? TakeGzipPiece('F', &in) : TakeZstdPiece('F', &in);
    if (!data.has_value() || data->size() != kFooterDataBytes) continue;
    *format = candidate;
    return data;
  }
  return std::nullopt;
}

absl::Status DamagedIndex(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("the index is damaged: ", what));
}

struct FreeCompressor {
  void operator()(libdeflate_compressor* c) const { libdeflate_free_compressor(c); }
};
struct FreeDecompressor {
  void operator()(libdeflate_decompressor* d) const { libdeflate_free_decompressor(d); }
};

}  // namespace

absl::StatusOr<IndexBlob> EncodeIndexBlob(std::string_view raw, ArchiveFormat format) {
  if (raw.size() > kMaxBlobBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a page of the index has ", raw.size(), " bytes, more than a reader takes"));
  }
  const std::unique_ptr<libdeflate_compressor, FreeCompressor> compressor(
      libdeflate_alloc_compressor(kLevel));
  if (compressor == nullptr) return absl::ResourceExhaustedError("no memory for a compressor");
  std::string payload(kBlobHeaderBytes + raw.size(), '\0');
  // Zero: it would not shrink.
  size_t bytes = libdeflate_deflate_compress(compressor.get(), raw.data(), raw.size(),
                                             payload.data() + kBlobHeaderBytes, raw.size());
  payload[0] = bytes == 0 ? kStored : kDeflated;
  if (bytes == 0) {
    std::copy(raw.begin(), raw.end(), payload.begin() + kBlobHeaderBytes);
    bytes = raw.size();
  }
  payload.resize(kBlobHeaderBytes + bytes);
  PutLittleEndian<uint32_t>(static_cast<uint32_t>(raw.size()),
                            reinterpret_cast<uint8_t*>(payload.data()) + 1);
  IndexBlob blob;
  blob.xxh3 = XXH3_64bits(payload.data(), payload.size());
  for (std::string_view rest = payload; !rest.empty();) {
    const std::string_view piece = rest.substr(0, kIndexPieceBytes);
    AppendPiece(format, 'I', piece, &blob.members);
    rest.remove_prefix(piece.size());
  }
  return blob;
}

absl::StatusOr<std::string> DecodeIndexBlob(ByteSpan members, uint64_t xxh3) {
  std::string payload;
  payload.reserve(members.size());
  while (!members.empty()) {
    const std::optional<ByteSpan> piece = TakePiece('I', &members);
    if (!piece.has_value()) return DamagedIndex("a piece of it is none");
    payload.append(reinterpret_cast<const char*>(piece->data()), piece->size());
  }
  if (payload.size() < kBlobHeaderBytes) return DamagedIndex("a page is cut off");
  if (XXH3_64bits(payload.data(), payload.size()) != xxh3) {
    return DamagedIndex("a page has another hash than the one that is noted for it");
  }
  const uint8_t coding = AsBytes(payload)[0];
  const size_t raw_bytes = GetLittleEndian<uint32_t>(AsBytes(payload).data() + 1);
  const std::string_view data = std::string_view(payload).substr(kBlobHeaderBytes);
  if (raw_bytes > kMaxBlobBytes) return DamagedIndex("a page of impossible size");
  if (coding == kStored) {
    if (data.size() != raw_bytes) return DamagedIndex("a page of another size than it says");
    return std::string(data);
  }
  if (coding != kDeflated) return DamagedIndex("a page of a coding that is not known");
  const std::unique_ptr<libdeflate_decompressor, FreeDecompressor> decompressor(
      libdeflate_alloc_decompressor());
  if (decompressor == nullptr) return absl::ResourceExhaustedError("no memory for a decompressor");
  std::string raw(raw_bytes, '\0');
  if (libdeflate_deflate_decompress(decompressor.get(), data.data(), data.size(), raw.data(),
                                    raw.size(), nullptr) != LIBDEFLATE_SUCCESS) {
    return DamagedIndex("a page that does not inflate");
  }
  return raw;
}

std::string EncodeIndexFooter(const IndexFooter& footer) {
  std::string data;
  AppendLittleEndian<uint32_t>(kVersion, &data);
  AppendLittleEndian<uint32_t>((footer.own_tar ? kOwnTar : 0) | (footer.raw ? kRaw : 0), &data);
  for (const uint64_t value :
       {footer.index_offset, footer.index_bytes, footer.directory_offset, footer.directory_bytes,
        footer.tar_bytes, footer.entry_count, footer.member_count}) {
    AppendLittleEndian(value, &data);
  }
  AppendLittleEndian(footer.max_member_bytes, &data);
  AppendLittleEndian(footer.max_member_tar_bytes, &data);
  AppendLittleEndian(footer.directory_xxh3, &data);
  AppendLittleEndian<uint64_t>(XXH3_64bits(data.data(), data.size()), &data);
  VS_CHECK(data.size() == kFooterDataBytes);
  std::string member;
  AppendPiece(footer.format, 'F', data, &member);
  return member;
}

absl::StatusOr<IndexFooter> DecodeIndexFooter(ByteSpan tail, uint64_t archive_bytes) {
  IndexFooter footer;
  const std::optional<ByteSpan> found = TakeFooter(tail, &footer.format);
  if (!found.has_value() || archive_bytes < FooterBytes(footer.format)) {
    return absl::NotFoundError("the archive has no index");
  }
  const ByteSpan data = *found;
  ByteCursor cursor(data);
  const uint32_t version = cursor.Fixed<uint32_t>();
  const size_t hashed = kFooterDataBytes - sizeof(uint64_t);
  if (XXH3_64bits(data.data(), hashed) != GetLittleEndian<uint64_t>(data.data() + hashed)) {
    return DamagedIndex("its footer has another hash than it says");
  }
  const uint32_t flags = cursor.Fixed<uint32_t>();
  if (version != kVersion || (flags & (kFirstOptionalFlag - 1) & ~(kOwnTar | kRaw)) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("the index is of version ", version, ", flags ", flags,
                     "; this volstream reads version ", kVersion, ": use a newer volstream"));
  }
  footer.own_tar = (flags & kOwnTar) != 0;
  footer.raw = (flags & kRaw) != 0;
  footer.index_offset = cursor.Fixed<uint64_t>();
  footer.index_bytes = cursor.Fixed<uint64_t>();
  footer.directory_offset = cursor.Fixed<uint64_t>();
  footer.directory_bytes = cursor.Fixed<uint64_t>();
  footer.tar_bytes = cursor.Fixed<uint64_t>();
  footer.entry_count = cursor.Fixed<uint64_t>();
  footer.member_count = cursor.Fixed<uint64_t>();
  footer.max_member_bytes = cursor.Fixed<uint32_t>();
  footer.max_member_tar_bytes = cursor.Fixed<uint32_t>();
  footer.directory_xxh3 = cursor.Fixed<uint64_t>();
  const uint64_t index_end = archive_bytes - FooterBytes(footer.format);
  if (footer.index_offset > index_end || footer.index_bytes != index_end - footer.index_offset ||
      footer.directory_offset < footer.index_offset || footer.directory_offset > index_end ||
      footer.directory_bytes != index_end - footer.directory_offset ||
      footer.directory_bytes > kMaxBlobMemberBytes || footer.tar_bytes > INT64_MAX ||
      (footer.raw && (footer.own_tar || footer.entry_count != 0))) {
    return DamagedIndex("its footer does not fit the archive");
  }
  return footer;
}

}  // namespace volstream
