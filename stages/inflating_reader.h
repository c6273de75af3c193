// InflatingReader inflates a stream as it arrives, whoever wrote it, and checks the checksums that
// it carries.
//
// Why not libarchive's own filters: its gzip one does not check the CRC, and none says where a
// stream that is cut off ends, so that a damaged archive without a receipt would pass.
#ifndef VOLSTREAM_STAGES_INFLATING_READER_H_
#define VOLSTREAM_STAGES_INFLATING_READER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/bytes.h"

namespace volstream {

// Threads: one at a time.
class InflatingReader {
 public:
  // The next compressed bytes, empty at the end; valid until the next call.
  using Input = std::function<absl::StatusOr<ByteSpan>()>;

  virtual ~InflatingReader() = default;

  // For a stream that begins so; null unless it is gzip or Zstandard. Reads nothing yet.
  static std::unique_ptr<InflatingReader> For(ByteSpan front, Input input);

  // The next uncompressed bytes, empty at the end; valid until the next call. kDataLoss if the
  // stream is damaged or ends within a member or frame. What follows the last of them and is none,
  // is passed over if it is zeros (as tapes pad), and else is kDataLoss.
  virtual absl::StatusOr<ByteSpan> Next() = 0;

 protected:
  explicit InflatingReader(Input input) : input_(std::move(input)), out_(kOutBytes) {}

  // Takes more of the input where nothing is pending.
  absl::Status Refill();
  // Whether zeros were pending, which are then passed over.
  bool PassOverZeros();
  void Take(size_t bytes) { pending_ = pending_.subspan(bytes); }

  MutableByteSpan space() { return out_; }       // for what Next gives
  ByteSpan pending() const { return pending_; }  // compressed, not yet taken
  bool input_ended() const { return input_ended_; }

 private:
  static constexpr size_t kOutBytes = 256 * kKiB;

  const Input input_;
  ByteSpan pending_;
  std::vector<uint8_t> out_;
  bool input_ended_ = false;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_INFLATING_READER_H_
