// BlockSample: copies of some blocks of a stream, evenly spread over it however long it gets, for
// kernels to be timed on; and the sources that take and give them.
#ifndef VOLSTREAM_STAGES_BLOCK_SAMPLE_H_
#define VOLSTREAM_STAGES_BLOCK_SAMPLE_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "engine/bytes.h"
#include "engine/mutex.h"
#include "engine/stage.h"

namespace volstream {

// Threads: safe for concurrent calls.
class BlockSample {
 public:
  // Holds at most `max_blocks`, at least 1, and at least half as many of a long stream.
  explicit BlockSample(size_t max_blocks) : max_blocks_(max_blocks) {}

  // The next block of the stream, in whatever order they come; copied if it is to be kept.
  void Offer(ByteSpan block) ABSL_LOCKS_EXCLUDED(mu_);
  // What is kept by now; the sample is empty afterwards.
  std::vector<std::vector<uint8_t>> Take() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  const size_t max_blocks_;
  Mutex mu_;
  uint64_t offered_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t stride_ ABSL_GUARDED_BY(mu_) = 1;  // every such block is kept, from the first on
  std::vector<std::vector<uint8_t>> blocks_ ABSL_GUARDED_BY(mu_);
};

// A source that shows the sample what another gives. Both must outlive it.
class SampledSource : public BlockSource {
 public:
  SampledSource(BlockSource* source, BlockSample* sample) : source_(source), sample_(sample) {}

  uint64_t MaxStreamBytes() const override { return source_->MaxStreamBytes(); }
  absl::StatusOr<BlockTicket> Next(MutableByteSpan space) override;
  absl::StatusOr<size_t> Fill(const BlockTicket& ticket, MutableByteSpan space) override;
  void Cancel() override { source_->Cancel(); }

 private:
  BlockSource* const source_;
  BlockSample* const sample_;
};

// A source that gives blocks that are in memory, over and over up to `max_bytes`. Its tickets count
// blocks: `offset` is the number of the block, from 0. The bytes must outlive it.
class SampleSource : public BlockSource {
 public:
  // REQUIRES: blocks is not empty, and no block is.
  SampleSource(std::vector<ByteSpan> blocks, uint64_t max_bytes)
      : blocks_(std::move(blocks)), max_bytes_(max_bytes) {}

  // One ticket for each block, in order.
  std::vector<BlockTicket> Tickets() const;

  uint64_t MaxStreamBytes() const override { return max_bytes_; }
  // REQUIRES: space has room for the largest block.
  absl::StatusOr<BlockTicket> Next(MutableByteSpan space) override;
  absl::StatusOr<size_t> Fill(const BlockTicket& ticket, MutableByteSpan space) override;

 private:
  ByteSpan BlockAt(uint64_t number) const { return blocks_[number % blocks_.size()]; }

  const std::vector<ByteSpan> blocks_;
  const uint64_t max_bytes_;
  uint64_t next_ = 0;
  uint64_t given_bytes_ = 0;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_BLOCK_SAMPLE_H_
