// CompressProbe: what a block of bytes promises a compressor, from a few windows of it, for about a
// fiftieth of what the fastest compressor costs. Knows no codec.
//
// Two things are measured in each window: how far its bytes alone shrink under an ideal code
// (order-0 entropy), and how many of its positions repeat what came shortly before. Both are
// integer arithmetic, so a block gives the same answer on every machine.
//
// Safe for concurrent calls; allocates nothing.
#ifndef VOLSTREAM_STAGES_COMPRESS_PROBE_H_
#define VOLSTREAM_STAGES_COMPRESS_PROBE_H_

#include <cstddef>

#include "engine/bytes.h"

namespace volstream {

enum class Promise {
  kNothing,  // noise in every window: store it
  kCodes,    // matches hardly pay: what can be won is in the code lengths, or in few places
  kMatches,  // worth a search for matches
};

struct ProbeResult {
  Promise promise = Promise::kMatches;
  // Means over the windows, in thousandths: of the bytes that an ideal code of single bytes leaves,
  // and of the positions at which a match begins.
  int literal_permille = 1000;
  int match_permille = 0;
};

// Blocks below this are not looked at: kMatches, as trying costs next to nothing.
inline constexpr size_t kProbeMinBytes = 64 * kKiB;

inline constexpr size_t kProbeWindows = 16;
inline constexpr size_t kProbeWindowBytes = 2 * kKiB;

// Looks at kProbeWindows windows of kProbeWindowBytes, spread evenly from the first byte to the
// last. A block with any window that is not noise is not kNothing: half noise, half text is worth
// compressing. For the promise alone it stops where that is certain, which for most data but noise
// is after a quarter of them; the means are then those of an empty block.
enum class ProbeFor { kPromise, kMeans };
ProbeResult ProbeBlock(ByteSpan block, ProbeFor wanted = ProbeFor::kMeans);

// Whether a block is noise to a compressor that looks back over all of it, not deflate's 32 KiB:
// store it. Each MiB has kProbeWindows; besides, the first bytes of every 512 are compared over the
// whole block, which sees a file of a tar that comes twice, and scattered text from a 64th of a
// MiB on. Anything but noise mostly costs one window.
bool IsNoise(ByteSpan block);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_COMPRESS_PROBE_H_
