#include "stages/crc.h"

#include <isa-l/crc.h>

#include <algorithm>
#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace volstream {
namespace {

// Polynomials over GF(2) modulo P of degree Width, bits reflected: bit Width-1 is x^0, bit 0 is
// x^(Width-1). kP is P without its leading term.
template <typename Word, Word kP>
struct Field {
  static constexpr int kWidth = 8 * sizeof(Word);
  static constexpr Word kOne = Word{1} << (kWidth - 1);

  static constexpr Word TimesX(Word a) { return (a >> 1) ^ ((a & 1) != 0 ? kP : 0); }

  static constexpr Word Multiply(Word a, Word b) {
    Word product = 0;
    for (Word term = kOne; term != 0; term >>= 1) {
      if ((a & term) != 0) product ^= b;
      b = TimesX(b);
    }
    return product;
  }

  // x^n mod P.
  static constexpr Word PowerOfX(uint64_t n) {
    Word result = kOne;
    Word square = kOne >> 1;
    for (; n != 0; n >>= 1) {
      if ((n & 1) != 0) result = Multiply(result, square);
      square = Multiply(square, square);
    }
    return result;
  }

  // Appending a byte multiplies by x^8.
  static Word Combine(Word crc_a, Word crc_b, uint64_t bytes_b) {
    // 8 * bytes_b may not fit 64 bits.
    const Word byte = PowerOfX(8);
    Word shift = kOne;
    Word square = byte;
    for (uint64_t n = bytes_b; n != 0; n >>= 1) {
      if ((n & 1) != 0) shift = Multiply(shift, square);
      square = Multiply(square, square);
    }
    return Multiply(crc_a, shift) ^ crc_b;
  }
};

using Field32c = Field<uint32_t, 0x82f63b78>;
using Field64 = Field<uint64_t, 0x9a6c9329ac4bc9b5>;

// Table k holds what a byte contributes when k more bytes follow it in the same word.
using Tables = std::array<std::array<uint64_t, 256>, 8>;

constexpr Tables MakeTables() {
  Tables tables{};
  for (int byte = 0; byte < 256; ++byte) {
    auto crc = static_cast<uint64_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = Field64::TimesX(crc);
    tables[0][byte] = crc;
  }
  for (int k = 1; k < 8; ++k) {
    for (int byte = 0; byte < 256; ++byte) {
      const uint64_t crc = tables[k - 1][byte];
      tables[k][byte] = (crc >> 8) ^ tables[0][crc & 0xff];
    }
  }
  return tables;
}

constexpr Tables kTables = MakeTables();

uint64_t LoadWord(const uint8_t* data) {
  uint64_t word = 0;
  for (int i = 0; i < 8; ++i) word |= uint64_t{data[i]} << (8 * i);
  return word;
}

// Goes on from `crc`, which has not been inverted.
uint64_t TableUpdate(uint64_t crc, ByteSpan bytes) {
  const uint8_t* data = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; data += 8, left -= 8) {
    const uint64_t word = crc ^ LoadWord(data);
    crc = 0;
    for (int i = 0; i < 8; ++i) crc ^= kTables[7 - i][(word >> (8 * i)) & 0xff];
  }
  for (; left > 0; ++data, --left) crc = (crc >> 8) ^ kTables[0][(crc ^ *data) & 0xff];
  return crc;
}

#if defined(__x86_64__)

// Multiplies a block of 128 bits by x^kBits mod P, which leaves 128 bits of the same remainder.
// A carry-less product of reflected words comes out multiplied by x once more, hence the "- 1".
template <int kBits>
__attribute__((target("pclmul,sse4.1"))) inline __m128i Fold(__m128i block) {
  constexpr uint64_t kFirst = Field64::PowerOfX(kBits + 64 - 1);  // of the block's first 64 bits
  constexpr uint64_t kSecond = Field64::PowerOfX(kBits - 1);
  const __m128i factors =
      _mm_set_epi64x(static_cast<int64_t>(kSecond), static_cast<int64_t>(kFirst));
  return _mm_xor_si128(_mm_clmulepi64_si128(block, factors, 0x00),
                       _mm_clmulepi64_si128(block, factors, 0x11));
}

__attribute__((target("pclmul,sse4.1"))) inline __m128i Load(const uint8_t* data) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(data));
}

constexpr size_t kLanes = 4;
constexpr size_t kBlockBytes = 16;
constexpr size_t kStrideBytes = kLanes * kBlockBytes;

// REQUIRES: bytes.size() >= kStrideBytes.
__attribute__((target("pclmul,sse4.1"))) uint64_t FoldingUpdate(uint64_t crc, ByteSpan bytes) {
  const uint8_t* data = bytes.data();
  size_t left = bytes.size();
  __m128i lanes[kLanes];
  for (size_t i = 0; i < kLanes; ++i) lanes[i] = Load(data + i * kBlockBytes);
  lanes[0] = _mm_xor_si128(lanes[0], _mm_set_epi64x(0, static_cast<int64_t>(crc)));
  data += kStrideBytes;
  left -= kStrideBytes;
  for (; left >= kStrideBytes; data += kStrideBytes, left -= kStrideBytes) {
    for (size_t i = 0; i < kLanes; ++i) {
      lanes[i] = _mm_xor_si128(Fold<8 * kStrideBytes>(lanes[i]), Load(data + i * kBlockBytes));
    }
  }
  __m128i rest = lanes[0];
  for (size_t i = 1; i < kLanes; ++i) {
    rest = _mm_xor_si128(Fold<8 * kBlockBytes>(rest), lanes[i]);
  }
  uint8_t folded[kBlockBytes];
  std::memcpy(folded, &rest, sizeof(folded));
  return TableUpdate(TableUpdate(0, folded), ByteSpan(data, left));
}

bool CanFold() {
  static const bool can = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
  return can;
}

#endif

}  // namespace

uint32_t Crc32c(ByteSpan bytes) {
  // ISA-L counts in ints and does not write to the bytes.
  constexpr size_t kMaxPiece = size_t{1} << 30;
  uint32_t crc = ~uint32_t{0};
  while (!bytes.empty()) {
    const ByteSpan piece = bytes.first(std::min(bytes.size(), kMaxPiece));
    crc =
        crc32_iscsi(const_cast<unsigned char*>(piece.data()), static_cast<int>(piece.size()), crc);
    bytes = bytes.subspan(piece.size());
  }
  return ~crc;
}

uint64_t Crc64Nvme(ByteSpan bytes) {
#if defined(__x86_64__)
  if (bytes.size() >= kStrideBytes && CanFold()) return ~FoldingUpdate(~uint64_t{0}, bytes);
#endif
  return internal::PortableCrc64Nvme(bytes);
}

uint32_t CombineCrc32c(uint32_t crc_a, uint32_t crc_b, uint64_t bytes_b) {
  return Field32c::Combine(crc_a, crc_b, bytes_b);
}

uint64_t CombineCrc64Nvme(uint64_t crc_a, uint64_t crc_b, uint64_t bytes_b) {
  return Field64::Combine(crc_a, crc_b, bytes_b);
}

namespace internal {
uint64_t PortableCrc64Nvme(ByteSpan bytes) { return ~TableUpdate(~uint64_t{0}, bytes); }
}  // namespace internal

}  // namespace volstream
