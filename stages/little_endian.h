// Numbers in little endian, as gzip headers and the index have them, and variable-length ones
// (LEB128: seven bits a byte, the lowest first, the top bit set on all but the last).
#ifndef VOLSTREAM_STAGES_LITTLE_ENDIAN_H_
#define VOLSTREAM_STAGES_LITTLE_ENDIAN_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "engine/bytes.h"

namespace volstream {

template <typename Int>
void PutLittleEndian(Int value, uint8_t* out) {
  for (size_t i = 0; i < sizeof(Int); ++i) out[i] = static_cast<uint8_t>(value >> (8 * i));
}

template <typename Int>
Int GetLittleEndian(const uint8_t* in) {
  Int value = 0;
  for (size_t i = 0; i < sizeof(Int); ++i) value |= static_cast<Int>(in[i]) << (8 * i);
  return value;
}

template <typename Int>
void AppendLittleEndian(Int value, std::string* out) {
  uint8_t bytes[sizeof(Int)];
  PutLittleEndian(value, bytes);
  out->append(reinterpret_cast<const char*>(bytes), sizeof(bytes));
}

inline void AppendVarint(uint64_t value, std::string* out) {
  for (; value >= 0x80; value >>= 7) out->push_back(static_cast<char>(value | 0x80));
  out->push_back(static_cast<char>(value));
}

// Signed numbers near zero as small unsigned ones: 0, -1, 1, -2, ...
inline uint64_t ZigZag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}
inline int64_t UnZigZag(uint64_t value) {
  return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
}

// Reads from the front of bytes that nobody vouches for. Once something was not there, failed() is
// true and all that is read is zero or empty.
class ByteCursor {
 public:
  explicit ByteCursor(ByteSpan bytes) : rest_(bytes) {}

  uint64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) break;
      const uint8_t byte = rest_.front();
      rest_ = rest_.subspan(1);
      if (shift == 63 && byte > 1) break;
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return value;
    }
    Fail();
    return 0;
  }
  template <typename Int>
  Int Fixed() {
    const ByteSpan bytes = Bytes(sizeof(Int));
    return bytes.empty() ? 0 : GetLittleEndian<Int>(bytes.data());
  }
  ByteSpan Bytes(uint64_t count) {
    if (count > rest_.size()) {
      Fail();
      return {};
    }
    const ByteSpan bytes = rest_.first(count);
    rest_ = rest_.subspan(count);
    return bytes;
  }

  bool failed() const { return failed_; }
  // All was read and nothing was missing.
  bool complete() const { return !failed_ && rest_.empty(); }
  size_t left() const { return rest_.size(); }

 private:
  void Fail() {
    failed_ = true;
    rest_ = {};
  }
  ByteSpan rest_;
  bool failed_ = false;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_LITTLE_ENDIAN_H_
