// DeflateCheck: whether deflated bytes (RFC 1951) inflate to what they were made of, by libdeflate:
// for an encoder of our own, nobody else's backups have tried it yet, and a flipped bit of memory
// shows here as well.
//
// Threads: one at a time for each object. Memory: the largest input so far, kept.
#ifndef VOLSTREAM_STAGES_DEFLATE_CHECK_H_
#define VOLSTREAM_STAGES_DEFLATE_CHECK_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/bytes.h"

struct libdeflate_decompressor;

namespace volstream {

class DeflateCheck {
 public:
  DeflateCheck();
  ~DeflateCheck();

  // kResourceExhausted without memory for a decompressor.
  absl::StatusOr<bool> Holds(ByteSpan deflated, ByteSpan wanted);

 private:
  libdeflate_decompressor* const decompressor_;
  std::vector<uint8_t> inflated_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_DEFLATE_CHECK_H_
