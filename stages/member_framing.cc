#include "stages/member_framing.h"

#include "absl/strings/str_format.h"
#include "stages/gzip_framing.h"
#include "stages/gzip_member.h"
#include "stages/zstd_framing.h"
#include "stages/zstd_member.h"

namespace volstream {

MemberFront MemberFront::Data(const MemberInfo& info, size_t least_bytes) {
  if (info.member_bytes >= least_bytes) return {Kind::kData, info.member_bytes, info, ""};
  return None(absl::StrFormat("the member says that it has %d bytes, fewer than its header",
                              info.member_bytes));
}

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
