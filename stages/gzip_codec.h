// GzipCodec: BlockCodec that makes one gzip member of each block, by what a probe says of it: noise
// becomes stored deflate blocks (RFC 1951 3.2.4), as does a block that would not shrink; the rest
// ISA-L compresses at levels 1 and 2 and where matches hardly pay, WideDeflate at levels 5 to 8 on
// processors where it pays, libdeflate otherwise. The home of libdeflate, with inflate_codec.cc.
//
// Threads: Encode is safe for concurrent calls. Compressors are made when they are first needed,
// kept and reused: one of each sort for each concurrent call at most.
#ifndef VOLSTREAM_STAGES_GZIP_CODEC_H_
#define VOLSTREAM_STAGES_GZIP_CODEC_H_

#include <memory>

#include "absl/status/statusor.h"
#include "engine/stage.h"
#include "stages/idle_pool.h"

namespace volstream {

class GzipCodec : public BlockCodec {
 public:
  static constexpr int kMinLevel = 1;
  static constexpr int kMaxLevel = 12;

  // kInvalidArgument unless kMinLevel <= level <= kMaxLevel.
  static absl::StatusOr<std::unique_ptr<GzipCodec>> Create(int level);
  ~GzipCodec() override;

  size_t Bound(size_t block_bytes) const override;
  absl::StatusOr<EncodedBlock> Encode(ByteSpan in, MutableByteSpan out) override;

 private:
  class Kit;
  explicit GzipCodec(int level);

  const int level_;
  IdlePool<Kit> kits_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_GZIP_CODEC_H_
