// IsalDeflate: raw deflate (RFC 1951) by ISA-L, for speed: four to eight times as fast as
// libdeflate at a tenth more bytes. The home of ISA-L's deflate and of its CRC-32; stages/crc.cc
// has its other CRCs.
//
// The same bytes give the same output whatever was compressed before, on processors of one kind:
// ISA-L's kernels for AVX-512 and for older ones may choose different matches.
//
// Threads: one at a time for each object; Crc32 is safe for concurrent calls.
#ifndef VOLSTREAM_STAGES_ISAL_DEFLATE_H_
#define VOLSTREAM_STAGES_ISAL_DEFLATE_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "engine/bytes.h"

namespace volstream {

class IsalDeflate {
 public:
  static constexpr int kMinLevel = 1;
  static constexpr int kMaxLevel = 3;

  // All memory is taken here. A deflate block has at most `block_tokens` literals and matches,
  // after which the codes are made anew: few follow data that changes, many save on the codes.
  // REQUIRES: kMinLevel <= level <= kMaxLevel; block_tokens >= 1024.
  IsalDeflate(int level, size_t block_tokens);
  ~IsalDeflate();

  // The bytes written to the front of `out`, or 0 when they do not fit; ISA-L may want up to 16
  // more bytes of room than it uses. REQUIRES: in and out of less than 4 GiB.
  size_t Compress(ByteSpan in, MutableByteSpan out);

 private:
  struct Stream;
  const std::unique_ptr<Stream> stream_;
};

// The CRC of gzip's trailer (RFC 1952), of any number of bytes: about three times as fast here as
// libdeflate's.
uint32_t Crc32(ByteSpan bytes);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_ISAL_DEFLATE_H_
