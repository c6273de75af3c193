// In-memory stages for tests of the engine: a source whose bytes are a function of their offset, a
// codec that copies, and a sink that keeps what it gets. Each can be told to fail.
#ifndef VOLSTREAM_TESTS_SUPPORT_FAKE_STAGES_H_
#define VOLSTREAM_TESTS_SUPPORT_FAKE_STAGES_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "engine/mutex.h"
#include "engine/stage.h"

namespace volstream {

inline constexpr uint64_t kNever = UINT64_MAX;

// The byte at `offset` of every FakeSource.
inline uint8_t PatternByte(uint64_t offset) {
  uint64_t x = offset * 0x9e3779b97f4a7c15u;
  x ^= x >> 29;
  return static_cast<uint8_t>(x * 0xbf58476d1ce4e5b9u >> 56);
}

std::vector<uint8_t> PatternBytes(uint64_t bytes);

struct FakeSource : public BlockSource {
  explicit FakeSource(uint64_t bytes) : total_bytes(bytes) {}

  uint64_t MaxStreamBytes() const override { return size_known ? total_bytes : 0; }
  absl::StatusOr<BlockTicket> Next(MutableByteSpan space) override;
  absl::StatusOr<size_t> Fill(const BlockTicket& ticket, MutableByteSpan space) override;

  const uint64_t total_bytes;
  bool size_known = true;
  bool fill_in_next = false;           // as a pipe does
  uint64_t fail_next_at = kNever;      // offset from which Next fails
  uint64_t fail_fill_at = kNever;      // the block that holds this offset fails in Fill
  uint64_t throw_in_fill_at = kNever;  // the same, by an exception
  uint64_t leave_out_from = kNever;    // blocks that begin here or later come out empty ...
  uint64_t leave_out_to = kNever;      // ... up to here
  std::atomic<uint64_t> filled_bytes{0};

 private:
  uint64_t next_offset_ = 0;
};

// Copies, with `extra_bytes` of padding per block. Spins for a while on some blocks, so that blocks
// come out of order.
struct CopyCodec : public BlockCodec {
  size_t Bound(size_t block_bytes) const override { return block_bytes + extra_bytes; }
  absl::StatusOr<EncodedBlock> Encode(ByteSpan in, MutableByteSpan out) override;

  size_t extra_bytes = 0;
  uint64_t fail_at_call = kNever;
  std::atomic<uint64_t> calls{0};
};

// The MD5 of a part is its first byte.
struct FirstByteHasher : public PartHasher {
  size_t BatchParts() const override { return batch_parts; }
  void Hash(std::span<const PartBytes> parts, bool want_sha256,
            std::span<PartDigest> digests) override;

  size_t batch_parts = 1;
  uint64_t throw_at_call = kNever;
  std::atomic<uint64_t> calls{0};
  std::atomic<uint64_t> most_together{0};  // parts in one call
};

// Keeps the parts. With a closed gate, Puts are held until OpenGate() or Cancel().
class FakeSink : public PartSink {
 public:
  explicit FakeSink(std::string name) : name_(std::move(name)) {}

  std::string Describe() const override { return name_; }
  bool WantsSha256() const override { return wants_sha256; }
  absl::Status Begin(const StreamShape& shape) override;
  void Put(std::shared_ptr<const Part> part, Done done) override;
  void Cancel() override;
  absl::StatusOr<std::string> Finish(const StreamSummary& summary) override;
  absl::Status Abort() override;

  // Set before the run.
  bool wants_sha256 = false;
  absl::Status begin_status;
  absl::Status finish_status;
  absl::Status abort_status;
  uint64_t fail_part_index = kNever;
  bool discard = false;  // count the bytes, keep none

  void CloseGate();
  void OpenGate();
  // Returns when `count` Puts are held at the gate.
  void WaitForHeld(size_t count);

  // After the run.
  std::vector<uint8_t> Contents() const;  // in order of part_index
  uint64_t bytes() const;
  StreamShape shape() const { return shape_; }
  StreamSummary summary() const { return summary_; }
  bool begun() const { return begun_; }
  bool finished() const { return finished_; }
  bool aborted() const { return aborted_; }

 private:
  struct Held {
    std::shared_ptr<const Part> part;
    Done done;
  };
  void Store(std::shared_ptr<const Part> part, const Done& done);

  const std::string name_;
  StreamShape shape_;
  StreamSummary summary_;
  bool begun_ = false;
  bool finished_ = false;
  bool aborted_ = false;
  mutable Mutex mu_;
  bool gate_closed_ ABSL_GUARDED_BY(mu_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<Held> held_ ABSL_GUARDED_BY(mu_);
  uint64_t bytes_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<uint64_t, std::vector<uint8_t>> parts_ ABSL_GUARDED_BY(mu_);
};

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_FAKE_STAGES_H_
