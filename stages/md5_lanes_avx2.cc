// MD5 of up to eight messages at once with AVX2.
#include "stages/md5_kernel.h"

#if defined(__AVX2__)

#include <immintrin.h>

#include "stages/md5_steps.h"

namespace volstream::md5 {
namespace {

struct Ops {
  using Word = __m256i;
  static constexpr size_t kLanes = 8;
  // The address is hidden: compilers would make each constant in a register, which takes longer.
  VS_MD5_INLINE static const uint32_t* Sines() {
    const uint32_t* sines = kSines;
    asm("" : "+r"(sines));
    return sines;
  }
  VS_MD5_INLINE static Word Load(const uint32_t* at) {
    return _mm256_set1_epi32(static_cast<int>(*at));
  }
  VS_MD5_INLINE static void Pin(Word& word) { asm("" : "+x"(word)); }
  VS_MD5_INLINE static Word Add(Word x, Word y) { return _mm256_add_epi32(x, y); }
  template <int kBits>
  VS_MD5_INLINE static Word Rotate(Word x) {
    return _mm256_or_si256(_mm256_slli_epi32(x, kBits), _mm256_srli_epi32(x, 32 - kBits));
  }
  template <int kRound>
  VS_MD5_INLINE static Word AddRound(Word sum, Word b, Word c, Word d) {
    if constexpr (kRound == 0) {
      return Add(sum, _mm256_xor_si256(d, _mm256_and_si256(b, _mm256_xor_si256(c, d))));
    }
    // Two halves without a common bit: the first is known before b is.
    if constexpr (kRound == 1) {
      return Add(Add(sum, _mm256_andnot_si256(d, c)), _mm256_and_si256(b, d));
    }
    if constexpr (kRound == 2) return Add(sum, _mm256_xor_si256(b, _mm256_xor_si256(c, d)));
    if constexpr (kRound == 3) {
      const Word not_d = _mm256_xor_si256(d, _mm256_set1_epi32(-1));
      return Add(sum, _mm256_xor_si256(c, _mm256_or_si256(b, not_d)));
    }
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

 private:
  VS_MD5_INLINE static __m128i LoadQuarter(const uint8_t* at) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  }
};

// Vectors rotate in three operations here: up to two lanes, integers are faster.
void Advance(Run* runs, size_t lanes, size_t blocks) {
  if (lanes <= kPortableKernel.max_lanes) return kPortableKernel.advance(runs, lanes, blocks);
  AdvanceLanes<Ops>(runs, lanes, blocks);
}

void AdvancePair(uint32_t* first, uint32_t* second, const uint8_t* message, size_t blocks) {
  kPortableKernel.advance_pair(first, second, message, blocks);
}

constexpr KernelFunctions kKernel{Ops::kLanes, &Advance, &AdvancePair};

}  // namespace

const KernelFunctions* const kAvx2Kernel = &kKernel;

}  // namespace volstream::md5

#else

namespace volstream::md5 {
const KernelFunctions* const kAvx2Kernel = nullptr;
}  // namespace volstream::md5

#endif
