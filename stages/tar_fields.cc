#include "stages/tar_fields.h"

#include <cstring>

namespace volstream {
namespace {

constexpr size_t kChecksumAt = 148;
constexpr size_t kChecksumBytes = 8;
constexpr size_t kMagicAt = 257;
constexpr std::string_view kUstarMagic("ustar\0", 6);
// GNU tar's own: no NUL, and no prefix.
constexpr std::string_view kAnyMagic("ustar", 5);
constexpr size_t kStarMagicAt = 508;
constexpr std::string_view kStarMagic("tar\0", 4);

bool Holds(ByteSpan block, size_t at, std::string_view text) {
  return std::memcmp(&block[at], text.data(), text.size()) == 0;
}

// Of all bytes; eight at a time in four lanes of 16 bits, which 64 times 2 * 255 do not overflow.
uint32_t SumOf(ByteSpan block) {
  constexpr uint64_t kLanes = 0x00ff00ff00ff00ff;
  uint64_t lanes = 0;
  for (size_t i = 0; i < kTarBlockBytes; i += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, &block[i], sizeof(word));
    lanes += (word & kLanes) + (word >> 8 & kLanes);
  }
  return static_cast<uint32_t>((lanes & 0xffff) + (lanes >> 16 & 0xffff) + (lanes >> 32 & 0xffff) +
                               (lanes >> 48));
}

std::optional<int64_t> Base256(ByteSpan field) {
  // The first byte's top bit is the mark, the next one the sign.
  const bool negative = (field[0] & 0x40) != 0;
  uint64_t value = negative ? ~uint64_t{0} << 6 | (field[0] & 0x3f) : field[0] & 0x3f;
  for (const uint8_t byte : field.subspan(1)) {
    // What is shifted out must be copies of the sign, and so must the sign's own bit be.
    const uint64_t top = value >> 55;
    if (top != (negative ? 0x1ff : 0)) return std::nullopt;
    value = value << 8 | byte;
  }
  return static_cast<int64_t>(value);
}

}  // namespace

std::optional<int64_t> TarNumber(ByteSpan field) {
  if ((field[0] & 0x80) != 0) return Base256(field);
  size_t i = 0;
  while (i < field.size() && field[i] == ' ') ++i;
  // At most 12 digits of 3 bits.
  int64_t value = 0;
  for (; i < field.size() && field[i] >= '0' && field[i] <= '7'; ++i) {
    value = value << 3 | (field[i] - '0');
  }
  // Behind the number's end old tars leave what was there before.
  if (i < field.size() && field[i] != ' ' && field[i] != '\0') return std::nullopt;
  return value;
}

std::string_view TarText(ByteSpan field) {
  const void* end = std::memchr(field.data(), '\0', field.size());
  const size_t bytes = end == nullptr
                           ? field.size()
                           : static_cast<size_t>(static_cast<const uint8_t*>(end) - field.data());
  return {reinterpret_cast<const char*>(field.data()), bytes};
}

bool TarFields::HasChecksum() const {
  const std::optional<int64_t> expected = TarNumber(block_.subspan(kChecksumAt, kChecksumBytes));
  if (!expected.has_value()) return false;
  // The field itself counts as blanks.
  int64_t sum = SumOf(block_) + kChecksumBytes * ' ';
  for (const uint8_t byte : block_.subspan(kChecksumAt, kChecksumBytes)) sum -= byte;
  if (sum == *expected) return true;
  for (size_t i = 0; i < kTarBlockBytes; ++i) {
    const bool in_field = i >= kChecksumAt && i < kChecksumAt + kChecksumBytes;
    if (!in_field && block_[i] >= 0x80) sum -= 0x100;
  }
  return sum == *expected;
}

std::string_view TarFields::prefix() const {
  if (!Holds(block_, kMagicAt, kUstarMagic)) return {};
  // star keeps two times behind a shorter one.
  return TarText(block_.subspan(345, Holds(block_, kStarMagicAt, kStarMagic) ? 131 : 155));
}

std::string_view TarFields::user_name() const {
  if (!Holds(block_, kMagicAt, kAnyMagic)) return {};
  return TarText(block_.subspan(265, 32));
}

std::string_view TarFields::group_name() const {
  if (!Holds(block_, kMagicAt, kAnyMagic)) return {};
  return TarText(block_.subspan(297, 32));
}

}  // namespace volstream
