// What a kernel of stages/md5_lanes.h is to the code that drives it. Private to stages/md5_*.cc, of
// which some are compiled for other processors than the rest: so no inline function may be here.
#ifndef VOLSTREAM_STAGES_MD5_KERNEL_H_
#define VOLSTREAM_STAGES_MD5_KERNEL_H_

#include <cstddef>
#include <cstdint>

namespace volstream {

enum class Md5Kernel;

namespace md5 {

inline constexpr size_t kBlockBytes = 64;
inline constexpr uint32_t kInitialState[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};

// One message in work.
struct Run {
  uint32_t state[4];       // A, B, C, D of RFC 1321
  const uint8_t* message;  // what is to come
};

inline constexpr size_t kMaxLanes = 16;

// The functions of one kind of processor. Pure; safe for concurrent calls.
struct KernelFunctions {
  size_t max_lanes;  // at most kMaxLanes
  // Takes each of `lanes` runs, of which there are 1 to max_lanes, over the next `blocks` blocks of
  // its message.
  void (*advance)(Run* runs, size_t lanes, size_t blocks);
  // Takes two states over the same blocks.
  void (*advance_pair)(uint32_t* first, uint32_t* second, const uint8_t* message, size_t blocks);
};

extern const KernelFunctions kPortableKernel;
// Null where this build has none. REQUIRES, to call one: a processor with AVX2; with AVX-512 F and
// VL.
extern const KernelFunctions* const kAvx2Kernel;
extern const KernelFunctions* const kAvx512Kernel;

// Of a supported kernel; null for OpenSSL.
const KernelFunctions* FunctionsOf(Md5Kernel kernel);

// Writes the end of a message of `message_bytes`, which is its last message_bytes % kBlockBytes
// bytes at `rest` and the padding, to `out`, with room for two blocks; returns how many it takes.
size_t Pad(const uint8_t* rest, uint64_t message_bytes, uint8_t* out);

// The digest, 16 bytes, of a message that ended in this state.
void StoreDigest(const uint32_t* state, uint8_t* out);

}  // namespace md5
}  // namespace volstream

#endif  // VOLSTREAM_STAGES_MD5_KERNEL_H_
