// The seams of the pipeline: the engine moves bytes between these interfaces and knows nothing
// else of what they do. Implementations live in stages/ or in a program that embeds the engine.
//
// Errors: every method reports by absl::Status. Nothing here may throw.
#ifndef VOLSTREAM_ENGINE_STAGE_H_
#define VOLSTREAM_ENGINE_STAGE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/bytes.h"
#include "engine/message.h"

namespace volstream {

// Extent of one block of the source stream.
struct BlockTicket {
  uint64_t offset = 0;  // of its first byte in the planned source stream
  size_t bytes = 0;     // at most the space offered; 0 = end of stream
  bool filled = false;  // the source wrote the bytes already; Fill is not called
};

// BlockSource cuts a stream into blocks. A source that can read at random only says each block's
// extent in Next and reads in Fill, which runs on all workers at once; a source that must read in
// order (a pipe) reads in Next and sets `filled`.
class BlockSource {
 public:
  virtual ~BlockSource() = default;

  // Upper bound in bytes of the whole stream, or 0 when it is not known. Callable at any time.
  virtual uint64_t MaxStreamBytes() const = 0;

  // The next block; a ticket of 0 bytes ends the stream. Source thread only, never concurrent.
  // `space` stays valid until Fill for the ticket returned.
  virtual absl::StatusOr<BlockTicket> Next(MutableByteSpan space) = 0;

  // Writes the block's bytes to the front of `space` and returns how many: ticket.bytes, or fewer
  // when the source leaves something out. Safe for concurrent calls with different tickets.
  virtual absl::StatusOr<size_t> Fill(const BlockTicket& ticket, MutableByteSpan space) = 0;

  // Makes a waiting Next end soon, with any error: the run has failed or was cancelled. Any thread,
  // any number of times. A source that never waits for others has nothing to do here.
  virtual void Cancel() {}
};

struct EncodedBlock {
  size_t bytes = 0;     // written to the output
  bool stored = false;  // taken over as it is because it would not shrink
  // Encoded once more, by other means, as what came first did not decode to the block.
  bool redone = false;
};

// BlockCodec turns one block into self-contained encoded bytes: the encoded blocks, put one after
// another in order, are the encoded stream.
class BlockCodec {
 public:
  virtual ~BlockCodec() = default;
  // The most bytes that Encode writes for a block of at most block_bytes.
  virtual size_t Bound(size_t block_bytes) const = 0;
  // `out` holds at least Bound(in.size()) bytes. Safe for concurrent calls. The pipeline puts "at
  // offset N: " before an error's message: the offset of the block's ticket.
  virtual absl::StatusOr<EncodedBlock> Encode(ByteSpan in, MutableByteSpan out) = 0;
};

// Where an encoded block lies in both streams.
struct BlockRecord {
  uint64_t source_offset = 0;   // of the block's first byte among the bytes really filled
  uint64_t source_bytes = 0;    // 0: a piece of the stream's tail
  uint64_t encoded_offset = 0;  // of its first byte in the encoded stream
  uint64_t encoded_bytes = 0;
  bool stored = false;
};

// StreamObserver sees the encoded stream block by block in order: a whole-stream digest, an index.
// Called by one thread at a time, with a happens-before edge between calls.
class StreamObserver {
 public:
  virtual ~StreamObserver() = default;
  virtual absl::Status OnBlock(const BlockRecord& record, ByteSpan encoded) = 0;
};

// StreamTail: encoded bytes that follow the last block and can only be made then, such as an index
// of what came before. They take the blocks' way: observers see them, with no source bytes.
class StreamTail {
 public:
  virtual ~StreamTail() = default;
  // Upper bound of the bytes; asked before the first block, and only of a source that knows its
  // own.
  virtual uint64_t MaxBytes() const = 0;
  // Writes the bytes that come at `encoded_offset` to the front of `out`, which has the codec's
  // bound for a block, and returns how many; 0 = the end. Caller's thread, after the last OnBlock
  // of a block.
  virtual absl::StatusOr<size_t> Next(uint64_t encoded_offset, MutableByteSpan out) = 0;
};

// A part to be hashed.
struct PartBytes {
  uint64_t index = 0;
  ByteSpan bytes;
};

// PartHasher computes the digests of parts. Safe for concurrent calls.
class PartHasher {
 public:
  virtual ~PartHasher() = default;

  // With so many parts in one call each costs the least. The pipeline then holds full parts back
  // until they are that many, within bounds of its own. Callable at any time, always the same.
  virtual size_t BatchParts() const { return 1; }

  // digests[i] becomes that of parts[i], which follow each other in the stream. Each part comes
  // once, and after the observers have seen all of its bytes. REQUIRES: as many digests as parts.
  virtual void Hash(std::span<const PartBytes> parts, bool want_sha256,
                    std::span<PartDigest> digests) = 0;
};

// What a sink may know before the first byte.
struct StreamShape {
  uint64_t max_stream_bytes = 0;  // upper bound of the encoded stream; 0 = not known
  // Of the first part, and of every other but the last unless parts grow; then of the smallest.
  size_t part_bytes = 0;
  size_t max_part_bytes = 0;  // of the largest part: part_bytes unless parts grow
};

// PartSink stores the parts of one stream at one destination. Life cycle, driven by the pipeline:
// Begin, then Put for each part, then exactly one of Finish or Abort. If Begin fails, neither
// follows: Begin cleans up after itself.
class PartSink {
 public:
  using Done = std::function<void(absl::Status)>;

  virtual ~PartSink() = default;

  // The destination as a person writes it, for messages.
  virtual std::string Describe() const = 0;

  // True if PartDigest::sha256 is needed. Callable at any time.
  virtual bool WantsSha256() const { return false; }

  // Caller's thread, before any Put.
  virtual absl::Status Begin(const StreamShape& shape) = 0;

  // Takes one part; parts may come in any order and from several threads at once. Must not wait
  // for I/O. `done` is called exactly once, from any thread, possibly before Put returns; the
  // sink drops its reference to the part before it calls `done`.
  virtual void Put(std::shared_ptr<const Part> part, Done done) = 0;

  // Makes outstanding and later calls of Begin and Put end soon, with kCancelled. Any thread, any
  // number of times, before Begin too.
  virtual void Cancel() = 0;

  // Caller's thread, after every Put was done with OK. Makes the object visible, checks it, and
  // returns what the destination itself says of the bytes (an ETag); empty where it says nothing.
  // When it fails, nothing of the stream stays visible at the destination.
  virtual absl::StatusOr<std::string> Finish(const StreamSummary& summary) = 0;

  // What else is known of the object once Finish has succeeded, as names and values for a person
  // or a record: how it was proven, how it is encrypted.
  virtual std::vector<std::pair<std::string, std::string>> Facts() const { return {}; }

  // Caller's thread, after every Put was done. Leaves nothing behind. An error says what stayed.
  virtual absl::Status Abort() = 0;
};

}  // namespace volstream

#endif  // VOLSTREAM_ENGINE_STAGE_H_
