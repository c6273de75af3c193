#include "bench/corpus.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>

namespace volstream::bench {
namespace {

constexpr size_t kStampBytes = 8;
constexpr size_t kStampStride = kCorpusBlockBytes / 2;

// Lays the stamps of block `index` over out, which is the block's bytes from `begin` on.
void Stamp(uint64_t seed, uint64_t index, size_t begin, MutableByteSpan out) {
  for (size_t at = 0; at < kCorpusBlockBytes; at += kStampStride) {
    const uint64_t stamp = Mix64(seed ^ Mix64(index * 2 + at / kStampStride));
    uint8_t bytes[kStampBytes];
    std::memcpy(bytes, &stamp, kStampBytes);
    const size_t first = std::max(at, begin);
    const size_t last = std::min(at + kStampBytes, begin + out.size());
    for (size_t i = first; i < last; ++i) out[i - begin] = bytes[i - at];
  }
}

}  // namespace

Corpus::Corpus(CorpusKind kind, uint64_t seed)
    : kind_(kind),
      seed_(seed),
      distinct_blocks_(kind == CorpusKind::kMixed ? kDistinctBlocksMixed : kDistinctBlocks) {
  for (int i = 0; i < kPlainKindCount; ++i) {
    const CorpusKind plain = static_cast<CorpusKind>(i);
    const bool wanted = kind == CorpusKind::kMixed || kind == plain;
    if (wanted && plain != CorpusKind::kZeros) {
      pools_[i].resize(distinct_blocks_ * kCorpusBlockBytes);
    }
  }
  const BlockGenerator generator(seed);
  std::atomic<uint64_t> next{0};
  const auto generate = [this, &generator, &next] {
    for (uint64_t job; (job = next.fetch_add(1)) < kPlainKindCount * distinct_blocks_;) {
      const uint64_t index = job % distinct_blocks_;
      std::vector<uint8_t>& pool = pools_[job / distinct_blocks_];
      if (pool.empty()) continue;
      generator.Generate(
          static_cast<CorpusKind>(job / distinct_blocks_), index,
          MutableByteSpan(pool).subspan(index * kCorpusBlockBytes, kCorpusBlockBytes));
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < std::max(1u, std::thread::hardware_concurrency()); ++i) {
    threads.emplace_back(generate);
  }
  generate();
  for (std::thread& thread : threads) thread.join();
}

ByteSpan Corpus::PoolBlock(uint64_t index) const {
  const std::vector<uint8_t>& pool = pools_[static_cast<int>(KindOfBlock(kind_, seed_, index))];
  if (pool.empty()) return ByteSpan();
  // A new order of the pool in each cycle: an odd factor permutes a power of two.
  const uint64_t hash = Mix64(seed_ + index / distinct_blocks_);
  const uint64_t slot = ((hash | 1) * index + (hash >> 32)) % distinct_blocks_;
  return ByteSpan(pool).subspan(slot * kCorpusBlockBytes, kCorpusBlockBytes);
}

void Corpus::Read(uint64_t offset, MutableByteSpan out) const {
  while (!out.empty()) {
    const uint64_t index = offset / kCorpusBlockBytes;
    const size_t begin = offset % kCorpusBlockBytes;
    const MutableByteSpan piece = out.first(std::min(out.size(), kCorpusBlockBytes - begin));
    const ByteSpan block = PoolBlock(index);
    if (block.empty()) {
      std::memset(piece.data(), 0, piece.size());
    } else {
      std::memcpy(piece.data(), block.data() + begin, piece.size());
      Stamp(seed_, index, begin, piece);
    }
    offset += piece.size();
    out = out.subspan(piece.size());
  }
}

uint64_t Corpus::pool_bytes() const {
  uint64_t bytes = 0;
  for (const std::vector<uint8_t>& pool : pools_) bytes += pool.size();
  return bytes;
}

absl::StatusOr<BlockTicket> CorpusSource::Next(MutableByteSpan space) {
  const uint64_t left = bytes_ - offset_;
  const BlockTicket ticket{offset_, static_cast<size_t>(std::min<uint64_t>(left, space.size()))};
  offset_ += ticket.bytes;
  return ticket;
}

absl::StatusOr<size_t> CorpusSource::Fill(const BlockTicket& ticket, MutableByteSpan space) {
  corpus_->Read(ticket.offset, space.first(ticket.bytes));
  return ticket.bytes;
}

}  // namespace volstream::bench
