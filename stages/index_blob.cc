#include "stages/index_blob.h"

#include <libdeflate.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"
#include "engine/check.h"
#include "stages/digest.h"
#include "stages/little_endian.h"

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

constexpr std::array<uint8_t, 10> kHeader = {0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255};
// An empty block of fixed Huffman codes, CRC-32 and ISIZE of nothing.
constexpr std::array<uint8_t, 10> kNothing = {3, 0, 0, 0, 0, 0, 0, 0, 0, 0};

void AppendEmptyMember(char id, std::string_view data, std::string* out) {
  out->append(reinterpret_cast<const char*>(kHeader.data()), kHeader.size());
  AppendLittleEndian<uint16_t>(static_cast<uint16_t>(4 + data.size()), out);
  out->push_back('V');
  out->push_back(id);
  AppendLittleEndian<uint16_t>(static_cast<uint16_t>(data.size()), out);
  out->append(data);
  out->append(reinterpret_cast<const char*>(kNothing.data()), kNothing.size());
}

// Takes an empty member from the front of *in and returns its subfield's data; false if there is
// none of this id.
bool TakeEmptyMember(char id, ByteSpan* in, ByteSpan* data) {
  if (in->size() < kEmptyMemberBytes || !std::equal(kHeader.begin(), kHeader.end(), in->begin())) {
    return false;
  }
  const size_t extra_bytes = GetLittleEndian<uint16_t>(in->data() + 10);
  const size_t data_bytes = GetLittleEndian<uint16_t>(in->data() + 14);
  if ((*in)[12] != 'V' || (*in)[13] != id || extra_bytes != data_bytes + 4 ||
      in->size() < kEmptyMemberBytes + data_bytes) {
    return false;
  }
  *data = in->subspan(16, data_bytes);
  if (!std::equal(kNothing.begin(), kNothing.end(), data->end())) return false;
  *in = in->subspan(kEmptyMemberBytes + data_bytes);
  return true;
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

absl::StatusOr<IndexBlob> EncodeIndexBlob(std::string_view raw) {
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
    AppendEmptyMember('I', piece, &blob.members);
    rest.remove_prefix(piece.size());
  }
  return blob;
}

absl::StatusOr<std::string> DecodeIndexBlob(ByteSpan members, uint64_t xxh3) {
  std::string payload;
  payload.reserve(members.size());
  while (!members.empty()) {
    ByteSpan piece;
    if (!TakeEmptyMember('I', &members, &piece)) return DamagedIndex("a piece of it is none");
    payload.append(reinterpret_cast<const char*>(piece.data()), piece.size());
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
  AppendEmptyMember('F', data, &member);
  return member;
}

absl::StatusOr<IndexFooter> DecodeIndexFooter(ByteSpan tail, uint64_t archive_bytes) {
  ByteSpan data;
  if (tail.size() != kFooterBytes || archive_bytes < kFooterBytes ||
      !TakeEmptyMember('F', &tail, &data) || data.size() != kFooterDataBytes) {
    return absl::NotFoundError("the archive has no index");
  }
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
  IndexFooter footer;
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
  const uint64_t index_end = archive_bytes - kFooterBytes;
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
