#include "stages/isal_deflate.h"

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>

#include <cstring>
#include <vector>

#include "engine/check.h"

namespace volstream {
namespace {

size_t LevelBufferBytes(int level, size_t block_tokens) {
  // ISA-L's own sizes are these for 1024 tokens and powers of two of them.
  switch (level) {
    case 1:
      return ISAL_DEF_LVL1_REQ + ISAL_DEF_LVL1_TOKEN_SIZE * block_tokens;
    case 2:
      return ISAL_DEF_LVL2_REQ + ISAL_DEF_LVL2_TOKEN_SIZE * block_tokens;
    default:
      return ISAL_DEF_LVL3_REQ + ISAL_DEF_LVL3_TOKEN_SIZE * block_tokens;
  }
}

}  // namespace

struct IsalDeflate::Stream {
  Stream(int level, size_t block_tokens)
      : level(level), level_buffer(LevelBufferBytes(level, block_tokens)) {}

  const int level;
  std::vector<uint8_t> level_buffer;
  isal_zstream z;
};

IsalDeflate::IsalDeflate(int level, size_t block_tokens)
    : stream_(std::make_unique<Stream>(level, block_tokens)) {
  VS_CHECK(level >= kMinLevel && level <= kMaxLevel && block_tokens >= 1024);
}
IsalDeflate::~IsalDeflate() = default;

size_t IsalDeflate::Compress(ByteSpan in, MutableByteSpan out) {
  isal_zstream& z = stream_->z;
  // The call below leaves some of the state as it is: other matches would be found behind other
  // data.
  std::memset(&z, 0, sizeof(z));
  isal_deflate_stateless_init(&z);
  z.level = static_cast<uint32_t>(stream_->level);
  z.level_buf = stream_->level_buffer.data();
  z.level_buf_size = static_cast<uint32_t>(stream_->level_buffer.size());
  z.end_of_stream = 1;
  z.flush = NO_FLUSH;
  z.next_in = const_cast<uint8_t*>(in.data());  // not written to
  z.avail_in = static_cast<uint32_t>(in.size());
  z.next_out = out.data();
  z.avail_out = static_cast<uint32_t>(out.size());
  if (isal_deflate_stateless(&z) != COMP_OK || z.avail_in != 0) return 0;
  return z.total_out;
}

uint32_t Crc32(ByteSpan bytes) { return crc32_gzip_refl(0, bytes.data(), bytes.size()); }

}  // namespace volstream
