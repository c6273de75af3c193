// InflateCodec: BlockCodec that inflates one gzip member of volstream (docs/format.md, "Members")
// with libdeflate and checks all that the member says of itself: header, both sizes, CRC-32, XXH3.
//
// Threads: Encode is safe for concurrent calls. Decompressors are kept and reused, one for each
// concurrent call at most.
// Errors: kDataLoss, what is wrong with the member; the caller knows where it lies.
#ifndef VOLSTREAM_STAGES_INFLATE_CODEC_H_
#define VOLSTREAM_STAGES_INFLATE_CODEC_H_

#include "absl/status/statusor.h"
#include "engine/stage.h"
#include "stages/idle_pool.h"

namespace volstream {

class InflateCodec : public BlockCodec {
 public:
  // The most that a gzip member holds in format version 1.
  static constexpr size_t kMemberTarBytes = kMiB;

  // `max_member_tar_bytes`: the most that a member may hold.
  explicit InflateCodec(size_t max_member_tar_bytes = kMemberTarBytes);
  ~InflateCodec() override;

  // What a member may hold, however many bytes it has.
  size_t Bound(size_t block_bytes) const override;
  // `in` is one whole member.
  absl::StatusOr<EncodedBlock> Encode(ByteSpan in, MutableByteSpan out) override;

 private:
  struct Inflater;
  const size_t max_member_tar_bytes_;
  IdlePool<Inflater> idle_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_INFLATE_CODEC_H_
