// Md5Pair: the MD5 of a stream, and those of the pieces that it is cut into, in one pass. Where a
// piece begins at a multiple of 64 bytes of the stream, which the parts of an archive do, both
// digests see the same blocks, and the second costs next to nothing. Elsewhere each is computed by
// itself.
#ifndef VOLSTREAM_STAGES_MD5_PAIR_H_
#define VOLSTREAM_STAGES_MD5_PAIR_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "engine/bytes.h"
#include "stages/digest.h"
#include "stages/md5_lanes.h"

namespace volstream {

// One thread at a time.
class Md5Pair {
 public:
  // REQUIRES: a supported kernel.
  explicit Md5Pair(Md5Kernel kernel = DefaultMd5Kernel());
  ~Md5Pair();

  void Update(ByteSpan bytes);
  // The digest of what came since the last cut, or since the beginning; the next piece begins here.
  Md5Digest Cut();
  // The digest of all bytes; ends the stream, nothing may follow.
  Md5Digest Finish();

 private:
  class State;
  class Kernel;
  class OpenSsl;
  const std::unique_ptr<State> state_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_MD5_PAIR_H_
