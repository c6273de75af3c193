// The compression function of MD5 (RFC 1321, section 3.4) as templates over the kind of word that
// it computes with: an integer, or a vector with a word of another message in each lane. Private to
// the kernels, stages/md5_lanes*.cc.
//
// Those files are compiled for different processors. What a template makes in one of them must
// never be linked into another, so each defines its Ops in a namespace of its own without a name,
// and code here is nothing but templates over them.
//
// A step is b + ((a + f(b, c, d) + word + constant) <<< s), and only b is new: all else is known a
// step earlier. What a step takes is how many operations follow each other from b to the result.
#ifndef VOLSTREAM_STAGES_MD5_STEPS_H_
#define VOLSTREAM_STAGES_MD5_STEPS_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "stages/md5_kernel.h"

#define VS_MD5_INLINE [[gnu::always_inline]] inline

namespace volstream::md5 {

// floor(2^32 * |sin(i + 1)|)
inline constexpr uint32_t kSines[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};
inline constexpr int kShifts[4][4] = {
    {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

// Which word of the block a step takes.
constexpr size_t WordOf(size_t step) {
  constexpr size_t kFactors[4] = {1, 5, 3, 7};
  constexpr size_t kOffsets[4] = {0, 1, 5, 0};
  return (step * kFactors[step / 16] + kOffsets[step / 16]) % 16;
}

// Ops has a type Word and, of Words: Load(const uint32_t*), which puts one word into every lane;
// Add; Rotate<bits>; AddRound<round>(sum, b, c, d), which is sum + f(b, c, d) with the f of that
// round; and Pin(word), an empty piece of assembler: without it compilers add what comes last to
// what is known first, which makes every step longer by an addition.
//
// Words gives At<chain, index>(): a word of the block that the chain is at. kChains states go
// through their steps side by side, as one alone leaves most of a core idle.
template <typename Ops, size_t kStep, size_t kChain, size_t kChains, typename Words>
VS_MD5_INLINE void Step(typename Ops::Word (&state)[kChains][4], const Words& words,
                        const uint32_t* sines) {
  typename Ops::Word(&s)[4] = state[kChain];
  typename Ops::Word& a = s[(64 - kStep) % 4];
  const typename Ops::Word b = s[(65 - kStep) % 4];
  const typename Ops::Word c = s[(66 - kStep) % 4];
  const typename Ops::Word d = s[(67 - kStep) % 4];
  typename Ops::Word sum = Ops::Add(a, Ops::Load(sines + kStep));
  sum = Ops::Add(sum, words.template At<kChain, WordOf(kStep)>());
  Ops::Pin(sum);
  sum = Ops::template AddRound<kStep / 16>(sum, b, c, d);
  a = Ops::Add(Ops::template Rotate<kShifts[kStep / 16][kStep % 4]>(sum), b);
}

template <typename Ops, size_t kStep, size_t kChains, typename Words, size_t... kChain>
VS_MD5_INLINE void StepAll(typename Ops::Word (&state)[kChains][4], const Words& words,
                           const uint32_t* sines, std::index_sequence<kChain...>) {
  (Step<Ops, kStep, kChain>(state, words, sines), ...);
}

template <typename Ops, size_t kChains, typename Words, size_t... kStep>
VS_MD5_INLINE void AllSteps(typename Ops::Word (&state)[kChains][4], const Words& words,
                            const uint32_t* sines, std::index_sequence<kStep...>) {
  (StepAll<Ops, kStep>(state, words, sines, std::make_index_sequence<kChains>()), ...);
}

// One block.
template <typename Ops, size_t kChains, typename Words>
VS_MD5_INLINE void Compress(typename Ops::Word (&state)[kChains][4], const Words& words) {
  typename Ops::Word next[kChains][4];
  for (size_t chain = 0; chain < kChains; ++chain) {
    for (size_t i = 0; i < 4; ++i) next[chain][i] = state[chain][i];
  }
  AllSteps<Ops>(next, words, Ops::Sines(), std::make_index_sequence<64>());
  for (size_t chain = 0; chain < kChains; ++chain) {
    for (size_t i = 0; i < 4; ++i) state[chain][i] = Ops::Add(state[chain][i], next[chain][i]);
  }
}

// The sixteen words of a block of as many messages as a Word has lanes, four times as many as it
// has quarters of 128 bits: lane 4q + i of word w is word w of message 4q + i.
//
// Ops has, beside the above: LoadQuarters(messages, offset), whose quarter q holds 16 bytes of
// messages[4q]; and the unpack operations of x86, which work in each quarter by itself.
template <typename Ops>
struct TransposedWords {
  typename Ops::Word words[16];

  VS_MD5_INLINE TransposedWords(const uint8_t* const* messages, size_t offset) {
    for (size_t i = 0; i < 16; i += 4) {
      const typename Ops::Word m0 = Ops::LoadQuarters(messages + 0, offset + 4 * i);
      const typename Ops::Word m1 = Ops::LoadQuarters(messages + 1, offset + 4 * i);
      const typename Ops::Word m2 = Ops::LoadQuarters(messages + 2, offset + 4 * i);
      const typename Ops::Word m3 = Ops::LoadQuarters(messages + 3, offset + 4 * i);
      const typename Ops::Word low01 = Ops::UnpackLow32(m0, m1);
      const typename Ops::Word low23 = Ops::UnpackLow32(m2, m3);
      const typename Ops::Word high01 = Ops::UnpackHigh32(m0, m1);
      const typename Ops::Word high23 = Ops::UnpackHigh32(m2, m3);
      words[i] = Ops::UnpackLow64(low01, low23);
      words[i + 1] = Ops::UnpackHigh64(low01, low23);
      words[i + 2] = Ops::UnpackLow64(high01, high23);
      words[i + 3] = Ops::UnpackHigh64(high01, high23);
    }
  }
  template <size_t kChain, size_t kIndex>
  VS_MD5_INLINE typename Ops::Word At() const {
    static_assert(kChain == 0);
    return words[kIndex];
  }
};

// Takes `lanes` runs, at most as many as a Word has, over their next blocks.
//
// Ops has, beside the above: kLanes; LoadLanes and StoreLanes, of a word for each lane.
template <typename Ops>
void AdvanceLanes(Run* runs, size_t lanes, size_t blocks) {
  uint32_t words[4][Ops::kLanes];
  const uint8_t* messages[Ops::kLanes];
  for (size_t lane = 0; lane < Ops::kLanes; ++lane) {
    // A lane too many does again what the first one does.
    const Run& run = runs[lane < lanes ? lane : 0];
    for (size_t i = 0; i < 4; ++i) words[i][lane] = run.state[i];
    messages[lane] = run.message;
  }
  typename Ops::Word state[1][4];
  for (size_t i = 0; i < 4; ++i) state[0][i] = Ops::LoadLanes(words[i]);
  for (size_t offset = 0; offset < blocks * kBlockBytes; offset += kBlockBytes) {
    Compress<Ops>(state, TransposedWords<Ops>(messages, offset));
  }
  for (size_t i = 0; i < 4; ++i) Ops::StoreLanes(state[0][i], words[i]);
  for (size_t lane = 0; lane < lanes; ++lane) {
    for (size_t i = 0; i < 4; ++i) runs[lane].state[i] = words[i][lane];
    runs[lane].message += blocks * kBlockBytes;
  }
}

}  // namespace volstream::md5

#endif  // VOLSTREAM_STAGES_MD5_STEPS_H_
