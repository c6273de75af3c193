// ZstdInflateCodec: BlockCodec that inflates one member of a Zstandard archive of volstream
// (docs/format.md, "Members") with libzstd and checks all that the member says of itself: header,
// both sizes, that there is one frame and nothing behind it, the frame's checksum if it has one,
// XXH3.
//
// Threads: Encode is safe for concurrent calls. Contexts are kept and reused, one for each
// concurrent call at most. Memory: a context (about 160 KiB) each; a frame is inflated in place, so
// that the window that it asks for takes none.
// Errors: kDataLoss, what is wrong with the member; the caller knows where it lies.
#ifndef VOLSTREAM_STAGES_ZSTD_INFLATE_CODEC_H_
#define VOLSTREAM_STAGES_ZSTD_INFLATE_CODEC_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "engine/stage.h"
#include "stages/idle_pool.h"

namespace volstream {

class ZstdInflateCodec : public BlockCodec {
 public:
  // `max_member_tar_bytes`: the most that a member may hold.
  explicit ZstdInflateCodec(size_t max_member_tar_bytes);
  ~ZstdInflateCodec() override;

  // What a member may hold, however many bytes it has.
  size_t Bound(size_t block_bytes) const override;
  // `in` is one whole member.
  absl::StatusOr<EncodedBlock> Encode(ByteSpan in, MutableByteSpan out) override;

  // What the header of the frame that begins there says of its content; nothing if it says nothing,
  // or is none.
  static std::optional<uint64_t> ContentBytes(ByteSpan frame);

 private:
  struct Inflater;
  const size_t max_member_tar_bytes_;
  IdlePool<Inflater> idle_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_ZSTD_INFLATE_CODEC_H_
