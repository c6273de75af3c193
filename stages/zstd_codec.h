// ZstdCodec: BlockCodec that makes one member of a Zstandard archive of each block: the header of
// stages/zstd_member.h and one frame by libzstd (RFC 8878) with content size and checksum, or a
// frame of raw blocks where the block would not shrink. The home of libzstd's compression.
//
// Threads: Encode is safe for concurrent calls. Contexts are kept and reused, one for each
// concurrent call at most; what they take grows with the level and the block: for blocks of 4 MiB
// 1.6 MB at level 3, 13 MB at 9, 68 MB at most.
#ifndef VOLSTREAM_STAGES_ZSTD_CODEC_H_
#define VOLSTREAM_STAGES_ZSTD_CODEC_H_

#include <memory>

#include "absl/status/statusor.h"
#include "engine/stage.h"
#include "stages/idle_pool.h"

namespace volstream {

class ZstdCodec : public BlockCodec {
 public:
  static constexpr int kMinLevel = 1;
  static constexpr int kMaxLevel = 19;

  // kInvalidArgument unless kMinLevel <= level <= kMaxLevel.
  static absl::StatusOr<std::unique_ptr<ZstdCodec>> Create(int level);
  ~ZstdCodec() override;

  size_t Bound(size_t block_bytes) const override;
  absl::StatusOr<EncodedBlock> Encode(ByteSpan in, MutableByteSpan out) override;

 private:
  // A level's context and, for slow levels, the one that probes.
  struct Kit;
  explicit ZstdCodec(int level);
  std::unique_ptr<Kit> NewKit() const;

  const int level_;
  IdlePool<Kit> kits_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_ZSTD_CODEC_H_
