// MD5 with integers: two messages, or two states over one message, side by side.
#include <bit>
#include <cstring>

#include "stages/md5_kernel.h"
#include "stages/md5_steps.h"

namespace volstream::md5 {
namespace {

struct Ops {
  using Word = uint32_t;
  VS_MD5_INLINE static const uint32_t* Sines() { return kSines; }
  VS_MD5_INLINE static Word Load(const uint32_t* at) { return *at; }
  VS_MD5_INLINE static void Pin(Word& word) { asm("" : "+r"(word)); }
  VS_MD5_INLINE static Word Add(Word x, Word y) { return x + y; }
  template <int kBits>
  VS_MD5_INLINE static Word Rotate(Word x) {
    return std::rotl(x, kBits);
  }
  template <int kRound>
  VS_MD5_INLINE static Word AddRound(Word sum, Word b, Word c, Word d) {
    if constexpr (kRound == 0) return sum + (d ^ (b & (c ^ d)));
    // The two halves have no bit in common, so they can be added one by one: the first is known
    // before b is.
    if constexpr (kRound == 1) {
      sum += c & ~d;
      Pin(sum);
      return sum + (b & d);
    }
    if constexpr (kRound == 2) return sum + (b ^ (c ^ d));
    if constexpr (kRound == 3) return sum + (c ^ (b | ~d));
  }
};

uint32_t LoadWord(const uint8_t* at) {
  uint32_t word;
  std::memcpy(&word, at, sizeof(word));
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap32(word);
  return word;
}

// Each chain's block; the same for all of them where a pair works on one.
template <size_t kChains>
struct Words {
  const uint8_t* blocks[kChains];
  template <size_t kChain, size_t kIndex>
  VS_MD5_INLINE uint32_t At() const {
    return LoadWord(blocks[kChain] + 4 * kIndex);
  }
};

template <size_t kChains>
void AdvanceChains(Run* runs, size_t blocks) {
  uint32_t state[kChains][4];
  Words<kChains> words;
  for (size_t i = 0; i < kChains; ++i) {
    std::memcpy(state[i], runs[i].state, sizeof(state[i]));
    words.blocks[i] = runs[i].message;
  }
  for (; blocks > 0; --blocks) {
    Compress<Ops>(state, words);
    for (size_t i = 0; i < kChains; ++i) words.blocks[i] += kBlockBytes;
  }
  for (size_t i = 0; i < kChains; ++i) {
    std::memcpy(runs[i].state, state[i], sizeof(state[i]));
    runs[i].message = words.blocks[i];
  }
}

void Advance(Run* runs, size_t lanes, size_t blocks) {
  if (lanes == 1) return AdvanceChains<1>(runs, blocks);
  AdvanceChains<2>(runs, blocks);
}

struct SharedWords {
  const uint8_t* block;
  template <size_t kChain, size_t kIndex>
  VS_MD5_INLINE uint32_t At() const {
    return LoadWord(block + 4 * kIndex);
  }
};

void AdvancePair(uint32_t* first, uint32_t* second, const uint8_t* message, size_t blocks) {
  uint32_t state[2][4];
  std::memcpy(state[0], first, sizeof(state[0]));
  std::memcpy(state[1], second, sizeof(state[1]));
  for (; blocks > 0; --blocks, message += kBlockBytes) Compress<Ops>(state, SharedWords{message});
  std::memcpy(first, state[0], sizeof(state[0]));
  std::memcpy(second, state[1], sizeof(state[1]));
}

}  // namespace

const KernelFunctions kPortableKernel{2, &Advance, &AdvancePair};

}  // namespace volstream::md5
