#include "tests/support/block_codec.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>

#include "stages/digest.h"

namespace volstream {

std::string LogText(size_t bytes) {
  std::string text;
  for (uint64_t i = 0; text.size() < bytes; ++i) {
    text += "line " + std::to_string(i * i) + " of the volume's log\n";
  }
  text.resize(bytes);
  return text;
}

absl::StatusOr<std::string> EncodeInto(BlockCodec* codec, std::string_view in, size_t room) {
  const auto out = std::make_unique<uint8_t[]>(room);
  const absl::StatusOr<EncodedBlock> block =
      codec->Encode(AsBytes(in), MutableByteSpan(out.get(), room));
  if (!block.ok()) return block.status();
  return std::string(reinterpret_cast<const char*>(out.get()), block->bytes);
}

EncodedMember EncodeMember(BlockCodec* codec, std::string_view in) {
  const size_t bound = codec->Bound(in.size());
  const auto out = std::make_unique<uint8_t[]>(bound);
  const absl::StatusOr<EncodedBlock> block =
      codec->Encode(AsBytes(in), MutableByteSpan(out.get(), bound));
  EXPECT_TRUE(block.ok()) << block.status();
  if (!block.ok()) return EncodedMember();
  EXPECT_LE(block->bytes, bound);
  return EncodedMember{std::string(reinterpret_cast<const char*>(out.get()), block->bytes),
                       block->stored};
}

}  // namespace volstream
