// Storage that grows by whole chunks and never moves what it holds: no copy and no peak of twice
// the size while a plan of millions of entries grows.
//
// Threads: appending is one thread's; reading is safe from any once nothing is appended.
#ifndef VOLSTREAM_STAGES_CHUNKED_H_
#define VOLSTREAM_STAGES_CHUNKED_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "engine/check.h"

namespace volstream {

template <typename T>
class Chunked {
 public:
  static constexpr size_t kPerChunk = 4096;

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const T& operator[](size_t index) const { return chunks_[index / kPerChunk][index % kPerChunk]; }
  T& operator[](size_t index) { return chunks_[index / kPerChunk][index % kPerChunk]; }
  const T& back() const { return (*this)[size_ - 1]; }
  T& back() { return (*this)[size_ - 1]; }

  void push_back(T value) {
    if (size_ % kPerChunk == 0) chunks_.push_back(std::make_unique<T[]>(kPerChunk));
    (*this)[size_++] = std::move(value);
  }

 private:
  std::vector<std::unique_ptr<T[]>> chunks_;
  size_t size_ = 0;
};

// Names one after another; each stays within a chunk, so that it is one string_view.
class NameArena {
 public:
  static constexpr size_t kChunkBytes = 256 * 1024;

  // Stores `first` and `second` side by side; the return value finds them again. REQUIRES: both
  // together fit a chunk.
  uint64_t Append(std::string_view first, std::string_view second) {
    const size_t bytes = first.size() + second.size();
    VS_CHECK(bytes <= kChunkBytes);
    if (chunks_.empty() || used_ + bytes > kChunkBytes) {
      chunks_.push_back(std::make_unique<char[]>(kChunkBytes));
      used_ = 0;
    }
    char* const place = chunks_.back().get() + used_;
    if (!first.empty()) std::memcpy(place, first.data(), first.size());
    if (!second.empty()) std::memcpy(place + first.size(), second.data(), second.size());
    const uint64_t position = (chunks_.size() - 1) * kChunkBytes + used_;
    used_ += bytes;
    return position;
  }

  std::string_view View(uint64_t position, size_t bytes) const {
    if (bytes == 0) return {};
    return std::string_view(chunks_[position / kChunkBytes].get() + position % kChunkBytes, bytes);
  }

 private:
  std::vector<std::unique_ptr<char[]>> chunks_;
  size_t used_ = 0;  // of the last chunk
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_CHUNKED_H_
