#include "tests/support/raw_deflate.h"

#include <xxhash.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "stages/gzip_member.h"
#include "stages/gzip_reader.h"
#include "stages/inflate_codec.h"
#include "stages/isal_deflate.h"

namespace volstream {
namespace {

std::vector<uint8_t> MemberAround(ByteSpan deflated, ByteSpan data) {
  std::vector<uint8_t> member(kGzipHeaderBytes + deflated.size() + kGzipTrailerBytes);
  const auto data_bytes = static_cast<uint32_t>(data.size());
  WriteGzipHeader(MemberInfo{static_cast<uint32_t>(member.size()), data_bytes,
                             XXH3_64bits(data.data(), data.size())},
                  member);
  std::copy(deflated.begin(), deflated.end(), member.begin() + kGzipHeaderBytes);
  WriteGzipTrailer(Crc32(data), data_bytes, MutableByteSpan(member).last(kGzipTrailerBytes));
  return member;
}

std::string ZlibProblem(const std::vector<uint8_t>& member, ByteSpan data) {
  bool given = false;
  GzipReader reader([&]() -> absl::StatusOr<ByteSpan> {
    return std::exchange(given, true) ? ByteSpan() : ByteSpan(member);
  });
  size_t count = 0;
  while (true) {
    const absl::StatusOr<ByteSpan> next = reader.Next();
    if (!next.ok()) return absl::StrCat("zlib: ", next.status().message());
    if (next->empty()) break;
    if (next->size() > data.size() - count ||
        !std::equal(next->begin(), next->end(), data.begin() + static_cast<ptrdiff_t>(count))) {
      return absl::StrCat("zlib: other data within ", next->size(), " bytes from ", count, " on");
    }
    count += next->size();
  }
  return count == data.size() ? "" : absl::StrCat("zlib: ", count, " bytes of ", data.size());
}

std::string LibdeflateProblem(const std::vector<uint8_t>& member, ByteSpan data) {
  InflateCodec codec(data.size());
  // Of just the size, so that ASan sees a byte too many.
  const auto out = std::make_unique<uint8_t[]>(data.size());
  const MutableByteSpan room(out.get(), data.size());
  const absl::StatusOr<EncodedBlock> block = codec.Encode(member, room);
  if (!block.ok()) return absl::StrCat("libdeflate: ", block.status().message());
  return std::equal(room.begin(), room.end(), data.begin()) ? "" : "libdeflate: other data";
}

}  // namespace

std::string InflateProblem(ByteSpan deflated, ByteSpan data) {
  const std::vector<uint8_t> member = MemberAround(deflated, data);
  std::string problem = ZlibProblem(member, data);
  return problem.empty() ? LibdeflateProblem(member, data) : problem;
}

}  // namespace volstream
