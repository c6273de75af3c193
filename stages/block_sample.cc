#include "stages/block_sample.h"

#include <algorithm>
#include <cstring>

#include "engine/check.h"
#include "engine/status_macros.h"

namespace volstream {

void BlockSample::Offer(ByteSpan block) {
  MutexLock lock(&mu_);
  const uint64_t number = offered_++;
  if (number % stride_ != 0) return;
  if (blocks_.size() == max_blocks_) {
    // Every second one goes, and only every second one comes from here on.
    for (size_t i = 1; 2 * i < blocks_.size(); ++i) blocks_[i] = std::move(blocks_[2 * i]);
    blocks_.resize((blocks_.size() + 1) / 2);
    stride_ *= 2;
    if (number % stride_ != 0 || blocks_.size() == max_blocks_) return;
  }
  blocks_.emplace_back(block.begin(), block.end());
}

std::vector<std::vector<uint8_t>> BlockSample::Take() {
  MutexLock lock(&mu_);
  return std::exchange(blocks_, {});
}

absl::StatusOr<BlockTicket> SampledSource::Next(MutableByteSpan space) {
  VS_ASSIGN_OR_RETURN(const BlockTicket ticket, source_->Next(space));
  if (ticket.filled && ticket.bytes > 0) sample_->Offer(space.first(ticket.bytes));
  return ticket;
}

absl::StatusOr<size_t> SampledSource::Fill(const BlockTicket& ticket, MutableByteSpan space) {
  VS_ASSIGN_OR_RETURN(const size_t bytes, source_->Fill(ticket, space));
  if (bytes > 0) sample_->Offer(space.first(bytes));
  return bytes;
}

std::vector<BlockTicket> SampleSource::Tickets() const {
  std::vector<BlockTicket> tickets;
  for (size_t i = 0; i < blocks_.size(); ++i) tickets.push_back({i, blocks_[i].size(), false});
  return tickets;
}

absl::StatusOr<BlockTicket> SampleSource::Next(MutableByteSpan space) {
  const uint64_t bytes = std::min<uint64_t>(BlockAt(next_).size(), max_bytes_ - given_bytes_);
  VS_CHECK(bytes <= space.size());
  given_bytes_ += bytes;
  return BlockTicket{next_++, static_cast<size_t>(bytes), false};
}

absl::StatusOr<size_t> SampleSource::Fill(const BlockTicket& ticket, MutableByteSpan space) {
  std::memcpy(space.data(), BlockAt(ticket.offset).data(), ticket.bytes);
  return ticket.bytes;
}

}  // namespace volstream
