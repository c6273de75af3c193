// Raw deflate (RFC 1951) as readers that are not volstream's own take it.
#ifndef VOLSTREAM_TESTS_SUPPORT_RAW_DEFLATE_H_
#define VOLSTREAM_TESTS_SUPPORT_RAW_DEFLATE_H_

#include <string>

#include "engine/bytes.h"

namespace volstream {

// Empty if zlib and libdeflate both inflate `deflated`, to its last byte, to `data`; else what went
// wrong.
std::string InflateProblem(ByteSpan deflated, ByteSpan data);

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_RAW_DEFLATE_H_
