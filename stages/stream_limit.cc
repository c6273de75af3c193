#include "stages/stream_limit.h"

#include "absl/strings/str_format.h"

namespace volstream {

absl::Status StreamLimit::OnBlock(const BlockRecord& record, ByteSpan encoded) {
  if (record.encoded_offset + encoded.size() <= capacity_) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrFormat(
      "the stream has outgrown the %.1f GB that %d parts of up to %d MiB hold: run again with "
      "--expected-size (about its length), with more --memory, which two parts must fit into, or "
      "with a larger --part-size",
      capacity_ / 1e9, limits_.max_parts, sizes_.largest_bytes() / kMiB));
}

}  // namespace volstream
