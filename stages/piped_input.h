// PipedInput: a pipe (standard input, as a rule) as a source. Looks at its first bytes to tell a
// tar stream from any other; a tar is checked while it passes, so that one that its writer left
// unfinished never counts as a backup. Other streams do not say where they end: there the shell's
// `pipefail` is all there is.
//
// Threads: as ByteStream says. The descriptor is borrowed.
#ifndef VOLSTREAM_STAGES_PIPED_INPUT_H_
#define VOLSTREAM_STAGES_PIPED_INPUT_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "stages/beneath.h"
#include "stages/byte_stream.h"
#include "stages/tar_watch.h"

namespace volstream {

class PipedInput : public ByteStream {
 public:
  // Waits for the first bytes. Errors: kFailedPrecondition for a terminal and for a stream without
  // any byte, which a command that failed leaves behind.
  static absl::StatusOr<std::unique_ptr<PipedInput>> Open(int fd);

  // Whether the stream begins with a tar header.
  bool is_tar() const { return is_tar_; }
  uint64_t entries() const override { return watch_.entries(); }
  void VisitEntries(EntryVisitor visit) override { watch_.Visit(std::move(visit)); }

  absl::StatusOr<size_t> Read(MutableByteSpan out) override;
  void Cancel() override;

 private:
  PipedInput(int fd, UniqueFd wake) : fd_(fd), wake_(std::move(wake)) {}
  absl::StatusOr<size_t> ReadPipe(MutableByteSpan out);

  const int fd_;
  const UniqueFd wake_;         // readable once cancelled
  std::vector<uint8_t> first_;  // read to see what it is; handed on from taken_ on
  size_t taken_ = 0;
  bool is_tar_ = false;
  TarWatch watch_;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_PIPED_INPUT_H_
