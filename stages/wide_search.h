// The search for matches of WideDeflate: what it keeps, and the code for each kind of processor.
// Private to stages/wide_*.cc, of which one is compiled for other processors than the rest: so no
// inline function may be here.
#ifndef VOLSTREAM_STAGES_WIDE_SEARCH_H_
#define VOLSTREAM_STAGES_WIDE_SEARCH_H_

#include <cstddef>
#include <cstdint>

#include "stages/deflate_tokens.h"

namespace volstream::deflate {

// Where four bytes were seen is kept in rows, chosen by their hash; a row has its last `entries`
// positions in a ring, each with a tag of 8 more bits of the hash.
struct WideShape {
  int entries;    // 32 or 64
  int rows_log2;  // at most 16
  // A match is put off by one byte if the next position has a better one; with 2, by two as well.
  int lookahead;
};

// Bytes of a row: its tags, then its positions' lowest 16 bits. Rows begin at multiples of 64.
inline constexpr size_t kWideRowAlignment = 64;

struct WideSearch {
  const uint8_t* in;
  size_t in_bytes;
  size_t position;        // of the next token
  uint32_t literal_cost;  // about what one takes, in sixteenths of a bit
  int rows_log2;
  uint8_t* rows;
  uint8_t* heads;  // of each row's ring, the newest entry
};

struct WideFunctions {
  size_t row_bytes;
  // Adds tokens to an empty run, until it has kRunTokens or search->position is in_bytes.
  void (*advance)(WideSearch* search, TokenRun* run);
};

// Those for a shape; null where this build has none. REQUIRES, to call them: a processor with
// AVX-512 F, BW, DQ, VL, VBMI2 and VPOPCNTDQ, and with BMI and BMI2.
extern const WideFunctions* (*const kWideAvx512)(const WideShape& shape);

}  // namespace volstream::deflate

#endif  // VOLSTREAM_STAGES_WIDE_SEARCH_H_
