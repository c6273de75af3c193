// Random: a small seeded generator whose output is the same on every machine and library, which the
// distributions of <random> are not. SplitMix64 (Steele, Lea, Flood 2014). Not for secrets.
#ifndef VOLSTREAM_BENCH_RANDOM_H_
#define VOLSTREAM_BENCH_RANDOM_H_

#include <cstdint>

namespace volstream::bench {

// A bijection of 64 bits that leaves no visible pattern.
inline uint64_t Mix64(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// One thread at a time.
class Random {
 public:
  // Streams with different seeds or different stream numbers have nothing in common.
  explicit Random(uint64_t seed, uint64_t stream = 0)
      : state_(Mix64(seed + 0x9e3779b97f4a7c15) ^ Mix64(stream * 0xd1b54a32d192ed03 + 1)) {}

  uint64_t Next() { return Mix64(state_ += 0x9e3779b97f4a7c15); }

  // 0 <= result < bound; the bias is below bound / 2^32. REQUIRES: 0 < bound <= 2^32.
  uint64_t Below(uint64_t bound) { return ((Next() >> 32) * bound) >> 32; }

  // first <= result <= last.
  uint64_t Between(uint64_t first, uint64_t last) { return first + Below(last - first + 1); }

  // True in `numerator` of `denominator` cases.
  bool Chance(uint64_t numerator, uint64_t denominator) { return Below(denominator) < numerator; }

 private:
  uint64_t state_;
};

}  // namespace volstream::bench

#endif  // VOLSTREAM_BENCH_RANDOM_H_
