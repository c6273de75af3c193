// GzipCodec: BlockCodec that makes one gzip member of each block with libdeflate, or a member of
// stored deflate blocks (RFC 1951 3.2.4) where the block would not shrink. The home of
// libdeflate, with inflate_codec.cc.
//
// Threads: Encode is safe for concurrent calls. Compressors are kept and reused, one for each
// concurrent call at most.
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
  // A level's compressor and the one that probes at level 1.
  struct Kit;
  explicit GzipCodec(int level);
  std::unique_ptr<Kit> TakeKit() ABSL_LOCKS_EXCLUDED(mu_);
  void ReturnKit(std::unique_ptr<Kit> kit) ABSL_LOCKS_EXCLUDED(mu_);

  const int level_;
  Mutex mu_;
  std::vector<std::unique_ptr<Kit>> idle_ ABSL_GUARDED_BY(mu_);
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_GZIP_CODEC_H_
