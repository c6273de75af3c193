// BlockGenerator: the bytes of block `index` of an endless stream of one kind, as a pure function
// of (seed, kind, index). The same on every little-endian machine: all randomness is integer
// arithmetic, and floats are integers scaled by a power of two.
//
// What the kinds stand for, with the ratio of gzip level 6:
//   text    prose and markdown                              3.2
//   logs    a web application's log lines                   4.4
//   sqlite  4 KiB pages: rows, indexes, overflow pages      2.9
//   floats  embeddings and an HNSW index; random walks      1.1
//   json    chat exports                                    3.1
//   random  images, PDFs, archives: cannot shrink           1
//   zeros   holes of sparse files, preallocated tails       1000
//   mixed   a volume of OpenWebUI; a third is random        1.6
#ifndef VOLSTREAM_BENCH_GENERATOR_H_
#define VOLSTREAM_BENCH_GENERATOR_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/text_model.h"
#include "engine/bytes.h"

namespace volstream::bench {

enum class CorpusKind { kText, kLogs, kSqlite, kFloats, kJson, kRandom, kZeros, kMixed };
inline constexpr int kPlainKindCount = 7;  // all but kMixed

std::string_view KindName(CorpusKind kind);
absl::StatusOr<CorpusKind> ParseKind(std::string_view name);

inline constexpr size_t kCorpusBlockBytes = kMiB;

// Kinds alternate in runs of this many blocks, as large files do in a tar stream.
inline constexpr uint64_t kMixedRunBlocks = 4;
// Every aligned span of this many blocks holds each kind in exactly its share.
inline constexpr uint64_t kMixedCycleBlocks = 32 * kMixedRunBlocks;

// The kind of a block of the mixed stream; any other kind as it is.
CorpusKind KindOfBlock(CorpusKind kind, uint64_t seed, uint64_t index);

// Threads: immutable after construction; Generate is safe for concurrent calls.
class BlockGenerator {
 public:
  explicit BlockGenerator(uint64_t seed) : seed_(seed), text_(seed) {}

  // Fills `out` with the first out.size() bytes of the block. REQUIRES: at most kCorpusBlockBytes.
  void Generate(CorpusKind kind, uint64_t index, MutableByteSpan out) const;

 private:
  void WriteLogs(Random* random, SpanWriter* out) const;
  void WriteJson(Random* random, SpanWriter* out) const;
  void WriteSqlite(Random* random, SpanWriter* out) const;
  void WriteLeafPage(Random* random, uint64_t* row_id, MutableByteSpan page) const;
  void WriteIndexPage(Random* random, uint64_t* row_id, MutableByteSpan page) const;

  const uint64_t seed_;
  const TextModel text_;
};

}  // namespace volstream::bench

#endif  // VOLSTREAM_BENCH_GENERATOR_H_
