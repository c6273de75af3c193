// Looks at all places where the next four bytes were seen before at once: a row's tags are compared
// in one operation, what stands at up to eight places is gathered in one more, and the longest
// match is a maximum. A chain of places, as others have, is a chain of cache misses and of branches
// that nobody can predict; here is one of either, whatever the number of places.
#include "stages/wide_search.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && \
    defined(__AVX512VL__) && defined(__AVX512VBMI2__) && defined(__AVX512VPOPCNTDQ__)

#include <immintrin.h>

namespace volstream::deflate {
namespace {

constexpr uint32_t kHashBytes = 4;  // and so the shortest match that is found
constexpr uint32_t kGathered = 8;   // bytes at each place, and places at once
// Positions this close to the end of the input are not searched: what is read for one ends within.
constexpr size_t kTailBytes = 16;
// About the bits of a match's codes, with those of the distance behind its code: so many more than
// the distance has.
constexpr uint32_t kMatchBits = 7;
// A match of this length is not put off.
constexpr uint32_t kGoodMatch = 64;
// In longer matches only so many positions at either end are remembered: they repeat themselves.
constexpr size_t kLongMatch = 128;
constexpr size_t kRememberedEnd = 16;
// The row of the position so far ahead is fetched.
constexpr size_t kPrefetchBytes = 8;

struct Match {
  uint32_t length;
  uint32_t distance;  // 0: none
};

VS_DEFLATE_INLINE uint32_t Load32(const uint8_t* at) {
  uint32_t word;
  __builtin_memcpy(&word, at, sizeof(word));
  return word;
}
VS_DEFLATE_INLINE uint64_t Load64(const uint8_t* at) {
  uint64_t word;
  __builtin_memcpy(&word, at, sizeof(word));
  return word;
}

// How many bytes from `known` on are the same, up to `most`, with those before.
VS_DEFLATE_INLINE uint32_t MatchLength(const uint8_t* a, const uint8_t* b, uint32_t known,
                                       uint32_t most) {
  uint32_t length = known;
  while (length + sizeof(uint64_t) <= most) {
    const uint64_t differ = Load64(a + length) ^ Load64(b + length);
    if (differ != 0) return length + static_cast<uint32_t>(__builtin_ctzll(differ)) / 8;
    length += sizeof(uint64_t);
  }
  while (length < most && a[length] == b[length]) ++length;
  return length;
}

VS_DEFLATE_INLINE uint32_t BitsOf(uint32_t value) {
  return 31 - static_cast<uint32_t>(__builtin_clz(value));
}

// Whether a match takes no more than its bytes would as literals: digits take three bits or four.
VS_DEFLATE_INLINE bool Pays(const Match& match, uint32_t literal_cost) {
  return match.length * literal_cost >= 16 * (kMatchBits + BitsOf(match.distance));
}

// Whether `next`, some bytes further on, is worth `margin` more quarters of a byte than `match`: a
// byte of length is worth four bits of distance.
VS_DEFLATE_INLINE bool Better(const Match& next, const Match& match, int margin) {
  if (next.distance == 0) return false;
  const int longer = static_cast<int>(next.length) - static_cast<int>(match.length);
  const int nearer =
      static_cast<int>(BitsOf(match.distance)) - static_cast<int>(BitsOf(next.distance));
  return 4 * longer + nearer > margin;
}

template <int kEntries>
class Rows {
 public:
  static constexpr size_t kTagBytes = 64;
  static constexpr size_t kRowBytes = kTagBytes + kEntries * sizeof(uint16_t);

  explicit Rows(const WideSearch& search)
      : in_(search.in),
        in_bytes_(search.in_bytes),
        rows_log2_(search.rows_log2),
        rows_(search.rows),
        heads_(search.heads) {}

  VS_DEFLATE_INLINE void Prefetch(size_t position) const {
    const uint8_t* const row = rows_ + RowOf(HashAt(position)) * kRowBytes;
    for (size_t i = 0; i < kRowBytes; i += 64) __builtin_prefetch(row + i, /*rw=*/1);
  }

