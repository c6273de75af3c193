// GzipReader inflates a stream of gzip members (RFC 1952) as it arrives, whoever wrote them, and
// checks each member's CRC-32 and length. The only home of zlib in volstream.
//
// Why not libarchive's own gzip filter: it does not check the CRC, so that a damaged archive
// without a receipt would pass.
#ifndef VOLSTREAM_STAGES_GZIP_READER_H_
#define VOLSTREAM_STAGES_GZIP_READER_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/bytes.h"

namespace volstream {

// True if the bytes begin as a gzip member does.
bool LooksLikeGzip(ByteSpan bytes);

// Threads: one at a time.
class GzipReader {
 public:
  // The next compressed bytes, empty at the end; valid until the next call.
  using Input = std::function<absl::StatusOr<ByteSpan>()>;

  explicit GzipReader(Input input);
  ~GzipReader();

  // The next uncompressed bytes, empty at the end; valid until the next call. kDataLoss if the
  // stream is damaged or ends within a member. What follows the last member and is none, is passed
  // over if it is zeros (as tapes pad), and else is kDataLoss.
  absl::StatusOr<ByteSpan> Next();

 private:
  struct Inflater;

  absl::Status Refill();

  const Input input_;
  const std::unique_ptr<Inflater> inflater_;
  ByteSpan pending_;  // compressed, not yet taken
  std::vector<uint8_t> out_;
  bool input_ended_ = false;
  bool in_member_ = false;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_GZIP_READER_H_
