// Corpus: an endless virtual stream of one kind that any thread can read at any offset at about the
// speed of memcpy, for sources that must not be the bottleneck.
//
// Each kind has kDistinctBlocks blocks made ahead by BlockGenerator; block i of the stream is one
// of them, chosen by the seed, with 16 bytes of its own stamped in (pure zeros stay zeros). The
// pool is larger than a CPU's cache, so that a read costs what reading the page cache costs.
#ifndef VOLSTREAM_BENCH_CORPUS_H_
#define VOLSTREAM_BENCH_CORPUS_H_

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/generator.h"
#include "engine/bytes.h"
#include "engine/stage.h"

namespace volstream::bench {

inline constexpr uint64_t kDefaultSeed = 20250811;

// Threads: immutable after construction; Read is safe for concurrent calls.
class Corpus {
 public:
  explicit Corpus(CorpusKind kind, uint64_t seed = kDefaultSeed);

  // Bytes [offset, offset + out.size()) of the stream.
  void Read(uint64_t offset, MutableByteSpan out) const;

  CorpusKind kind() const { return kind_; }
  // Memory of the blocks made ahead.
  uint64_t pool_bytes() const;

 private:
  static constexpr uint64_t kDistinctBlocks = 64;       // of a stream of one kind
  static constexpr uint64_t kDistinctBlocksMixed = 32;  // of each kind of the mixed stream

  ByteSpan PoolBlock(uint64_t index) const;

  const CorpusKind kind_;
  const uint64_t seed_;
  const uint64_t distinct_blocks_;
  // By kind; empty for kinds that the stream does not have.
  std::array<std::vector<uint8_t>, kPlainKindCount> pools_;
};

// The first `bytes` of a corpus as a source. Borrows the corpus.
class CorpusSource : public BlockSource {
 public:
  CorpusSource(const Corpus* corpus, uint64_t bytes) : corpus_(corpus), bytes_(bytes) {}

  uint64_t MaxStreamBytes() const override { return bytes_; }
  absl::StatusOr<BlockTicket> Next(MutableByteSpan space) override;
  absl::StatusOr<size_t> Fill(const BlockTicket& ticket, MutableByteSpan space) override;

 private:
  const Corpus* const corpus_;
  const uint64_t bytes_;
  uint64_t offset_ = 0;
};

}  // namespace volstream::bench

#endif  // VOLSTREAM_BENCH_CORPUS_H_