  VS_DEFLATE_INLINE void Insert(size_t position) { Insert(position, HashAt(position)); }

  // The longest match longer than `than`, the nearest of those, and remembers the position.
  // REQUIRES: than + 1 >= kHashBytes.
  VS_DEFLATE_INLINE Match FindLonger(size_t position, uint32_t than) {
    const uint32_t hash = HashAt(position);
    const uint8_t* const row = rows_ + RowOf(hash) * kRowBytes;
    uint16_t distances[kEntries + 2 * kGathered];
    const uint32_t count = Candidates(row, position, TagOf(hash), distances);
    Match match{than, 0};
    if (count > 0) {
      const size_t left = in_bytes_ - position;
      const auto most = static_cast<uint32_t>(left < kMaxMatch ? left : kMaxMatch);
      if (than < kGathered) {
        FindFromStart(in_ + position, distances, count, most, &match);
      } else if (than < most) {
        FindFromEnd(in_ + position, distances, count, most, &match);
      }
    }
    Insert(position, hash);
    return match;
  }

 private:
  VS_DEFLATE_INLINE uint32_t HashAt(size_t position) const {
    return Load32(in_ + position) * 0x9e3779b1u;
  }
  VS_DEFLATE_INLINE size_t RowOf(uint32_t hash) const { return hash >> (32 - rows_log2_); }
  VS_DEFLATE_INLINE uint8_t TagOf(uint32_t hash) const {
    return static_cast<uint8_t>(hash >> (24 - rows_log2_));
  }

  VS_DEFLATE_INLINE void Insert(size_t position, uint32_t hash) {
    const size_t index = RowOf(hash);
    uint8_t* const row = rows_ + index * kRowBytes;
    const uint8_t head = (heads_[index] + 1) % kEntries;
    heads_[index] = head;
    row[head] = TagOf(hash);
    const auto low = static_cast<uint16_t>(position);
    __builtin_memcpy(row + kTagBytes + head * sizeof(uint16_t), &low, sizeof(low));
  }

  // The distances of the row's entries with this tag, as far as deflate reaches; returns how many.
  // An entry may be older than 64 KiB, and so its distance that of another place: a match is one
  // wherever it is found, and which ones are depends on the input alone.
  VS_DEFLATE_INLINE static uint32_t Candidates(const uint8_t* row, size_t position, uint8_t tag,
                                               uint16_t* distances) {
    const __m512i here = _mm512_set1_epi16(static_cast<int16_t>(position));
    const auto reach = static_cast<int16_t>(position < kMaxDistance ? position : kMaxDistance);
    const __m512i most = _mm512_set1_epi16(reach);
    const __m512i tags = _mm512_set1_epi8(static_cast<char>(tag));
    uint32_t count = 0;
    for (int begin = 0; begin < kEntries; begin += 32) {
      const __m256i of_row = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + begin));
      const __mmask32 same = _mm256_cmpeq_epi8_mask(of_row, _mm512_castsi512_si256(tags));
      const __m512i positions = _mm512_loadu_si512(row + kTagBytes + begin * sizeof(uint16_t));
      const __m512i distance = _mm512_sub_epi16(here, positions);
      // Distance 0, a place 64 KiB back, wraps around and is too far.
      const __mmask32 valid = _mm512_mask_cmplt_epu16_mask(
          same, _mm512_sub_epi16(distance, _mm512_set1_epi16(1)), most);
      _mm512_storeu_si512(distances + count, _mm512_maskz_compress_epi16(valid, distance));
      count += static_cast<uint32_t>(__builtin_popcount(valid));
    }
    return count;
  }

  // Eight of the distances, those from `i` on, as negative offsets; and which of them there are.
  VS_DEFLATE_INLINE static __m512i Offsets(const uint16_t* distances, uint32_t i) {
    const __m128i eight = _mm_loadu_si128(reinterpret_cast<const __m128i*>(distances + i));
    return _mm512_sub_epi64(_mm512_setzero_si512(), _mm512_cvtepu16_epi64(eight));
  }
  VS_DEFLATE_INLINE static __mmask8 Present(uint32_t i, uint32_t count) {
    return static_cast<__mmask8>(count - i >= kGathered ? 0xff : (1u << (count - i)) - 1);
  }

