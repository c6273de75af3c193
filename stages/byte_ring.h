// ByteRing: a buffer of fixed size between who brings bytes and who takes them, in order.
//
// Threads: none of its own; its owner's lock guards it.
#ifndef VOLSTREAM_STAGES_BYTE_RING_H_
#define VOLSTREAM_STAGES_BYTE_RING_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "engine/bytes.h"

namespace volstream {

class ByteRing {
 public:
  explicit ByteRing(size_t bytes) : bytes_(bytes) {}

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  bool full() const { return size_ == bytes_.size(); }

  // Takes over bytes from the front of `in`; how many there was room for.
  size_t Push(ByteSpan in) {
    const size_t taken = std::min(in.size(), bytes_.size() - size_);
    const size_t end = (begin_ + size_) % bytes_.size();
    const size_t straight = std::min(taken, bytes_.size() - end);
    if (straight > 0) std::memcpy(bytes_.data() + end, in.data(), straight);
    if (taken > straight) std::memcpy(bytes_.data(), in.data() + straight, taken - straight);
    size_ += taken;
    return taken;
  }

  // Gives bytes to the front of `out`; how many there were.
  size_t Pop(MutableByteSpan out) {
    const size_t taken = std::min(out.size(), size_);
    const size_t straight = std::min(taken, bytes_.size() - begin_);
    if (straight > 0) std::memcpy(out.data(), bytes_.data() + begin_, straight);
    if (taken > straight) std::memcpy(out.data() + straight, bytes_.data(), taken - straight);
    begin_ = (begin_ + taken) % bytes_.size();
    size_ -= taken;
    return taken;
  }

 private:
  std::vector<uint8_t> bytes_;
  size_t begin_ = 0;
  size_t size_ = 0;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_BYTE_RING_H_
