// MD5 of up to sixteen messages at once with AVX-512 F and VL: any function of three words in one
// operation and any rotation in another, which makes a step four operations long.
#include "stages/md5_kernel.h"

#if defined(__AVX512F__) && defined(__AVX512VL__)

#include <immintrin.h>

#include "stages/md5_steps.h"

namespace volstream::md5 {
namespace {

VS_MD5_INLINE __m128i LoadQuarter(const uint8_t* at) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}

// The address is hidden: compilers would make each constant in a register, which takes longer than
// to add it from memory.
VS_MD5_INLINE const uint32_t* OpaqueSines() {
  const uint32_t* sines = kSines;
  asm("" : "+r"(sines));
  return sines;
}

// Truth tables of the rounds' functions, in the order b, c, d.
constexpr int kTables[4] = {0xca, 0xe4, 0x96, 0x39};

struct Ops128 {
  using Word = __m128i;
  static constexpr size_t kLanes = 4;
  VS_MD5_INLINE static const uint32_t* Sines() { return OpaqueSines(); }
  VS_MD5_INLINE static Word Load(const uint32_t* at) {
    return _mm_set1_epi32(static_cast<int>(*at));
  }
  VS_MD5_INLINE static void Pin(Word& word) { asm("" : "+v"(word)); }
  VS_MD5_INLINE static Word Add(Word x, Word y) { return _mm_add_epi32(x, y); }
  template <int kBits>
  VS_MD5_INLINE static Word Rotate(Word x) {
    return _mm_rol_epi32(x, kBits);
  }
  template <int kRound>
  VS_MD5_INLINE static Word AddRound(Word sum, Word b, Word c, Word d) {
    return Add(sum, _mm_ternarylogic_epi32(b, c, d, kTables[kRound]));
  }
  VS_MD5_INLINE static Word LoadQuarters(const uint8_t* const* messages, size_t offset) {
    return LoadQuarter(messages[0] + offset);
  }
  VS_MD5_INLINE static Word UnpackLow32(Word x, Word y) { return _mm_unpacklo_epi32(x, y); }
  VS_MD5_INLINE static Word UnpackHigh32(Word x, Word y) { return _mm_unpackhi_epi32(x, y); }
  VS_MD5_INLINE static Word UnpackLow64(Word x, Word y) { return _mm_unpacklo_epi64(x, y); }
  VS_MD5_INLINE static Word UnpackHigh64(Word x, Word y) { return _mm_unpackhi_epi64(x, y); }
  VS_MD5_INLINE static Word LoadLanes(const uint32_t* words) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(words));
  }
  VS_MD5_INLINE static void StoreLanes(Word word, uint32_t* words) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(words), word);
  }
};

struct Ops256 {
  using Word = __m256i;
  static constexpr size_t kLanes = 8;
  VS_MD5_INLINE static const uint32_t* Sines() { return OpaqueSines(); }
  VS_MD5_INLINE static Word Load(const uint32_t* at) {
    return _mm256_set1_epi32(static_cast<int>(*at));
  }
  VS_MD5_INLINE static void Pin(Word& word) { asm("" : "+v"(word)); }
  VS_MD5_INLINE static Word Add(Word x, Word y) { return _mm256_add_epi32(x, y); }
  template <int kBits>
  VS_MD5_INLINE static Word Rotate(Word x) {
    return _mm256_rol_epi32(x, kBits);
  }
  template <int kRound>
  VS_MD5_INLINE static Word AddRound(Word sum, Word b, Word c, Word d) {
    return Add(sum, _mm256_ternarylogic_epi32(b, c, d, kTables[kRound]));
  }
  VS_MD5_INLINE static Word LoadQuarters(const uint8_t* const* messages, size_t offset) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(LoadQuarter(messages[0] + offset)),
                                   LoadQuarter(messages[4] + offset), 1);
  }
  VS_MD5_INLINE static Word UnpackLow32(Word x, Word y) { return _mm256_unpacklo_epi32(x, y); }
  VS_MD5_INLINE static Word UnpackHigh32(Word x, Word y) { return _mm256_unpackhi_epi32(x, y); }
  VS_MD5_INLINE static Word UnpackLow64(Word x, Word y) { return _mm256_unpacklo_epi64(x, y); }
  VS_MD5_INLINE static Word UnpackHigh64(Word x, Word y) { return _mm256_unpackhi_epi64(x, y); }
  VS_MD5_INLINE static Word LoadLanes(const uint32_t* words) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(words));
  }
  VS_MD5_INLINE static void StoreLanes(Word word, uint32_t* words) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(words), word);
  }
};