  // The first kGathered bytes at each place decide, but for places where all of them are the same.
  VS_DEFLATE_INLINE static void FindFromStart(const uint8_t* here, const uint16_t* distances,
                                              uint32_t count, uint32_t most, Match* match) {
    const __m512i wanted = _mm512_set1_epi64(static_cast<int64_t>(Load64(here)));
    const __m512i one = _mm512_set1_epi64(1);
    // Length above, then the less the farther: the largest is the longest and the nearest.
    constexpr int kLengthShift = 16;
    constexpr uint64_t kNear = (1 << kLengthShift) - 1;
    __m512i best = _mm512_setzero_si512();
    uint16_t longer[kEntries + kGathered];
    uint32_t longer_count = 0;
    for (uint32_t i = 0; i < count; i += kGathered) {
      const __m512i offsets = Offsets(distances, i);
      const __mmask8 present = Present(i, count);
      const __m512i there =
          _mm512_mask_i64gather_epi64(_mm512_setzero_si512(), present, offsets, here, 1);
      const __m512i differ = _mm512_xor_si512(there, wanted);
      // Zeros below the lowest bit that differs.
      const __m512i same_bits =
          _mm512_popcnt_epi64(_mm512_andnot_si512(differ, _mm512_sub_epi64(differ, one)));
      const __m512i length = _mm512_srli_epi64(same_bits, 3);
      const __m512i key = _mm512_add_epi64(_mm512_slli_epi64(length, kLengthShift),
                                           _mm512_add_epi64(offsets, _mm512_set1_epi64(kNear)));
      best = _mm512_mask_max_epu64(best, present, best, key);
      const __mmask8 all = _mm512_mask_testn_epi64_mask(present, differ, differ);
      if (all != 0) {
        const __m128i eight = _mm_loadu_si128(reinterpret_cast<const __m128i*>(distances + i));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(longer + longer_count),
                         _mm_maskz_compress_epi16(all, eight));
        longer_count += static_cast<uint32_t>(__builtin_popcount(all));
      }
    }
    if (longer_count > 0) {
      Longest(here, longer, longer_count, most, match);
      return;
    }
    const uint64_t key = _mm512_reduce_max_epu64(best);
    const auto length = static_cast<uint32_t>(key >> kLengthShift);
    // Tags of other bytes may be the same.
    if (length > match->length) *match = {length, static_cast<uint32_t>(kNear - (key & kNear))};
  }

  // Of places where the first kGathered bytes are the same. REQUIRES: match->length < kGathered.
  VS_DEFLATE_INLINE static void Longest(const uint8_t* here, const uint16_t* distances,
                                        uint32_t count, uint32_t most, Match* match) {
    *match = {MatchLength(here, here - distances[0], kGathered, most), distances[0]};
    for (uint32_t i = 1; i < count; ++i) {
      const uint32_t distance = distances[i];
      // The bytes that an equal length would end with: most places fail here.
      const uint32_t last = match->length - sizeof(uint32_t);
      if (Load32(here + last) != Load32(here + last - distance)) continue;
      const uint32_t length = MatchLength(here, here - distance, kGathered, most);
      if (length > match->length || (length == match->length && distance < match->distance)) {
        *match = {length, distance};
      }
    }
  }

  // Looks first at the bytes that a longer match ends with. REQUIRES: kGathered <= match->length <
  // most.
  VS_DEFLATE_INLINE static void FindFromEnd(const uint8_t* here, const uint16_t* distances,
                                            uint32_t count, uint32_t most, Match* match) {
    const uint8_t* const end = here + match->length + 1 - kGathered;
    const __m512i wanted = _mm512_set1_epi64(static_cast<int64_t>(Load64(end)));
    for (uint32_t i = 0; i < count; i += kGathered) {
      const __m512i there = _mm512_mask_i64gather_epi64(_mm512_setzero_si512(), Present(i, count),
                                                        Offsets(distances, i), end, 1);
      uint32_t same = _mm512_mask_cmpeq_epi64_mask(Present(i, count), there, wanted);
      for (; same != 0; same &= same - 1) {
        const uint32_t distance = distances[i + static_cast<uint32_t>(__builtin_ctz(same))];
        const uint32_t length = MatchLength(here, here - distance, 0, most);
        const bool as_long = match->distance != 0 && length == match->length;
        if (length > match->length || (as_long && distance < match->distance)) {
          *match = {length, distance};
        }
      }
    }
  }

  const uint8_t* const in_;
  const size_t in_bytes_;
  const int rows_log2_;
  uint8_t* const rows_;
  uint8_t* const heads_;
};

