// Tokens for DeflateWriter in one list, and how a search would hand them over: in runs.
#ifndef VOLSTREAM_TESTS_SUPPORT_TOKEN_RUNS_H_
#define VOLSTREAM_TESTS_SUPPORT_TOKEN_RUNS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/bytes.h"
#include "stages/deflate_writer.h"

namespace volstream {

struct PlainToken {
  uint32_t length;  // 0: a literal
  uint32_t value;   // or distance
};

inline constexpr size_t kWriterSpareBytes = 8;  // that DeflateWriter wants behind what fits

// Enough for any tokens: none takes more than six bytes, and no header of a block more than 600.
inline size_t PlentyFor(size_t tokens, size_t run_tokens) {
  return 6 * tokens + 600 * (tokens / run_tokens + 1) + kWriterSpareBytes;
}

// In runs of this size; the last may be shorter. Goes on where they do not fit. What Finish says.
// REQUIRES: a token.
inline size_t WriteInRuns(const std::vector<PlainToken>& tokens, size_t run_tokens,
                          DeflateWriter* writer, MutableByteSpan out) {
  writer->Begin(out);
  for (size_t i = 0; i < tokens.size();) {
    const size_t end = std::min(tokens.size(), i + run_tokens);
    for (; i < end; ++i) {
      if (tokens[i].length == 0) {
        deflate::AddLiteral(static_cast<uint8_t>(tokens[i].value), writer->run());
      } else {
        deflate::AddMatch(tokens[i].length, tokens[i].value, writer->run());
      }
    }
    writer->EndRun();
  }
  return writer->Finish();
}

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_TOKEN_RUNS_H_
