// WideDeflate: raw deflate (RFC 1951) by a search that looks at all earlier places at once, with
// AVX-512: archives as small as libdeflate's middle levels make them, or smaller, in less time
// (docs/performance.md, "Codec by block"). Where the processor cannot, libdeflate has these levels
// (stages/gzip_codec.h); any reader of deflate reads either.
//
// The same bytes give the same output whatever was compressed before.
//
// Threads: one at a time for each object.
#ifndef VOLSTREAM_STAGES_WIDE_DEFLATE_H_
#define VOLSTREAM_STAGES_WIDE_DEFLATE_H_

#include <cstddef>
#include <memory>

#include "engine/bytes.h"

namespace volstream {

class WideDeflate {
 public:
  static constexpr int kMinLevel = 5;
  static constexpr int kMaxLevel = 8;

  // Whether this processor can, and is one on which it pays: of Intel's, as others take a gather
  // apart. VOLSTREAM_DEFLATE in the environment decides otherwise: "libdeflate" is never, "wide" is
  // wherever it runs. Asked once; the same ever after.
  static bool Supported();
  // Whether this processor and this build can, whatever pays.
  static bool Runs();

  // All memory is taken here, three quarters of a MiB at most. REQUIRES: Runs(); kMinLevel <= level
  // <= kMaxLevel.
  explicit WideDeflate(int level);
  ~WideDeflate();

  // The bytes written to the front of `out`, or 0 when they do not fit, with 8 bytes to spare; what
  // is behind them in `out` may change. REQUIRES: in is not empty and has less than 4 GiB.
  size_t Compress(ByteSpan in, MutableByteSpan out);

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_WIDE_DEFLATE_H_
