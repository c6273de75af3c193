#include "tests/support/source_driver.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

namespace volstream {
namespace {

constexpr int kThreads = 8;

std::string Fill(BlockSource* source, const BlockTicket& ticket) {
  const auto buffer = std::make_unique<uint8_t[]>(ticket.bytes);
  const absl::StatusOr<size_t> bytes =
      source->Fill(ticket, MutableByteSpan(buffer.get(), ticket.bytes));
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  EXPECT_LE(bytes.value_or(0), ticket.bytes);
  return std::string(reinterpret_cast<const char*>(buffer.get()), bytes.value_or(0));
}

}  // namespace

std::vector<BlockTicket> TicketsOf(BlockSource* source, size_t block_bytes) {
  std::vector<uint8_t> space(block_bytes);
  std::vector<BlockTicket> tickets;
  while (true) {
    const absl::StatusOr<BlockTicket> ticket = source->Next(space);
    EXPECT_TRUE(ticket.ok()) << ticket.status();
    if (!ticket.ok() || ticket->bytes == 0) return tickets;
    EXPECT_LE(ticket->bytes, block_bytes);
    tickets.push_back(*ticket);
  }
}

std::string StreamOf(BlockSource* source, size_t block_bytes, FillOrder order) {
  const std::vector<BlockTicket> tickets = TicketsOf(source, block_bytes);
  std::vector<std::string> blocks(tickets.size());
  if (order == FillOrder::kManyThreads) {
    std::atomic<size_t> next = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        for (size_t k = next++; k < tickets.size(); k = next++) {
          blocks[k] = Fill(source, tickets[k]);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  } else {
    for (size_t i = 0; i < tickets.size(); ++i) {
      const size_t k = order == FillOrder::kForward ? i : tickets.size() - 1 - i;
      blocks[k] = Fill(source, tickets[k]);
    }
  }
  std::string stream;
  for (const std::string& block : blocks) stream += block;
  return stream;
}

}  // namespace volstream
