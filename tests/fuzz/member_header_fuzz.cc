// ParseGzipHeader over any bytes: what it finds is in them, and comes back through the writer.
#include <cstdlib>
#include <optional>
#include <vector>

#include "engine/check.h"
#include "stages/gzip_member.h"

namespace volstream {
namespace {

void FuzzOne(ByteSpan data) {
  // In memory of just its size, so that reading beyond shows.
  const std::vector<uint8_t> bytes(data.begin(), data.end());
  const std::optional<MemberInfo> info = ParseGzipHeader(bytes);
  if (!info.has_value()) return;
  uint8_t written[kGzipHeaderBytes];
  WriteGzipHeader(*info, written);
  const std::optional<MemberInfo> again = ParseGzipHeader(written);
  VS_CHECK(again.has_value());
  VS_CHECK(again->member_bytes == info->member_bytes);
  VS_CHECK(again->source_bytes == info->source_bytes);
  VS_CHECK(again->source_xxh3 == info->source_xxh3);
  // Bytes behind the header make no difference to it.
  std::vector<uint8_t> longer = bytes;
  longer.resize(longer.size() + 100, 0xff);
  VS_CHECK(ParseGzipHeader(longer).has_value());
}

}  // namespace
}  // namespace volstream

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  volstream::FuzzOne(volstream::ByteSpan(data, size));
  return 0;
}
