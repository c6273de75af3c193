// Prefix (Huffman) codes of deflate (RFC 1951, 3.2.2): the lengths from how often symbols come, and
// the codes from the lengths.
//
// Pure; safe for concurrent calls.
#ifndef VOLSTREAM_STAGES_PREFIX_CODE_H_
#define VOLSTREAM_STAGES_PREFIX_CODE_H_

#include <cstdint>

#include "absl/types/span.h"

namespace volstream::deflate {

inline constexpr size_t kMaxSymbols = 288;
inline constexpr int kMaxCodeBits = 15;

// Sets the length of each symbol's code, 0 for symbols that do not come. The code is complete:
// where fewer than two symbols come, others get one of a bit, as readers refuse most incomplete
// ones. REQUIRES: 2 <= counts.size() <= kMaxSymbols, lengths of the same size; counts below 2^22 in
// sum; counts.size() <= 2^max_bits, max_bits <= kMaxCodeBits.
void BuildCodeLengths(absl::Span<const uint32_t> counts, int max_bits, absl::Span<uint8_t> lengths);

// The codes, first bit lowest, as deflate packs them. REQUIRES: codes.size() == lengths.size().
void BuildCodes(absl::Span<const uint8_t> lengths, absl::Span<uint16_t> codes);

// What an ideal code of these symbols takes, in bits. Integer arithmetic: the same everywhere.
uint64_t IdealBits(absl::Span<const uint32_t> counts);
// The same of a part of the symbols, which are `all` with the others. REQUIRES: all is not less
// than the counts in sum.
uint64_t IdealBits(absl::Span<const uint32_t> counts, uint32_t all);

}  // namespace volstream::deflate

#endif  // VOLSTREAM_STAGES_PREFIX_CODE_H_
