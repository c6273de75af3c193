// The CRCs that S3 keeps of whole objects: CRC-32C (Castagnoli; RFC 3720 12.1) and CRC-64/NVME
// (NVM Express specification, "64b CRC"; the default of Amazon S3). Both can be put together from
// the CRCs of parts that were computed side by side.
//
// Safe for concurrent calls.
#ifndef VOLSTREAM_STAGES_CRC_H_
#define VOLSTREAM_STAGES_CRC_H_

#include <cstdint>

#include "engine/bytes.h"

namespace volstream {

uint32_t Crc32c(ByteSpan bytes);
uint64_t Crc64Nvme(ByteSpan bytes);

// The CRC of A followed by B, from theirs and from B's length in bytes.
uint32_t CombineCrc32c(uint32_t crc_a, uint32_t crc_b, uint64_t bytes_b);
uint64_t CombineCrc64Nvme(uint64_t crc_a, uint64_t crc_b, uint64_t bytes_b);

namespace internal {
// Crc64Nvme without the processor's carry-less multiplication: its fallback, and its oracle.
uint64_t PortableCrc64Nvme(ByteSpan bytes);
}  // namespace internal

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_CRC_H_
