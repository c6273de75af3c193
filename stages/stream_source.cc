#include "stages/stream_source.h"

#include "engine/status_macros.h"

namespace volstream {

absl::StatusOr<BlockTicket> StreamSource::Next(MutableByteSpan space) {
  BlockTicket ticket;
  ticket.offset = offset_;
  ticket.filled = true;
  while (ticket.bytes < space.size()) {
    VS_ASSIGN_OR_RETURN(const size_t bytes, stream_->Read(space.subspan(ticket.bytes)));
    if (bytes == 0) break;
    ticket.bytes += bytes;
  }
  offset_ += ticket.bytes;
  return ticket;
}

absl::StatusOr<size_t> StreamSource::Fill(const BlockTicket& ticket, MutableByteSpan space) {
  (void)space;
  return ticket.bytes;
}

}  // namespace volstream