template <int kEntries, int kLookahead>
void Advance(WideSearch* search, TokenRun* run) {
  Rows<kEntries> rows(*search);
  const uint8_t* const in = search->in;
  const size_t searched = search->in_bytes < kTailBytes ? 0 : search->in_bytes - kTailBytes;
  size_t position = search->position;
  while (position < searched && run->count < kRunTokens) {
    rows.Prefetch(position + kPrefetchBytes);
    Match match = rows.FindLonger(position, kHashBytes - 1);
    size_t next = position + 1;  // what is not remembered yet
    if (match.distance == 0 || !Pays(match, search->literal_cost)) {
      AddLiteral(in[position], run);
      position = next;
      continue;
    }
    // Each literal here makes 4 * length - log2(distance) more by 3 at least, and it is between 0
    // and 4 * kGoodMatch until the last pass.
    static_assert(4 * kGoodMatch / 3 + 4 <= kRunSlack);
    while (match.length < kGoodMatch && next < searched) {
      const uint32_t short_of = match.length - 1 < kHashBytes ? kHashBytes - 1 : match.length - 1;
      rows.Prefetch(next + kPrefetchBytes);
      Match later = rows.FindLonger(next++, short_of);
      if (Better(later, match, 2)) {
        AddLiteral(in[position++], run);
        match = later;
        continue;
      }
      if (kLookahead < 2 || next >= searched) break;
      rows.Prefetch(next + kPrefetchBytes);
      later = rows.FindLonger(next++, match.length);
      if (!Better(later, match, 6)) break;
      AddLiteral(in[position++], run);
      AddLiteral(in[position++], run);
      match = later;
    }
    AddMatch(match.length, match.distance, run);
    position += match.length;
    const size_t remembered = position < searched ? position : searched;
    if (match.length >= kLongMatch && remembered == position) {
      for (size_t end = next + kRememberedEnd; next < end; ++next) rows.Insert(next);
      next = position - kRememberedEnd;
    }
    for (; next < remembered; ++next) {
      rows.Prefetch(next + kPrefetchBytes);
      rows.Insert(next);
    }
  }
  while (position >= searched && position < search->in_bytes && run->count < kRunTokens) {
    AddLiteral(in[position++], run);
  }
  search->position = position;
}

template <int kEntries>
const WideFunctions* FunctionsFor(int lookahead) {
  static constexpr WideFunctions kOne{Rows<kEntries>::kRowBytes, Advance<kEntries, 1>};
  static constexpr WideFunctions kTwo{Rows<kEntries>::kRowBytes, Advance<kEntries, 2>};
  return lookahead == 1 ? &kOne : &kTwo;
}

const WideFunctions* Choose(const WideShape& shape) {
  return shape.entries == 32 ? FunctionsFor<32>(shape.lookahead)
                             : FunctionsFor<64>(shape.lookahead);
}

}  // namespace

const WideFunctions* (*const kWideAvx512)(const WideShape& shape) = Choose;

}  // namespace volstream::deflate

#else

namespace volstream::deflate {
const WideFunctions* (*const kWideAvx512)(const WideShape& shape) = nullptr;
}  // namespace volstream::deflate

#endif
