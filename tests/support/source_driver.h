// Drives a BlockSource as the pipeline would, block by block, in the order a test chooses.
#ifndef VOLSTREAM_TESTS_SUPPORT_SOURCE_DRIVER_H_
#define VOLSTREAM_TESTS_SUPPORT_SOURCE_DRIVER_H_

#include <string>
#include <vector>

#include "engine/stage.h"

namespace volstream {

enum class FillOrder { kForward, kBackward, kManyThreads };

// All tickets of the source, for blocks of block_bytes.
std::vector<BlockTicket> TicketsOf(BlockSource* source, size_t block_bytes);

// The whole stream. Each block is filled into a buffer of just its size.
std::string StreamOf(BlockSource* source, size_t block_bytes,
                     FillOrder order = FillOrder::kForward);

}  // namespace volstream

#endif  // VOLSTREAM_TESTS_SUPPORT_SOURCE_DRIVER_H_
