#include "stages/member_framing.h"

#include "stages/gzip_framing.h"
#include "stages/gzip_member.h"
#include "stages/zstd_framing.h"
#include "stages/zstd_member.h"

namespace volstream {

const MemberFraming& MemberFraming::Of(ArchiveFormat format) {
  static const GzipFraming* const gzip = new GzipFraming();
  static const ZstdFraming* const zstd = new ZstdFraming();
  if (format == ArchiveFormat::kZstd) return *zstd;
  return *gzip;
}

std::optional<ArchiveFormat> MemberFraming::FormatAt(ByteSpan front) {
  if (ParseGzipHeader(front).has_value()) return ArchiveFormat::kGzip;
  if (ParseZstdHeader(front).has_value()) return ArchiveFormat::kZstd;
  return std::nullopt;
}

}  // namespace volstream
