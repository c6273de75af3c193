// GzipCodec: BlockCodec that makes one gzip member of each block, by what a probe says of it: noise
// becomes stored deflate blocks (RFC 1951 3.2.4), as does a block that would not shrink; the rest
// ISA-L compresses at levels 1 and 2 and where matches hardly pay, libdeflate otherwise. The home
// of libdeflate, with inflate_codec.cc.
//
// Threads: Encode is safe for concurrent calls. Compressors are made when they are first needed,
// kept and reused: one of each sort for each concurrent call at most.
#ifndef VOLSTREAM_STAGES_GZIP_CODEC_H_
#define VOLSTREAM_STAGES_GZIP_CODEC_H_

#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "engine/mutex.h"
#include "engine/stage.h"

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
  std::unique_ptr<Kit> TakeKit() ABSL_LOCKS_EXCLUDED(mu_);
  void ReturnKit(std::unique_ptr<Kit> kit) ABSL_LOCKS_EXCLUDED(mu_);

  const int level_;
  Mutex mu_;
  std::vector<std::unique_ptr<Kit>> idle_ ABSL_GUARDED_BY(mu_);
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_GZIP_CODEC_H_
