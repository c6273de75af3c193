// StreamSource: a ByteStream as the source of a backup. What the stream gives is stored as it is.
//
// Threads: as BlockSource says; the stream is read by the source thread alone.
#ifndef VOLSTREAM_STAGES_STREAM_SOURCE_H_
#define VOLSTREAM_STAGES_STREAM_SOURCE_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "engine/stage.h"
#include "stages/byte_stream.h"

namespace volstream {

class StreamSource : public BlockSource {
 public:
  // The stream must outlive it.
  explicit StreamSource(ByteStream* stream) : stream_(stream) {}

  uint64_t MaxStreamBytes() const override { return 0; }
  // Fills the whole block, unless the stream ends in it.
  absl::StatusOr<BlockTicket> Next(MutableByteSpan space) override;
  // Never called, as Next fills every block.
  absl::StatusOr<size_t> Fill(const BlockTicket& ticket, MutableByteSpan space) override;
  void Cancel() override { stream_->Cancel(); }

 private:
  ByteStream* const stream_;
  uint64_t offset_ = 0;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_STREAM_SOURCE_H_
