// PlainCodec: BlockCodec whose encoded block is the block. Threads: any; it has no state.
#ifndef VOLSTREAM_STAGES_PLAIN_CODEC_H_
#define VOLSTREAM_STAGES_PLAIN_CODEC_H_

#include <cstddef>
#include <cstring>

#include "absl/status/statusor.h"
#include "engine/stage.h"

namespace volstream {

class PlainCodec : public BlockCodec {
 public:
  size_t Bound(size_t block_bytes) const override { return block_bytes; }
  absl::StatusOr<EncodedBlock> Encode(ByteSpan in, MutableByteSpan out) override {
    std::memcpy(out.data(), in.data(), in.size());
    return EncodedBlock{in.size(), true};
  }
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_PLAIN_CODEC_H_
