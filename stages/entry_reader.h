// From the bytes of a tar stream to its entries: the seams of a restore. Bytes are handed on
// without a copy, each piece with what keeps its memory alive, so that other threads can write them
// to disk while the stream goes on.
#ifndef VOLSTREAM_STAGES_ENTRY_READER_H_
#define VOLSTREAM_STAGES_ENTRY_READER_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/bytes.h"
#include "stages/entry_info.h"

namespace volstream {

// Bytes that live as long as `owner`, or a copy of it, does.
struct SharedBytes {
  ByteSpan bytes;
  std::shared_ptr<const void> owner;
};

inline SharedBytes CopyOf(ByteSpan bytes) {
  auto owner = std::make_shared<const std::vector<uint8_t>>(bytes.begin(), bytes.end());
  return {*owner, owner};
}

// A tar stream. Threads: Next by one thread at a time; Cancel by any, at any time.
class TarInput {
 public:
  virtual ~TarInput() = default;
  // Waits for the next bytes, of any length; empty at the end, and ever after.
  virtual absl::StatusOr<SharedBytes> Next() = 0;
  // Makes a waiting Next, and all later ones, end soon with kCancelled. Does not wait.
  virtual void Cancel() = 0;
};

// A piece of a file's content.
struct EntryData {
  uint64_t offset = 0;  // in the file
  SharedBytes content;  // empty: there is no more
};

// The entries of a tar stream, in its order. Threads: one at a time.
// Errors: kDataLoss, with the place, where the stream is no tar, is damaged or ends before its end
// mark; what the input says, unchanged, where that fails.
class EntryReader {
 public:
  virtual ~EntryReader() = default;
  // The next entry, null after the end mark; valid until the next call. What was not read of the
  // last one's data is passed over.
  virtual absl::StatusOr<const RestoreEntry*> Next() = 0;
  // The next piece of the current entry's content, in rising order; what no piece covers are zeros.
  virtual absl::StatusOr<EntryData> NextData() = 0;
};

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_ENTRY_READER_H_
