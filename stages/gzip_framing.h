// GzipFraming: MemberFraming of gzip members (RFC 1952) with their data in FEXTRA fields.
#ifndef VOLSTREAM_STAGES_GZIP_FRAMING_H_
#define VOLSTREAM_STAGES_GZIP_FRAMING_H_

#include <memory>
#include <optional>

#include "stages/member_framing.h"

namespace volstream {

class GzipFraming : public MemberFraming {
 public:
  MemberFront Look(ByteSpan in) const override;
  size_t usual_member_tar_bytes() const override;
  size_t MaxMemberBytes(size_t tar_bytes) const override;
  std::unique_ptr<BlockCodec> MakeInflater(size_t max_member_tar_bytes) const override;
  ByteSpan start() const override;
  size_t header_bytes() const override;
  bool IsIndexStart(ByteSpan in) const override;
  std::optional<uint64_t> OtherLength(ByteSpan member) const override;
  uint64_t most_kept_in_a_row() const override;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_GZIP_FRAMING_H_