struct Ops512 {
  using Word = __m512i;
  static constexpr size_t kLanes = 16;
  VS_MD5_INLINE static const uint32_t* Sines() { return OpaqueSines(); }
  VS_MD5_INLINE static Word Load(const uint32_t* at) {
    return _mm512_set1_epi32(static_cast<int>(*at));
  }
  VS_MD5_INLINE static void Pin(Word& word) { asm("" : "+v"(word)); }
  VS_MD5_INLINE static Word Add(Word x, Word y) { return _mm512_add_epi32(x, y); }
  template <int kBits>
  VS_MD5_INLINE static Word Rotate(Word x) {
    return _mm512_rol_epi32(x, kBits);
  }
  template <int kRound>
  VS_MD5_INLINE static Word AddRound(Word sum, Word b, Word c, Word d) {
    return Add(sum, _mm512_ternarylogic_epi32(b, c, d, kTables[kRound]));
  }
  VS_MD5_INLINE static Word LoadQuarters(const uint8_t* const* messages, size_t offset) {
    Word word = _mm512_castsi128_si512(LoadQuarter(messages[0] + offset));
    word = _mm512_inserti32x4(word, LoadQuarter(messages[4] + offset), 1);
    word = _mm512_inserti32x4(word, LoadQuarter(messages[8] + offset), 2);
    return _mm512_inserti32x4(word, LoadQuarter(messages[12] + offset), 3);
  }
  VS_MD5_INLINE static Word UnpackLow32(Word x, Word y) { return _mm512_unpacklo_epi32(x, y); }
  VS_MD5_INLINE static Word UnpackHigh32(Word x, Word y) { return _mm512_unpackhi_epi32(x, y); }
  VS_MD5_INLINE static Word UnpackLow64(Word x, Word y) { return _mm512_unpacklo_epi64(x, y); }
  VS_MD5_INLINE static Word UnpackHigh64(Word x, Word y) { return _mm512_unpackhi_epi64(x, y); }
  VS_MD5_INLINE static Word LoadLanes(const uint32_t* words) { return _mm512_loadu_si512(words); }
  VS_MD5_INLINE static void StoreLanes(Word word, uint32_t* words) {
    _mm512_storeu_si512(words, word);
  }
};

// Words of one message, the same in every lane: the addition takes them from memory and spreads
// them.
struct SharedWords {
  const uint8_t* block;
  template <size_t kChain, size_t kIndex>
  VS_MD5_INLINE __m128i At() const {
    return _mm_set1_epi32(_mm_cvtsi128_si32(_mm_loadu_si32(block + 4 * kIndex)));
  }
};

// Lane 0 holds the first state, lane 1 the second.
void AdvancePair(uint32_t* first, uint32_t* second, const uint8_t* message, size_t blocks) {
  __m128i state[1][4];
  for (size_t i = 0; i < 4; ++i) {
    state[0][i] = _mm_set_epi32(0, 0, static_cast<int>(second[i]), static_cast<int>(first[i]));
  }
  for (; blocks > 0; --blocks, message += kBlockBytes) {
    Compress<Ops128>(state, SharedWords{message});
  }
  for (size_t i = 0; i < 4; ++i) {
    first[i] = static_cast<uint32_t>(_mm_extract_epi32(state[0][i], 0));
    second[i] = static_cast<uint32_t>(_mm_extract_epi32(state[0][i], 1));
  }
}

void Advance(Run* runs, size_t lanes, size_t blocks) {
  if (lanes == 1) {
    uint32_t unused[4] = {};
    AdvancePair(runs->state, unused, runs->message, blocks);
    runs->message += blocks * kBlockBytes;
  } else if (lanes <= Ops128::kLanes) {
    AdvanceLanes<Ops128>(runs, lanes, blocks);
  } else if (lanes <= Ops256::kLanes) {
    AdvanceLanes<Ops256>(runs, lanes, blocks);
  } else {
    AdvanceLanes<Ops512>(runs, lanes, blocks);
  }
}

constexpr KernelFunctions kKernel{Ops512::kLanes, &Advance, &AdvancePair};

}  // namespace

const KernelFunctions* const kAvx512Kernel = &kKernel;

}  // namespace volstream::md5

#else

namespace volstream::md5 {
const KernelFunctions* const kAvx512Kernel = nullptr;
}  // namespace volstream::md5

#endif
