#include "stages/s3_checksum.h"

#include "absl/strings/escaping.h"
#include "engine/check.h"
#include "stages/crc.h"

namespace volstream {
namespace {

S3Checksum Resolve(S3Checksum wanted, const S3Provider& provider) {
  if (wanted != S3Checksum::kAuto) return wanted;
  return provider.checksums ? S3Checksum::kCrc64Nvme : S3Checksum::kNone;
}

}  // namespace

S3ChecksumOf::S3ChecksumOf(S3Checksum wanted, const S3Provider& provider)
    : kind_(Resolve(wanted, provider)) {}

std::string_view S3ChecksumOf::algorithm() const {
  return kind_ == S3Checksum::kCrc32c ? "CRC32C" : "CRC64NVME";
}

std::string_view S3ChecksumOf::header() const {
  return kind_ == S3Checksum::kCrc32c ? "x-amz-checksum-crc32c" : "x-amz-checksum-crc64nvme";
}

std::string_view S3ChecksumOf::element() const {
  return kind_ == S3Checksum::kCrc32c ? "ChecksumCRC32C" : "ChecksumCRC64NVME";
}

uint64_t S3ChecksumOf::Of(ByteSpan bytes) const {
  return kind_ == S3Checksum::kCrc32c ? Crc32c(bytes) : Crc64Nvme(bytes);
}

std::string S3ChecksumOf::Text(uint64_t crc) const {
  std::string big_endian;
  for (int shift = kind_ == S3Checksum::kCrc32c ? 24 : 56; shift >= 0; shift -= 8) {
    big_endian.push_back(static_cast<char>((crc >> shift) & 0xff));
  }
  return absl::Base64Escape(big_endian);
}

uint64_t S3ChecksumOf::Combine(const std::vector<uint64_t>& crcs,
                               const std::vector<PartRecord>& parts) const {
  VS_CHECK(!parts.empty() && crcs.size() == parts.size());
  uint64_t whole = crcs[0];
  for (size_t i = 1; i < parts.size(); ++i) {
    whole = kind_ == S3Checksum::kCrc32c
                ? CombineCrc32c(static_cast<uint32_t>(whole), static_cast<uint32_t>(crcs[i]),
                                parts[i].bytes)
                : CombineCrc64Nvme(whole, crcs[i], parts[i].bytes);
  }
  return whole;
}

}  // namespace volstream
