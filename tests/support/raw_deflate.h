// Raw deflate (RFC 1951) as readers that are not volstream's own take it.
#ifndef VOLSTREAM_TESTS_SUPPORT_RAW_DEFLATE_H_
#define VOLSTREAM_TESTS_SUPPORT_RAW_DEFLATE_H_

#include <string>
#include <string_view>

#include "engine/bytes.h"
#include "stages/digest.h"

namespace volstream {

// What a compressor of raw deflate makes of `in` in so much room; empty when it does not fit.
template <typename Deflate>
std::string DeflateInto(Deflate* deflate, std::string_view in, size_t room) {
  std::string out(room, '\0');
  out.resize(deflate->Compress(
      AsBytes(in), MutableByteSpan(reinterpret_cast<uint8_t*>(out.data()), out.size())));
  return out;
}

// Empty if zlib and libdeflate both inflate `deflated`, to its last byte, to `data`; else what went
// wrong.
std::string InflateProblem(ByteSpan deflated, ByteSpan data);

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_RAW_DEFLATE_H_
