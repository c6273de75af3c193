// Byte ranges and binary sizes used all over volstream.
#ifndef VOLSTREAM_ENGINE_BYTES_H_
#define VOLSTREAM_ENGINE_BYTES_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace volstream {

// Borrowed bytes: whoever hands out a span says how long it lives.
using ByteSpan = std::span<const uint8_t>;
using MutableByteSpan = std::span<uint8_t>;

inline bool IsZero(ByteSpan bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; });
}

// Zeros at the end; all bytes where there is nothing else.
inline size_t TrailingZeros(ByteSpan bytes) {
  const auto last = std::find_if(bytes.rbegin(), bytes.rend(), [](uint8_t b) { return b != 0; });
  return static_cast<size_t>(last - bytes.rbegin());
}

// MiB and GiB are powers of two; MB and GB (10^6, 10^9) appear only in text for people.
inline constexpr uint64_t kKiB = uint64_t{1} << 10;
inline constexpr uint64_t kMiB = uint64_t{1} << 20;
inline constexpr uint64_t kGiB = uint64_t{1} << 30;
inline constexpr uint64_t kTiB = uint64_t{1} << 40;

}  // namespace volstream

#endif  // VOLSTREAM_ENGINE_BYTES_H_
