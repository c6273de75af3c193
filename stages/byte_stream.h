// ByteStream: bytes that come in order and once, of a length that nobody knows before the end: an
// answer of the Docker engine, a pipe.
//
// Threads: Read by one thread at a time; Cancel by any thread, at any time.
// Errors: a stream that ends before it is whole ends with an error, never with 0.
#ifndef VOLSTREAM_STAGES_BYTE_STREAM_H_
#define VOLSTREAM_STAGES_BYTE_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/bytes.h"
#include "stages/entry_info.h"

namespace volstream {

// What it is given lives for the call. `sparse`: what is stored is not the content as it is.
using EntryVisitor =
    std::function<absl::Status(const EntryInfo& entry, const EntryPlace& place, bool sparse)>;

class ByteStream {
 public:
  virtual ~ByteStream() = default;

  // Waits for bytes and writes what has come to the front of `out`, which is not empty. Returns how
  // many; 0 = the end, now and ever after. After an error nothing more may be read.
  virtual absl::StatusOr<size_t> Read(MutableByteSpan out) = 0;

  // After the end, what its user should know of the bytes that came; texts without the source's
  // name.
  virtual std::vector<std::string> Warnings() const { return {}; }
  // Entries that came so far, where the stream is a tar.
  virtual uint64_t entries() const { return 0; }
  // Where the stream is a tar: `visit` hears of each entry as it passes, on the thread that reads;
  // an error of it ends the reading. Before the first Read.
  virtual void VisitEntries(EntryVisitor /*visit*/) {}

  // Makes a waiting Read, and all later ones, end soon with kCancelled. Does not wait.
  virtual void Cancel() = 0;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_BYTE_STREAM_H_
