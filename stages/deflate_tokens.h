// What a search for matches leaves to DeflateWriter: literals and matches (RFC 1951), in runs, with
// how often each of their symbols comes. Part of it is compiled for other processors than the rest:
// so no function here may be anything but always inlined.
#ifndef VOLSTREAM_STAGES_DEFLATE_TOKENS_H_
#define VOLSTREAM_STAGES_DEFLATE_TOKENS_H_

#include <cstddef>
#include <cstdint>

#define VS_DEFLATE_INLINE __attribute__((always_inline)) inline

namespace volstream::deflate {

inline constexpr uint32_t kMinMatch = 3;
inline constexpr uint32_t kMaxMatch = 258;
inline constexpr uint32_t kMaxDistance = 32768;

// A token in 32 bits. Bits 0..8 are its symbol: a literal byte, or kFirstLength and the length
// minus 3; of a match bits 9..23 are the distance minus 1, and bits 24..28 its distance code.
using Token = uint32_t;
inline constexpr uint32_t kFirstLength = 256;
inline constexpr uint32_t kTokenSymbols = 512;  // literals and each length by itself
inline constexpr uint32_t kSymbolMask = kTokenSymbols - 1;
inline constexpr int kDistanceShift = 9;
inline constexpr uint32_t kDistanceMask = kMaxDistance - 1;
inline constexpr int kDistanceCodeShift = 24;
inline constexpr uint32_t kDistanceCodes = 30;

// Tokens after which a search hands over a run, and how many more it may have written by then.
inline constexpr size_t kRunTokens = 4096;
inline constexpr size_t kRunSlack = 1024;

struct TokenRun {
  Token* tokens;  // with room for kRunTokens + kRunSlack; not owned
  size_t count;
  uint32_t symbols[kTokenSymbols];
  uint32_t distances[kDistanceCodes];
};

VS_DEFLATE_INLINE void AddLiteral(uint8_t byte, TokenRun* run) {
  run->tokens[run->count++] = byte;
  ++run->symbols[byte];
}

// RFC 1951, 3.2.5: each two distance codes have one bit more than the two before them.
VS_DEFLATE_INLINE uint32_t DistanceCode(uint32_t distance) {
  const uint32_t d = distance - 1;
  if (d < 2) return d;
  const auto top = static_cast<uint32_t>(31 - __builtin_clz(d));
  return 2 * top + (d >> (top - 1) & 1);
}

// REQUIRES: kMinMatch <= length <= kMaxMatch, 1 <= distance <= kMaxDistance.
VS_DEFLATE_INLINE void AddMatch(uint32_t length, uint32_t distance, TokenRun* run) {
  const uint32_t symbol = kFirstLength + length - kMinMatch;
  const uint32_t code = DistanceCode(distance);
  run->tokens[run->count++] =
      symbol | (distance - 1) << kDistanceShift | code << kDistanceCodeShift;
  ++run->symbols[symbol];
  ++run->distances[code];
}

}  // namespace volstream::deflate

#endif  // VOLSTREAM_STAGES_DEFLATE_TOKENS_H_
