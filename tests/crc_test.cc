#include "stages/crc.h"

#include <random>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "stages/digest.h"

namespace volstream {
namespace {

constexpr std::string_view kCheck = "123456789";

std::vector<uint8_t> RandomBytes(size_t bytes) {
  std::mt19937_64 random(bytes);
  std::vector<uint8_t> data(bytes);
  for (uint8_t& byte : data) byte = static_cast<uint8_t>(random());
  return data;
}

// The bit-by-bit definition of a reflected CRC.
template <typename Word>
Word SlowCrc(Word polynomial, ByteSpan bytes) {
  Word crc = static_cast<Word>(~Word{0});
  for (const uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? polynomial : 0);
  }
  return static_cast<Word>(~crc);
}

TEST(Crc, GivesTheCheckValuesOfTheCatalogues) {
  EXPECT_EQ(Crc32c(AsBytes(kCheck)), 0xe3069283u);
  EXPECT_EQ(Crc64Nvme(AsBytes(kCheck)), 0xae8b14860a799888u);
}

TEST(Crc, OfNothingIsZero) {
  EXPECT_EQ(Crc32c({}), 0u);
  EXPECT_EQ(Crc64Nvme({}), 0u);
}

TEST(Crc, AgreesWithTheDefinitionAtEveryLengthAndAlignment) {
  const std::vector<uint8_t> data = RandomBytes(700);
  for (size_t bytes = 0; bytes <= 600; bytes += bytes < 150 ? 1 : 37) {
    for (const size_t offset : {0, 1, 7, 15}) {
      const ByteSpan span(data.data() + offset, bytes);
      const uint64_t expected = SlowCrc<uint64_t>(0x9a6c9329ac4bc9b5, span);
      ASSERT_EQ(Crc64Nvme(span), expected) << bytes << " at " << offset;
      ASSERT_EQ(internal::PortableCrc64Nvme(span), expected) << bytes << " at " << offset;
      ASSERT_EQ(Crc32c(span), SlowCrc<uint32_t>(0x82f63b78, span)) << bytes << " at " << offset;
    }
  }
}

TEST(Crc, OfTwoPartsCombines) {
  const std::vector<uint8_t> data = RandomBytes(5000);
  const ByteSpan all(data);
  for (const size_t cut : {0, 1, 64, 2500, 4999, 5000}) {
    const ByteSpan a = all.first(cut);
    const ByteSpan b = all.subspan(cut);
    EXPECT_EQ(CombineCrc32c(Crc32c(a), Crc32c(b), b.size()), Crc32c(all)) << cut;
    EXPECT_EQ(CombineCrc64Nvme(Crc64Nvme(a), Crc64Nvme(b), b.size()), Crc64Nvme(all)) << cut;
  }
}

TEST(Crc, CombinesPartsWhoseBitsDoNotFitAWord) {
  // Zeros of 2^61 bytes, put together by doubling: by another path than one long part.
  const std::vector<uint8_t> zero(1);
  uint64_t doubled = Crc64Nvme(zero);
  for (int i = 0; i < 61; ++i) doubled = CombineCrc64Nvme(doubled, doubled, uint64_t{1} << i);
  // The same zeros, one appended to all the others.
  uint64_t others = 0;
  for (int i = 0; i < 61; ++i) {
    uint64_t run = Crc64Nvme(zero);
    for (int k = 0; k < i; ++k) run = CombineCrc64Nvme(run, run, uint64_t{1} << k);
    others = CombineCrc64Nvme(others, run, uint64_t{1} << i);
  }
  EXPECT_EQ(CombineCrc64Nvme(others, Crc64Nvme(zero), 1), doubled);
}

}  // namespace
}  // namespace volstream
