// Output: standard output of a command that prints much: buffered, and with its errors seen.
#ifndef VOLSTREAM_TOOLS_OUTPUT_H_
#define VOLSTREAM_TOOLS_OUTPUT_H_

#include <unistd.h>

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "engine/bytes.h"
#include "tools/log.h"

namespace volstream {

// The exit code when whoever read our output went away, as with `volstream ls ... | head`: what a
// shell says of a program that SIGPIPE ended.
inline constexpr int kExitReaderGone = 141;

// Threads: one at a time. The first error is that of all later calls.
class Output {
 public:
  explicit Output(int fd = STDOUT_FILENO) : fd_(fd) {}
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  absl::Status Write(std::string_view text);
  // Bytes that are not copied.
  absl::Status WriteThrough(ByteSpan bytes);
  absl::Status Flush();

  // Writes what is left, says what went wrong, of `status` or of the writing, and returns the exit
  // code. A reader that went away is no error that anybody needs to be told of.
  int Finish(Log* log, const absl::Status& status);

 private:
  absl::Status WriteAll(const char* data, size_t size);

  const int fd_;
  std::string buffer_;
  absl::Status status_;
  bool reader_gone_ = false;
};

}  // namespace volstream

#endif  // VOLSTREAM_TOOLS_OUTPUT_H_
