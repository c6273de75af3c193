// MemberInfo: the `VS` data of one member, the same in both formats (docs/format.md).
#ifndef VOLSTREAM_STAGES_MEMBER_INFO_H_
#define VOLSTREAM_STAGES_MEMBER_INFO_H_

#include <cstdint>

namespace volstream {

struct MemberInfo {
  uint32_t member_bytes = 0;  // the whole member, headers and trailers included
  uint32_t source_bytes = 0;  // uncompressed
  uint64_t source_xxh3 = 0;   // XXH3-64, seed 0, of the uncompressed bytes
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_MEMBER_INFO_H_
