// TextModel: prose from a seeded vocabulary. Word frequencies follow Zipf's law and each word has
// some likely successors, so that deflate finds about what it finds in real prose and markdown:
// a ratio between 3 and 4 at gzip level 6.
//
// Threads: immutable after construction; all methods are safe for concurrent calls.
#ifndef VOLSTREAM_BENCH_TEXT_MODEL_H_
#define VOLSTREAM_BENCH_TEXT_MODEL_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "bench/random.h"
#include "engine/bytes.h"

namespace volstream::bench {

// Appends to a fixed span; what does not fit is cut off.
class SpanWriter {
 public:
  explicit SpanWriter(MutableByteSpan out) : next_(out.data()), end_(out.data() + out.size()) {}

  bool full() const { return next_ == end_; }
  size_t room() const { return static_cast<size_t>(end_ - next_); }
  uint8_t* position() const { return next_; }

  void Put(std::string_view text) {
    const size_t count = std::min(text.size(), room());
    std::memcpy(next_, text.data(), count);
    next_ += count;
  }
  void PutByte(uint8_t byte) {
    if (!full()) *next_++ = byte;
  }
  void PutDecimal(uint64_t value, int min_digits = 1);
  // The lowest 4 * digits bits of `value`.
  void PutHex(uint64_t value, int digits);
  void PutUuid(Random* random);

 private:
  uint8_t* next_;
  uint8_t* end_;
};

class TextModel {
 public:
  explicit TextModel(uint64_t seed);

  std::string_view Word(Random* random) const { return words_[ZipfWord(random)]; }

  // Writes sentences until at least `bytes` are there or the writer is full. Paragraphs are
  // separated by `paragraph_end`, which a JSON string needs escaped.
  void WriteProse(size_t bytes, std::string_view paragraph_end, Random* random,
                  SpanWriter* out) const;

 private:
  static constexpr size_t kWords = 6000;
  static constexpr size_t kSuccessors = 16;
  static constexpr size_t kPhrases = 768;

  uint16_t ZipfWord(Random* random) const { return zipf_[random->Next() >> 48]; }
  uint16_t NextWord(uint16_t word, Random* random) const;
  void WriteSentence(Random* random, SpanWriter* out) const;

  std::vector<std::string> words_;
  std::vector<uint16_t> zipf_;  // 65536 entries; a word has as many as its frequency asks for
  std::vector<std::array<uint16_t, kSuccessors>> successors_;
  std::vector<std::string> phrases_;
};

}  // namespace volstream::bench

#endif  // VOLSTREAM_BENCH_TEXT_MODEL_H_
