// DeflateWriter: a deflate stream (RFC 1951) from tokens: where each block ends, its codes, its
// bits. Blocks have codes of their own, and end where the data changes: of each run of tokens it is
// asked whether codes in common with what came before cost more than another set of codes.
//
// Threads: one at a time. Allocates when it is made, never after.
#ifndef VOLSTREAM_STAGES_DEFLATE_WRITER_H_
#define VOLSTREAM_STAGES_DEFLATE_WRITER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/bytes.h"
#include "stages/deflate_tokens.h"
#include "stages/prefix_code.h"

namespace volstream {

class DeflateWriter {
 public:
  DeflateWriter();

  // A new stream to the front of `out`, which must stand until Finish. It fits with 8 bytes to
  // spare; what is behind it in `out` may change.
  void Begin(MutableByteSpan out);

  // Where the next run goes, empty at first. Valid until EndRun.
  deflate::TokenRun* run() { return &run_; }
  // Takes the run. REQUIRES: a run that is not empty, of at most kRunTokens + kRunSlack tokens.
  void EndRun();
  // The bytes written, or 0 when they do not fit. REQUIRES: at least one run.
  size_t Finish();
  // What has come so far does not fit.
  bool overflowed() const { return overflowed_; }

 private:
  static constexpr size_t kLiteralCodes = 286;
  static constexpr size_t kMaxBlockTokens = 16 * deflate::kRunTokens;

  struct Counts {
    std::array<uint32_t, kLiteralCodes> literals{};  // and lengths, and the end of the block
    std::array<uint32_t, deflate::kDistanceCodes> distances{};

    void Add(const Counts& other);
    uint64_t EstimatedBits() const;  // of a block with codes of its own, but for extra bits
  };
  struct Codes;
  struct Header;

  static Counts CountsOf(const deflate::TokenRun& run);
  void ResetRun();
  // Writes the block that is collected, which has the first block_tokens_ tokens.
  void WriteBlock(bool last);
  void WriteTokens(const Codes& codes);
  // REQUIRES: count <= 56.
  void Put(uint64_t bits, int count);

  std::vector<deflate::Token> tokens_;  // of the block, then of the run
  size_t block_tokens_ = 0;
  Counts block_;
  uint64_t block_bits_ = 0;  // estimated
  deflate::TokenRun run_;

  uint8_t* begin_ = nullptr;
  uint8_t* next_ = nullptr;
  uint8_t* end_ = nullptr;  // of what may be used
  uint64_t pending_ = 0;    // bits, lowest first, that do not fill a byte yet
  int pending_bits_ = 0;    // 0 to 7 between calls
  bool overflowed_ = false;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_DEFLATE_WRITER_H_
