// What tests of block codecs share: bytes to encode, and calls with buffers of just the size, so
// that ASan sees the first byte too many.
#ifndef VOLSTREAM_TESTS_SUPPORT_BLOCK_CODEC_H_
#define VOLSTREAM_TESTS_SUPPORT_BLOCK_CODEC_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/stage.h"

namespace volstream {

// The first `bytes` of a log, which shrinks well.
std::string LogText(size_t bytes);

// Into a buffer of `room` bytes.
absl::StatusOr<std::string> EncodeInto(BlockCodec* codec, std::string_view in, size_t room);

struct EncodedMember {
  std::string member;
  bool stored = false;
};

// Into a buffer of the bound; empty, with a failed expectation, on an error.
EncodedMember EncodeMember(BlockCodec* codec, std::string_view in);

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_BLOCK_CODEC_H_
