// Part: what travels from the assembler to the sinks. A part is a contiguous run of the encoded
// stream; part_index counts from 0, part_number (S3's word) from 1.
#ifndef VOLSTREAM_ENGINE_MESSAGE_H_
#define VOLSTREAM_ENGINE_MESSAGE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/buffer_pool.h"
#include "engine/bytes.h"

namespace volstream {

// Digests of one part, filled in by the run's PartHasher. sha256 is all zero unless a sink asked
// for it (PartSink::WantsSha256).
struct PartDigest {
  std::array<uint8_t, 16> md5{};
  std::array<uint8_t, 32> sha256{};
};

// One part of the stream. Immutable once it reaches a sink; shared by all sinks of the run. Its
// buffer goes back to the pool when the last shared_ptr to it is dropped.
struct Part {
  uint64_t index = 0;
  uint64_t offset = 0;  // of its first byte in the encoded stream
  size_t bytes = 0;     // used bytes of the lease
  PartDigest digest;
  PartLease lease;

  uint64_t number() const { return index + 1; }
  ByteSpan data() const { return ByteSpan(lease.data(), bytes); }
};

// What is left of a part when its buffer is gone.
struct PartRecord {
  uint64_t offset = 0;
  uint64_t bytes = 0;
  PartDigest digest;
};

// The whole encoded stream, known when the last part has been hashed. parts[i] is part_index i.
struct StreamSummary {
  uint64_t bytes = 0;
  std::vector<PartRecord> parts;
};

}  // namespace volstream

#endif  // VOLSTREAM_ENGINE_MESSAGE_H_
