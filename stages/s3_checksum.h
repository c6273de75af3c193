// S3ChecksumOf: one of the CRCs of stages/crc.h in the form in which S3 asks for it: header and
// element names, base64 of the big-endian value, and the CRC of a whole object put together from
// those of its parts (Amazon S3 User Guide, "Checking object integrity", full object checksums).
//
// Immutable; safe for concurrent calls.
#ifndef VOLSTREAM_STAGES_S3_CHECKSUM_H_
#define VOLSTREAM_STAGES_S3_CHECKSUM_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/bytes.h"
#include "engine/message.h"
#include "stages/s3_object.h"
#include "stages/s3_provider.h"

namespace volstream {

class S3ChecksumOf {
 public:
  // What the options ask for at this provider; enabled() is false where that is nothing.
  S3ChecksumOf(S3Checksum wanted, const S3Provider& provider);

  bool enabled() const { return kind_ != S3Checksum::kNone; }
  std::string_view algorithm() const;  // "CRC64NVME"
  std::string_view header() const;     // "x-amz-checksum-crc64nvme"
  std::string_view element() const;    // of a <Part>: "ChecksumCRC64NVME"

  uint64_t Of(ByteSpan bytes) const;
  std::string Text(uint64_t crc) const;
  // REQUIRES: one CRC for each part.
  uint64_t Combine(const std::vector<uint64_t>& crcs, const std::vector<PartRecord>& parts) const;

 private:
  const S3Checksum kind_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_S3_CHECKSUM_H_
